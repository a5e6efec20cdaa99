import { expect } from 'chai';
import { useBackend } from '../../lib/backend/index.js';
import { DecoderConfig, parseConfig } from '../../lib/config.js';
import { openFeatures } from '../../lib/data/features/store.js';
import { resolveSearch } from '../../lib/search/search-config.js';
import { DecoderSession, type SessionState } from '../../lib/search/decoder-session.js';
import { searchCaptions } from '../../lib/search/search.js';
import { unwritable, type Stepper } from '../../lib/search/stepper.js';
import { topOf, topWords } from '../../lib/search/top-words.js';
import { loadCheckpoint, type Checkpoint } from '../../lib/model/checkpoint/checkpoint.js';
import { Decoder } from '../../lib/model/decoder/decoder.js';
import { exportDecoder } from '../../lib/model/decoder/export-decoder.js';
import { weightsOf } from '../../lib/model/variables.js';
import { Random } from '../../lib/random.js';

describe('DecoderSession', () => {
  let checkpoint: Checkpoint;
  let session: DecoderSession;
  let features: Float32Array;
  let rows: number;

  before(async () => {
    checkpoint = loadCheckpoint('checkpoints/mobilenetv2');
    session = await DecoderSession.load(checkpoint.graphs, checkpoint.weights, { threads: 1 });
    const store = openFeatures('data/samples/features');
    rows = store.ids.length;
    features = Float32Array.from(store.ids.flatMap((id) => [...store.read(id)]));
    store.close();
  });
  after(() => session.release());

  it('finds the likeliest words as a full sort does, and reaches the same state', async () => {
    const start = await session.start(features, rows);
    const tokens = Int32Array.from({ length: rows }, (_, row) => 4 + row);
    const { logProbabilities, state } = await session.step(start, tokens);
    for (const count of [1, 5, 40]) {
      const found = await session.stepLikeliest(start, tokens, count + unwritable);
      for (let row = 0; row < rows; row++) {
        for (const unknown of [false, true]) {
          const expected = topWords(logProbabilities, row, session.vocabularySize, count, unknown);
          expect(topOf(found.likeliest, row, count, unknown)).to.deep.equal(expected);
        }
      }
      expect(Object.keys(found.state)).to.deep.equal(Object.keys(state));
      for (const [name, { data }] of Object.entries(found.state)) expect(data).to.deep.equal(state[name].data);
    }
  });

  it('gives a search the same result as all words', async () => {
    const all: Stepper<SessionState> = {
      vocabularySize: session.vocabularySize,
      start: (...given) => session.start(...given),
      step: (...given) => session.step(...given),
      gather: (...given) => session.gather(...given),
    };
    for (const search of [
      { beam: 1 },
      { beam: 3 },
      { beam: 20, n: 20, unknown: true },
      { method: 'diverse' },
    ] as const) {
      const [ours, expected] = await Promise.all(
        [session, all].map((stepper) =>
          searchCaptions(stepper, checkpoint.vocabulary, features, rows, resolveSearch(search)),
        ),
      );
      expect(ours).to.deep.equal(expected);
    }
  });

  const kinds = [
    { cell: 'lstm', conditioning: 'init-state', layers: 1 },
    { cell: 'lstm', conditioning: 'init-state', layers: 2 },
    { cell: 'lstm', conditioning: 'first-token', layers: 1 },
    { cell: 'gru', conditioning: 'init-state', layers: 2 },
    { cell: 'rnn', conditioning: 'init-state', layers: 1 },
  ] as const;
  for (const kind of kinds) {
    it(`gives nearly the same probabilities in 8 bits, step by step: ${Object.values(kind).join(', ')}`, async () => {
      const [D, V, H, rows] = [12, 50, 32, 5];
      const random = new Random(8);
      const normal = (n: number, scale: number) => Float32Array.from({ length: n }, () => scale * random.normal());
      await useBackend('onnx');
      const config = parseConfig(DecoderConfig, {
        ...kind,
        hiddenSize: H,
        embeddingSize: 16,
        normalizeFeatures: false,
      });
      const decoder = new Decoder(config, { featureSize: D, vocabularySize: V }, { random });
      const [graphs, weights] = [exportDecoder(decoder), weightsOf(decoder.variables)];
      decoder.dispose();
      // The states that a photo gives are well outside [-1, 1].
      const photos = normal(rows * D, 5);
      const said: Float32Array[][] = [];
      for (const precision of ['fp32', 'int8'] as const) {
        const session = await DecoderSession.load(graphs, weights, { precision, threads: 1 });
        // Rows change places before and after the first step, as those of beams do.
        let state = session.gather(await session.start(photos, rows), Int32Array.of(4, 0, 1, 1, 2, 3));
        const steps: Float32Array[] = [];
        for (const tokens of [
          [1, 1, 1, 1, 1, 1],
          [7, 8, 9, 10, 11, 49],
          [5, 6, 7, 8, 9, 10],
        ]) {
          const next = await session.step(state, Int32Array.from(tokens));
          steps.push(next.logProbabilities);
          state = session.gather(next.state, Int32Array.of(0, 2, 1, 3, 5, 4));
        }
        said.push(steps);
        await session.release();
      }
      const [exact, rounded] = said;
      exact.forEach((values, step) => {
        const errors = values.map((value, i) => Math.abs(value - rounded[step][i]));
        expect(errors.reduce((sum, error) => sum + error) / errors.length, `step ${step}`).to.be.below(0.03);
        expect(Math.max(...errors), `step ${step}`).to.be.below(0.15);
      });
    });
  }

  it('reports NaN', async () => {
    const nothing = new Float32Array(features.length).fill(NaN);
    const error = await searchCaptions(session, checkpoint.vocabulary, nothing, rows, resolveSearch({})).catch(
      (reason: unknown) => reason,
    );
    expect(error).to.have.property('code', 'numeric');
  });
});
