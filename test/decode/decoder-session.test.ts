import { expect } from 'chai';
import { openFeatures } from '../../lib/data/features.js';
import { completeSearch } from '../../lib/decode/complete-search.js';
import { DecoderSession, type SessionState } from '../../lib/decode/decoder-session.js';
import { searchCaptions } from '../../lib/decode/search.js';
import { unwritable, type Stepper } from '../../lib/decode/stepper.js';
import { topOf, topWords } from '../../lib/decode/top-words.js';
import { loadCheckpoint, type Checkpoint } from '../../lib/model/checkpoint.js';

describe('DecoderSession', () => {
  let checkpoint: Checkpoint;
  let session: DecoderSession;
  let features: Float32Array;
  let rows: number;

  before(async () => {
    checkpoint = loadCheckpoint('checkpoints/mobilenetv2-flickr8k');
    session = await DecoderSession.load(checkpoint.graphs, checkpoint.weights, { threads: 1 });
    const store = openFeatures('data/samples/features');
    rows = store.ids.length;
    features = Float32Array.from(store.ids.flatMap((id) => [...store.read(id)]));
    store.close();
  });
  after(() => session.release());

  it('finds the likeliest words as a look at all finds them, and goes on to the same state', async () => {
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

  it('lets a search find what it finds among all words', async () => {
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
          searchCaptions(stepper, checkpoint.vocabulary, features, rows, completeSearch(search)),
        ),
      );
      expect(ours).to.deep.equal(expected);
    }
  });

  it('says when there are no numbers', async () => {
    const nothing = new Float32Array(features.length).fill(NaN);
    const error = await searchCaptions(session, checkpoint.vocabulary, nothing, rows, completeSearch({})).catch(
      (reason: unknown) => reason,
    );
    expect(error).to.have.property('code', 'numeric');
  });
});
