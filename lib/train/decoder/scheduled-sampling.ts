import * as tf from '@tensorflow/tfjs-core';
import { compile, type CompiledStep } from '../../backend/index.js';
import { sampleWord } from '../../search/distribution.js';
import type { Decoder } from '../../model/decoder/decoder.js';
import type { Random } from '../../random.js';
import type { Batch } from '../batches/batches.js';
import type { Tensors } from '../loop/scalar-step.js';
import { captionTensors, storedFeatures } from './training-step.js';

/** Words are sampled from the decoder's own probabilities. */
const unshaped = { temperature: 1, topK: 0, topP: 1 };

/**
 * Scheduled sampling (Bengio et al. 2015, https://arxiv.org/abs/1506.03099): some of the reference words that a decoder reads are
 * replaced by words sampled from the decoder, so that it learns to continue after its own mistakes. All are sampled at once, each after the
 * reference words before it (Mihaylova and Martins 2019, https://arxiv.org/abs/1906.07651), which costs one additional pass instead of one for each word.
 */
export class ScheduledSampling {
  private readonly run: CompiledStep<Tensors, { logits: tf.Tensor }>;

  constructor(private readonly decoder: Decoder) {
    this.run = compile((inputs: Tensors) => ({
      logits: decoder.forward(storedFeatures.features(inputs), inputs.tokens as tf.Tensor2D), // [T * B, V]
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
    const inputs = { ...storedFeatures.inputs(batch), ...captionTensors(batch) };
    try {
      const { logits } = await this.run(inputs);
      const values = (await logits.data()) as Float32Array;
      logits.dispose();
      const V = this.decoder.sizes.vocabularySize;
      const tokens = batch.tokens.slice();
      for (const i of replaced) {
        // The logits of word t are in the row of word t - 1.
        const drawn = sampleWord(values.subarray((i - B) * V, (i - B + 1) * V), unshaped, random.uniform(), true);
        tokens[i] = drawn ?? tokens[i];
      }
      return { ...batch, tokens };
    } finally {
      tf.dispose(inputs);
    }
  }

  dispose(): void {
    this.run.dispose();
  }
}
