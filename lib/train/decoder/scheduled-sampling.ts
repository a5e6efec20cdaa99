import * as tf from '@tensorflow/tfjs-core';
import { compile, type CompiledStep } from '../../backend/index.js';
import { sampleWeighted } from '../../search/distribution.js';
import { isWritable } from '../../search/stepper.js';
import type { Decoder } from '../../model/decoder/decoder.js';
import type { Random } from '../../random.js';
import { Vocabulary } from '../../text/vocabulary.js';
import type { Batch } from '../batches/batches.js';
import type { Tensors } from '../loop/scalar-step.js';
import { storedFeatures } from './training-step.js';

/** Rows that are scored together are padded to a multiple of this, so that few graphs serve all numbers of them. */
const rowsPerBlock = 32;

/**
 * Scheduled sampling (Bengio et al. 2015, https://arxiv.org/abs/1506.03099): some of the reference words that a decoder reads are
 * replaced by words sampled from the decoder, so that it learns to continue after its own mistakes. All are sampled at once, each after the
 * reference words before it (Mihaylova and Martins 2019, https://arxiv.org/abs/1906.07651), which costs one additional pass instead of one for each word.
 */
export class ScheduledSampling {
  private readonly read: CompiledStep<Tensors, { outputs: tf.Tensor2D }>;
  private readonly score: CompiledStep<{ outputs: tf.Tensor2D }, { probabilities: tf.Tensor2D }>;

  constructor(private readonly decoder: Decoder) {
    this.read = compile((inputs: Tensors) => ({
      outputs: decoder.outputs(storedFeatures.features(inputs), inputs.tokens as tf.Tensor2D), // [(T - 1) * B, H]
    }));
    this.score = compile(({ outputs }) => ({ probabilities: tf.softmax(decoder.score(outputs)) })); // [R, V]
  }

  /**
   * Replaces words of a batch.
   * @param share of the words after the first to replace, on average.
   * @returns the batch with other input words and the same targets.
   */
  async mix(batch: Batch, share: number, random: Random): Promise<Batch> {
    if (share === 0) return batch;
    const B = batch.tokens.length / batch.length;
    const replaced: number[] = [];
    for (let i = B; i < batch.tokens.length; i++)
      if (random.uniform() < share && batch.weights[i] > 0) replaced.push(i);
    if (replaced.length === 0) return batch;
    const probabilities = await this.probabilities(batch, replaced); // [R, V]
    const tokens = batch.tokens.slice();
    const V = this.decoder.sizes.vocabularySize;
    replaced.forEach((i, row) => {
      tokens[i] = sampleWord(probabilities.subarray(row * V, (row + 1) * V), random.uniform()) ?? tokens[i];
    });
    return { ...batch, tokens };
  }

  /** Frees its memory. */
  dispose(): void {
    this.read.dispose();
    this.score.dispose();
  }

  /** The probabilities of the words at some places of a batch, each after the words before it: a row of V for each. */
  private async probabilities(batch: Batch, places: readonly number[]): Promise<Float32Array> {
    const { length: T, tokens } = batch;
    const B = tokens.length / T;
    // The last words of the batch have no word after them to sample.
    const before = tf.tensor2d(tokens.subarray(0, tokens.length - B), [T - 1, B], 'int32'); // [T - 1, B]
    const outputs = await valuesOf(this.read, { ...storedFeatures.inputs(batch), tokens: before }); // [(T - 1) * B, H]
    // The probabilities of word t come from the row of word t - 1. Only the rows that are sampled from are scored.
    const H = outputs.length / (tokens.length - B);
    const rows = Math.ceil(places.length / rowsPerBlock) * rowsPerBlock;
    const asked = new Float32Array(rows * H);
    places.forEach((i, row) => {
      asked.set(outputs.subarray((i - B) * H, (i - B + 1) * H), row * H);
    });
    return valuesOf(this.score, { outputs: tf.tensor2d(asked, [rows, H]) }); // [rows, V]
  }
}

/** Runs a step, reads its only output, and frees its inputs and the output. */
async function valuesOf<I extends Tensors>(run: CompiledStep<I, Tensors>, inputs: I): Promise<Float32Array> {
  try {
    const [output] = Object.values(await run(inputs));
    const values = output.dataSync<'float32'>();
    output.dispose();
    return values;
  } finally {
    tf.dispose(inputs);
  }
}

/**
 * A word drawn by its probability. Words that are never written are left out.
 * @param probabilities [V], with a sum of 1; those of words that are never written become 0.
 * @param uniform in [0, 1).
 * @returns undefined if the probabilities are not numbers.
 */
function sampleWord(probabilities: Float32Array, uniform: number): number | undefined {
  let total = 1;
  for (let word = 0; word < Vocabulary.SPECIALS; word++) {
    if (isWritable(word, true)) continue;
    total -= probabilities[word];
    probabilities[word] = 0;
  }
  return sampleWeighted(probabilities, total, uniform);
}
