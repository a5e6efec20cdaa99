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

/**
 * Scheduled sampling (Bengio et al. 2015, https://arxiv.org/abs/1506.03099): some of the reference words that a decoder reads are
 * replaced by words sampled from the decoder, so that it learns to continue after its own mistakes. All are sampled at once, each after the
 * reference words before it (Mihaylova and Martins 2019, https://arxiv.org/abs/1906.07651), which costs one additional pass instead of one for each word.
 */
export class ScheduledSampling {
  private readonly run: CompiledStep<Tensors, { outputs: tf.Tensor2D }>;

  constructor(private readonly decoder: Decoder) {
    this.run = compile((inputs: Tensors) => ({
      outputs: decoder.outputs(storedFeatures.features(inputs), inputs.tokens as tf.Tensor2D), // [(T - 1) * B, H]
    }));
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
    // The last words of the batch have no word after them to sample.
    const before = batch.tokens.subarray(0, batch.tokens.length - B);
    const inputs = {
      ...storedFeatures.inputs(batch),
      tokens: tf.tensor2d(before, [batch.length - 1, B], 'int32'), // [T - 1, B]
    };
    try {
      const { outputs } = await this.run(inputs);
      // The probabilities of word t come from the row of word t - 1. Only the rows that are sampled from are scored.
      const rows = Int32Array.from(replaced, (i) => i - B);
      const scored = tf.tidy(() => {
        const asked = tf.gather(outputs, tf.tensor1d(rows, 'int32')); // [R, H]
        return tf.softmax(this.decoder.score(asked)); // [R, V]
      });
      const probabilities = scored.dataSync<'float32'>(); // [R, V]
      tf.dispose([outputs, scored]);
      const tokens = batch.tokens.slice();
      const V = this.decoder.sizes.vocabularySize;
      replaced.forEach((i, row) => {
        tokens[i] = sampleWord(probabilities.subarray(row * V, (row + 1) * V), random.uniform()) ?? tokens[i];
      });
      return { ...batch, tokens };
    } finally {
      tf.dispose(inputs);
    }
  }

  dispose(): void {
    this.run.dispose();
  }
}

/**
 * A word drawn by its probability. Words that are never written are left out.
 * @param probabilities [V]; those of words that are never written become 0.
 * @param uniform in [0, 1).
 * @returns undefined if the probabilities are not numbers.
 */
function sampleWord(probabilities: Float32Array, uniform: number): number | undefined {
  for (let word = 0; word < Vocabulary.SPECIALS; word++) if (!isWritable(word, true)) probabilities[word] = 0;
  let total = 0;
  for (const probability of probabilities) total += probability;
  return sampleWeighted(probabilities, total, uniform);
}
