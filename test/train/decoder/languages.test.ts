import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Manifest } from '../../../lib/data/datasets/manifest.js';
import type { FeatureStore } from '../../../lib/data/features/store.js';
import { evaluateCaptioner } from '../../../lib/evaluate/evaluation.js';
import { loadCheckpoint } from '../../../lib/model/checkpoint/checkpoint.js';
import { trainCaptioner } from '../../../lib/train/decoder/captioner-training.js';
import { randomFeatures } from '../../fixtures/random-features.js';
import { smallDecoder, smallTraining, twoScenes } from '../../fixtures/two-scenes.js';

/** A sentence of each language, as people write it: with capitals, punctuation, decomposed letters. */
const sentences = [
  'Ein süßer Hund läuft über die Straße.'.normalize('NFD'),
  '一只棕色的狗在草地上奔跑。',
  'كلب بني يركض على العشب',
  'สุนัขสีน้ำตาลวิ่งบนหญ้า',
];
const learned = ['ein süßer hund läuft über die straße', '一只棕色的狗在草地上奔跑', sentences[2], sentences[3]];

/** Photos of four kinds, which their features tell apart, each captioned in a language. */
function fourLanguages(): { manifest: Manifest; features: FeatureStore } {
  const photos = Array.from({ length: 32 }, (_, i) => ({
    id: `${i}.jpg`,
    file: `/nowhere/${i}.jpg`,
    split: i < 24 ? ('train' as const) : ('dev' as const),
    captions: [sentences[i % 4]],
  }));
  const noise = randomFeatures(
    photos.map(({ id }) => id),
    6,
  );
  const read: FeatureStore['read'] = (id, into = new Float32Array(6), offset = 0) => {
    noise.read(id, into, offset);
    for (let kind = 0; kind < 4; kind++) into[offset + kind] = Number.parseInt(id) % 4 === kind ? 3 : -1;
    return into;
  };
  return { manifest: { name: 'languages', photos, problems: [] }, features: { ...noise, read } };
}

describe('captions in other languages', () => {
  let folder: string;
  beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  afterEach(() => fs.rmSync(folder, { recursive: true }));

  it('are learned and written: German, Chinese, Arabic and Thai', async function () {
    this.timeout(120_000);
    const data = fourLanguages();
    const { best } = await trainCaptioner({
      ...data,
      out: path.join(folder, 'run'),
      decoder: { ...smallDecoder, hiddenSize: 24, featureDropout: 0, inputDropout: 0, outputDropout: 0 },
      training: { ...smallTraining, epochs: 30, patience: 0 },
    });
    const [{ predictions, scores }] = await evaluateCaptioner({
      checkpoint: loadCheckpoint(best),
      ...data,
      split: 'dev',
      beams: [3],
    });
    const written = predictions.map(({ image_id: id, caption }) => [Number.parseInt(String(id)) % 4, caption]);
    expect(written).to.deep.equal(predictions.map((_, i) => [i % 4, learned[i % 4]]));
    // Scores see the words of every language: they are those of the references.
    expect(scores['BLEU-4']).to.be.closeTo(1, 1e-6);
  });

  it('are refused, with advice, if nearly all of their words are unknown', async () => {
    const { manifest, features } = twoScenes();
    const photos = manifest.photos.map((photo, i) => ({ ...photo, captions: [`word${i} other${i} third${i}`] }));
    const training = { ...twoScenes(), manifest: { ...manifest, photos }, features, out: path.join(folder, 'run') };
    const error = await trainCaptioner({ ...training, decoder: smallDecoder, training: smallTraining }).catch(
      (reason: unknown) => reason,
    );
    expect(error).to.include({ code: 'bad-input' });
    expect((error as Error).message).to.match(
      /^100 % of the words .* are unknown \(for example 'word0'\)\. .*--min-count/,
    );
  });
});

describe('word vectors of another language', () => {
  let folder: string;
  beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  afterEach(() => fs.rmSync(folder, { recursive: true }));

  /** Trains on captions in German, with vectors of `words`, and returns the warnings. */
  async function warnings(words: string): Promise<string[]> {
    const { manifest, features } = twoScenes();
    const captions = [['ein brauner hund läuft'], ['zwei kleine katzen schlafen']];
    const photos = manifest.photos.map((photo, i) => ({ ...photo, captions: captions[i % 2] }));
    const vectors = path.join(folder, 'vectors.txt');
    fs.writeFileSync(vectors, words.split(' ').map((word, i) => `${word} ${i} 1 ${-i} 0.5`).join('\n')); // prettier-ignore
    const found: string[] = [];
    await trainCaptioner({
      manifest: { ...manifest, photos },
      ...{ features, out: path.join(folder, `run of ${words}`), warn: (line) => found.push(line) },
      decoder: { ...smallDecoder, embeddings: 'pretrained-tuned', vectors },
      training: { ...smallTraining, epochs: 1 },
    });
    return found.filter((line) => line.includes('vector'));
  }

  it('are reported, with the share of words without a vector and advice', async function () {
    this.timeout(60_000);
    const [warning, ...others] = await warnings('a brown dog runs two small cats sleep hund');
    expect(others).to.deep.equal([]);
    // One of eight words is known.
    expect(warning).to.match(
      /^88 % of the vocabulary's words have no vector in .*vectors\.txt\. .*--embeddings scratch, or --vectors/,
    );
  });

  it("are not reported if they are those of the captions' own language", async function () {
    this.timeout(60_000);
    expect(await warnings('ein brauner hund läuft zwei katzen')).to.deep.equal([]);
  });
});

describe('a batch larger than the data', () => {
  it('is the whole data: the result is the same, and no buffer has the larger size', async function () {
    this.timeout(120_000);
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    try {
      const run = async (batchSize: number) => {
        const out = path.join(folder, String(batchSize));
        const before = process.memoryUsage().rss;
        await trainCaptioner({
          ...twoScenes(),
          out,
          decoder: smallDecoder,
          training: { ...smallTraining, epochs: 1, batchSize },
        });
        const { weights } = loadCheckpoint(path.join(out, 'last'));
        return { kernel: weights.get('output/kernel')!.data, grown: process.memoryUsage().rss - before };
      };
      const [whole, beyond] = [await run(60), await run(60_000)];
      expect(beyond.kernel).to.deep.equal(whole.kernel);
      expect(beyond.grown).to.be.below(300 * 2 ** 20);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});
