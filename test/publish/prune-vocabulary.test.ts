import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CaptionerError } from '../../lib/errors.js';
import { loadCheckpoint } from '../../lib/model/checkpoint/checkpoint.js';
import { exportCheckpoint } from '../../lib/publish/export.js';
import { decodeModel } from '../../lib/onnx/protobuf.js';
import { pruneVocabulary } from '../../lib/publish/prune-vocabulary.js';
import { DecoderSession } from '../../lib/search/decoder-session.js';
import { Vocabulary } from '../../lib/text/vocabulary.js';
import { saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

describe('pruneVocabulary', () => {
  let scratch: string;
  const at = (...names: string[]) => path.join(scratch, ...names);

  before(async () => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(at('tiny'));
  });
  after(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  /** Probabilities of the first word of one photo, and of the word after the first one of the vocabulary. */
  async function firstTwo(folder: string): Promise<Float32Array[]> {
    const { graphs, weights, config } = loadCheckpoint(folder);
    const session = await DecoderSession.load(graphs, weights);
    const features = Float32Array.from({ length: config.encoder.dimension }, (_, i) => i / 7);
    const start = await session.start(features, 1);
    const first = await session.step(start, Int32Array.of(Vocabulary.START));
    const second = await session.step(first.state, Int32Array.of(Vocabulary.SPECIALS));
    await session.release();
    return [first, second].map(({ logProbabilities }) => logProbabilities.map(Math.exp));
  }

  it('keeps the most frequent words, and gives them the probability of the others in proportion', async () => {
    const { vocabulary } = loadCheckpoint(at('tiny'));
    const size = vocabulary.size - 2;
    await exportCheckpoint(at('tiny'), at('pruned'), { storage: 'fp32', maxWords: size });
    const pruned = loadCheckpoint(at('pruned'));
    expect(pruned.vocabulary.words).to.deep.equal(vocabulary.words.slice(0, size));
    expect(pruned.config).to.have.property('vocabularySize', size);
    const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);
    expect(total(pruned.vocabulary.counts)).to.equal(total(vocabulary.counts));

    // WebAssembly refuses graphs whose declared shapes differ from those of the weights.
    for (const graph of pruned.graphs.values()) {
      const { input = [], output = [] } = decodeModel(graph).graph;
      const sizes = [...input, ...output].flatMap(({ type }) => type?.tensorType?.shape?.dim ?? []);
      expect(sizes.map(({ dimValue }) => Number(dimValue))).not.to.include(vocabulary.size);
    }

    const [whole, fewer] = [await firstTwo(at('tiny')), await firstTwo(at('pruned'))];
    whole.forEach((probabilities, step) => {
      const kept = probabilities.subarray(0, size);
      const sum = kept.reduce((a, b) => a + b, 0);
      expect(fewer[step]).to.have.length(size);
      kept.forEach((p, word) => expect(fewer[step][word]).to.be.closeTo(p / sum, 1e-5));
    });
  });

  it('keeps a smaller vocabulary, and refuses to leave none', () => {
    const tiny = loadCheckpoint(at('tiny'));
    expect(pruneVocabulary(tiny, tiny.vocabulary.size)).to.equal(tiny);
    expect(() => pruneVocabulary(tiny, 4))
      .to.throw(CaptionerError, 'leaves no word')
      .with.property('code', 'bad-option');
  });
});
