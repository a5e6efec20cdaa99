import '@tensorflow/tfjs'; // its cpu backend and its gradients
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { DecoderConfig, parseConfig } from '../../../lib/config.js';
import { CaptionerError } from '../../../lib/errors.js';
import { Decoder } from '../../../lib/model/decoder/decoder.js';
import { Random } from '../../../lib/random.js';

const sizes = { featureSize: 6, vocabularySize: 11 };
const B = 3;
const T = 4;

function make(config: Partial<DecoderConfig>, options = {}) {
  const full = parseConfig(DecoderConfig, { hiddenSize: 5, embeddingSize: 4, ...config });
  return new Decoder(full, sizes, { random: new Random(3), ...options });
}

function inputs(T = 4) {
  const random = new Random(7);
  const features = tf.tensor2d(
    Float32Array.from({ length: B * sizes.featureSize }, () => random.normal()),
    [B, sizes.featureSize],
  );
  const tokens = tf.tensor2d(
    Int32Array.from({ length: T * B }, () => random.integer(11)),
    [T, B],
    'int32',
  );
  return { features, tokens };
}

function apart(a: tf.Tensor, b: tf.Tensor): number {
  expect(a.shape).to.deep.equal(b.shape);
  return tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]);
}

describe('Decoder', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  for (const cell of ['lstm', 'gru', 'rnn'] as const) {
    for (const conditioning of ['init-state', 'first-token'] as const) {
      for (const layers of [1, 2]) {
        it(`${cell}, ${conditioning}, ${layers} layers: stepping word by word matches teacher forcing`, () => {
          const before = tf.memory().numTensors;
          const decoder = make({ cell, conditioning, layers });
          tf.tidy(() => {
            const { features, tokens } = inputs();
            const logits = decoder.forward(features, tokens);
            expect(logits.shape).to.deep.equal([T * B, 11]);
            let state = decoder.initialState(features);
            const stepped = tf.unstack(tokens).map((words) => {
              const { logits, state: next } = decoder.step(words as tf.Tensor1D, state);
              state = next;
              return logits;
            });
            expect(apart(logits, tf.concat(stepped, 0))).to.be.below(1e-6);
          });
          decoder.dispose();
          expect(tf.memory().numTensors).to.equal(before);
        });
      }
    }
  }

  it('matches the equations of the LSTM, written as loops', () => {
    const decoder = make({ normalizeFeatures: false });
    const { features, tokens } = inputs();
    const value = (name: string) => decoder.variables[name].arraySync() as number[][];
    const bias = (name: string) => decoder.variables[name].arraySync() as number[];
    const times = (x: number[], W: number[][]) => W[0].map((_, j) => x.reduce((sum, xi, i) => sum + xi * W[i][j], 0));
    const plus = (a: number[], b: number[]) => a.map((x, i) => x + b[i]);
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
    const H = 5;
    const rows = features.arraySync().map((feature, b) => {
      const init = plus(times(feature, value('init/kernel')), bias('init/bias'));
      let [h, c] = [init.slice(0, H), init.slice(H)];
      return tokens.arraySync().map((words) => {
        const x = value('embedding')[words[b]];
        const z = plus(plus(times(x, value('lstm0/kernel')), bias('lstm0/bias')), times(h, value('lstm0/recurrent')));
        const [i, f, g, o] = [0, 1, 2, 3].map((n) => z.slice(n * H, (n + 1) * H));
        c = c.map((cj, j) => sigmoid(f[j]) * cj + sigmoid(i[j]) * Math.tanh(g[j]));
        h = c.map((cj, j) => sigmoid(o[j]) * Math.tanh(cj));
        return plus(times(h, value('output/kernel')), bias('output/bias'));
      });
    });
    const expected = Array.from({ length: T }, (_, t) => rows.map((row) => row[t])).flat();
    expect(apart(decoder.forward(features, tokens), tf.tensor2d(expected))).to.be.below(1e-6);
    decoder.dispose();
  });

  const shapes = [
    { cell: 'lstm', layers: 2, conditioning: 'init-state' },
    { cell: 'gru', layers: 2, conditioning: 'first-token' },
    { cell: 'rnn', layers: 2, conditioning: 'init-state' },
    { cell: 'rnn', layers: 1, conditioning: 'init-state' },
    { cell: 'lstm', layers: 1, conditioning: 'first-token', length: 1 },
  ] as const;
  for (const { length, ...config } of shapes.map((shape) => ({ length: T, ...shape }))) {
    const { cell, layers, conditioning } = config;
    it(`${cell}, ${conditioning}, ${layers} layers, ${length} words: gradients match finite differences`, () => {
      const decoder = make(config);
      const { features, tokens } = inputs(length);
      const loss = () => tf.sum(tf.square(tf.sub(decoder.forward(features, tokens), 0.3))) as tf.Scalar;
      const trainable = Object.values(decoder.variables).filter((v) => v.trainable);
      const { grads } = tf.variableGrads(loss, trainable);
      const random = new Random(5);
      for (const variable of trainable) {
        // Along a random direction: (L(w + e d) - L(w - e d)) / 2e = gradient . d
        const direction = Float32Array.from(
          { length: variable.size },
          () => random.normal() / Math.sqrt(variable.size),
        );
        const gradient = grads[variable.name].dataSync<'float32'>();
        const expected = gradient.reduce((sum, g, i) => sum + g * direction[i], 0);
        const start = variable.dataSync<'float32'>().slice();
        const at = (e: number) => {
          variable.assign(
            tf.tensor(
              start.map((w, i) => w + e * direction[i]),
              variable.shape,
            ),
          );
          return loss().dataSync()[0];
        };
        const e = 1e-2;
        const measured = (at(e) - at(-e)) / (2 * e);
        at(0);
        expect(measured, variable.name).to.be.closeTo(expected, 1e-3 * Math.max(1, Math.abs(expected)));
      }
      decoder.dispose();
    });
  }

  it('multiplies by the given dropout masks, and by nothing without masks', () => {
    const decoder = make({ layers: 2 });
    const { features, tokens } = inputs();
    const ones = {
      features: tf.ones([B, 6]) as tf.Tensor2D,
      input: tf.ones([T * B, 4]) as tf.Tensor2D,
      between: [tf.ones([T * B, 5]) as tf.Tensor2D],
      output: tf.ones([T * B, 5]) as tf.Tensor2D,
    };
    const plain = decoder.forward(features, tokens);
    expect(apart(decoder.forward(features, tokens, ones), plain)).to.equal(0);
    const bias = tf.tile(tf.expandDims(decoder.variables['output/bias'], 0), [T * B, 1]);
    const nothing = { output: tf.zeros([T * B, 5]) as tf.Tensor2D };
    expect(apart(decoder.forward(features, tokens, nothing), bias)).to.equal(0);
    for (const [name, one] of Object.entries(ones)) {
      const halved = Array.isArray(one) ? one.map((x) => tf.mul(x, 0.5)) : tf.mul(one, 0.5);
      expect(apart(decoder.forward(features, tokens, { [name]: halved }), plain), name).to.be.above(1e-4);
    }
    decoder.dispose();
  });

  it('standardises features by the mean and deviation it is given', () => {
    const featureMean = Float32Array.of(1, 2, 3, 4, 5, 6);
    const featureStd = Float32Array.of(2, 2, 2, 4, 4, 4);
    const decoder = make({}, { featureMean, featureStd });
    const plain = make({ normalizeFeatures: false });
    const features = tf.tensor2d([[3, 4, 5, 8, 9, 10]]);
    const state = decoder.initialState(features);
    expect(apart(state.h0, plain.initialState(tf.ones([1, 6])).h0)).to.be.below(1e-6);
    expect(decoder.variables['features/mean'].trainable).to.equal(false);
    decoder.dispose();
    plain.dispose();
  });

  it('takes the embedding size from pretrained vectors, freezes them, and draws missing rows', () => {
    const vectors = new Float32Array(11 * 7).fill(0.5, 4 * 7);
    const frozen = make({ embeddings: 'pretrained-frozen' }, { vectors });
    expect(frozen.config.embeddingSize).to.equal(7);
    expect(frozen.variables.embedding.trainable).to.equal(false);
    const rows = frozen.variables.embedding.arraySync() as number[][];
    expect(rows[4]).to.deep.equal(Array(7).fill(0.5));
    for (const row of rows.slice(0, 4)) expect(Math.max(...row.map(Math.abs))).to.be.within(0.05, 2);
    expect(
      vectors.slice(0, 28).every((x) => x === 0),
      'the caller’s vectors stay as they are',
    ).to.equal(true);
    const tuned = make({ embeddings: 'pretrained-tuned' }, { vectors });
    expect(tuned.variables.embedding.trainable).to.equal(true);
    frozen.dispose();
    tuned.dispose();
  });

  it('is the same for the same seed, and independent of other instances', () => {
    const [one, two, other] = [make({}), make({}), make({}, { random: new Random(4) })];
    for (const name of Object.keys(one.variables)) {
      expect(one.variables[name].dataSync()).to.deep.equal(two.variables[name].dataSync());
    }
    expect(one.variables['lstm0/kernel'].dataSync()).not.to.deep.equal(other.variables['lstm0/kernel'].dataSync());
    expect([...one.variables['lstm0/bias'].dataSync()]).to.deep.equal(
      [0, 1, 0, 0].flatMap((x) => Array(5).fill(x) as number[]),
    );
    [one, two, other].forEach((decoder) => {
      decoder.dispose();
    });
  });

  it('refuses weights of another size, naming them', () => {
    const weights = new Map([['init/bias', { data: new Float32Array(9) }]]);
    expect(() => make({}, { weights })).to.throw(CaptionerError, /'init\/bias' has shape \[10\], but got 9 numbers/);
  });
});
