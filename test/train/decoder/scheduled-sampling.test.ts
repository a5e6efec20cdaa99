import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { useBackend } from '../../../lib/backend/index.js';
import { DecoderConfig, parseConfig } from '../../../lib/config.js';
import { Decoder } from '../../../lib/model/decoder/decoder.js';
import { Random } from '../../../lib/random.js';
import type { Batch } from '../../../lib/train/batches/batches.js';
import { ScheduledSampling } from '../../../lib/train/decoder/scheduled-sampling.js';

describe('ScheduledSampling', () => {
  const [T, B, V, D] = [6, 50, 7, 4];
  let decoder: Decoder;
  let sampling: ScheduledSampling;
  let batch: Batch;

  before(async () => {
    await useBackend('onnx');
    const config = parseConfig(DecoderConfig, { hiddenSize: 5, embeddingSize: 3, normalizeFeatures: false });
    const random = new Random(2);
    decoder = new Decoder(config, { featureSize: D, vocabularySize: V }, { random });
    sampling = new ScheduledSampling(decoder);
    const captions = Array.from({ length: B }, (_, b) => (b % 2 ? T : 4)); // lengths
    batch = {
      length: T,
      features: Float32Array.from({ length: B * D }, () => random.normal()),
      tokens: Int32Array.from({ length: T * B }, () => random.integer(V)),
      targets: Int32Array.from({ length: T * B }, () => random.integer(V)),
      weights: Float32Array.from({ length: T * B }, (_, i) => (Math.floor(i / B) < captions[i % B] ? 0.01 : 0)),
      words: (B / 2) * (T + 4),
    };
  });
  after(() => {
    sampling.dispose();
    decoder.dispose();
  });

  it('replaces the given share of input words, but not the first word, targets or padding', async () => {
    let changed = 0;
    for (let seed = 0; seed < 20; seed++) {
      const mixed = await sampling.mix(batch, 0.5, new Random(seed));
      expect({ ...mixed, tokens: batch.tokens }).to.deep.equal(batch);
      mixed.tokens.forEach((token, i) => {
        if (token === batch.tokens[i]) return;
        changed++;
        expect(i).to.be.at.least(B);
        expect(batch.weights[i]).to.be.above(0);
      });
    }
    // Half of them are drawn again, and some of these come out the same.
    expect(changed / (20 * (batch.words - B))).to.be.within(0.3, 0.5);
    expect(await sampling.mix(batch, 0, new Random(1))).to.equal(batch);
    expect(await sampling.mix(batch, 0.5, new Random(1))).to.deep.equal(await sampling.mix(batch, 0.5, new Random(1)));
  });

  it("draws by the decoder's probabilities after people's words", async () => {
    const place = 3 * B + 1; // word 3 of caption 1
    const drawn = new Array<number>(V).fill(0);
    const draws = 2000;
    for (let seed = 0; seed < draws; seed++) {
      const { tokens } = await sampling.mix(batch, 1, new Random(seed));
      drawn[tokens[place]]++;
    }
    const probabilities = tf.tidy(() => {
      const words = Int32Array.from({ length: 3 }, (_, t) => batch.tokens[t * B + 1]);
      const features = tf.tensor2d(batch.features.slice(D, 2 * D), [1, D]);
      const logits = decoder.forward(features, tf.tensor2d(words, [3, 1], 'int32'));
      return Array.from(tf.softmax(tf.slice2d(logits, [2, 0], [1, V])).dataSync());
    });
    // <pad> and <start> are never written.
    const total = probabilities.reduce((sum, p, token) => (drawn[token] > 0 ? sum + p : sum), 0);
    expect(drawn.filter((count) => count === 0).length).to.be.at.most(2);
    let chiSquare = 0;
    drawn.forEach((count, token) => {
      const expected = (draws * probabilities[token]) / total;
      if (count > 0) chiSquare += (count - expected) ** 2 / expected;
    });
    expect(chiSquare).to.be.below(22.5); // 6 degrees of freedom at most: p = .001
  });
});
