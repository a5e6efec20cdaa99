import { CaptionerError } from '../errors.js';
import type { Weight } from '../files/safetensors.js';
import type { Checkpoint } from '../model/checkpoint/checkpoint.js';
import { decodeModel, encodeModel } from '../onnx/protobuf.js';
import { Vocabulary } from '../text/vocabulary.js';

/** Arrays of a decoder with one row, or one column, per word. */
const perWord = { embedding: 'rows', 'output/kernel': 'columns', 'output/bias': 'columns' } as const;

/**
 * Keeps the most frequent words of a captioner, for a smaller file. Most words of a large vocabulary
 * are hardly ever written. The probability of the words that are left out goes to the others, in
 * proportion.
 *
 * @param size size of the vocabulary, including the four special tokens.
 * @returns the checkpoint with fewer words; the same checkpoint if it has no more than `size`.
 * @throws CaptionerError `bad-option`: fewer than one word would be left.
 */
export function pruneVocabulary(checkpoint: Checkpoint, size: number): Checkpoint {
  const { vocabulary, config, weights, graphs } = checkpoint;
  if (vocabulary.size <= size) return checkpoint;
  if (size <= Vocabulary.SPECIALS) {
    throw new CaptionerError(
      'bad-option',
      `A vocabulary of ${size} leaves no word. Keep more than ${Vocabulary.SPECIALS}.`,
    );
  }
  return {
    ...checkpoint,
    config: { ...config, vocabularySize: size, vocabulary: { ...config.vocabulary, maxSize: size } },
    vocabulary: firstWords(vocabulary, size),
    weights: new Map([...weights].map(([name, array]) => [name, pruned(name, array, vocabulary.size, size)])),
    graphs: new Map([...graphs].map(([name, graph]) => [name, withFewerWords(graph, size)])),
  };
}

/** Words are sorted by frequency, so the first ones stay. */
function firstWords({ words, counts }: Vocabulary, size: number): Vocabulary {
  const dropped = counts.slice(size).reduce((sum, count) => sum + count, 0);
  const kept = counts.slice(0, size).map((count, id) => (id === Vocabulary.UNK ? count + dropped : count));
  return Vocabulary.fromJSON({ words: words.slice(0, size), counts: kept });
}

function pruned(name: string, array: Weight, before: number, size: number): Weight {
  if (!(name in perWord)) return array;
  const { shape, data } = array;
  if (perWord[name as keyof typeof perWord] === 'rows') {
    return { ...array, shape: [size, ...shape.slice(1)], data: data.slice(0, (data.length / before) * size) };
  }
  const rows = data.length / before;
  const kept = new Float32Array(rows * size);
  for (let row = 0; row < rows; row++) kept.set(data.subarray(row * before, row * before + size), row * size);
  return { ...array, shape: [...shape.slice(0, -1), size], data: kept };
}

/** A decoder's graph, whose weights are inputs, with the shapes of fewer words. */
function withFewerWords(bytes: Uint8Array, size: number): Uint8Array {
  const model = decodeModel(bytes);
  const axes: Readonly<Record<string, 'rows' | 'columns'>> = { ...perWord, logProbabilities: 'columns' };
  const { input = [], output = [] } = model.graph;
  for (const { name, type } of [...input, ...output]) {
    const dims = type?.tensorType?.shape?.dim;
    const axis = name && axes[name];
    if (!dims || !axis) continue;
    dims[axis === 'rows' ? 0 : dims.length - 1] = { dimValue: size };
  }
  return encodeModel(model);
}
