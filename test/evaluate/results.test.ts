import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { CaptionerError } from '../../lib/errors.js';
import { writeEvaluation } from '../../lib/evaluate/evaluation-files.js';
import type { Evaluation } from '../../lib/evaluate/evaluation.js';
import type { Split } from '../../lib/data/datasets/manifest.js';
import { ptbTokenize } from '../../lib/metrics/ptb.js';
import { reportCaptions } from '../../lib/metrics/report.js';
import { CaptionScorer, scoreCaptions } from '../../lib/metrics/scorer.js';
import { Random } from '../../lib/random.js';
import { compareResults, readResults, readTestReport, type CompareOptions } from '../../lib/evaluate/results.js';

const references: Record<string, string[]> = {
  'a.jpg': ['A dog runs on the grass.', 'The brown dog is running.'],
  'b.jpg': ['Two men ride bikes.', 'Two people on their bikes on a street'],
  'c.jpg': ['A plate of rice and vegetables', 'Some food'],
};
const good = { 'a.jpg': 'a dog runs on the grass', 'b.jpg': 'two men on bikes', 'c.jpg': 'a plate of food' };
const poor = { 'a.jpg': 'a dog', 'b.jpg': 'two men on bikes', 'c.jpg': 'a man' };

describe('results of two runs', () => {
  let scratch: string;
  const at = (name: string) => path.join(scratch, name);

  beforeEach(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
  });
  afterEach(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  /** Writes what an evaluation of these captions writes. */
  async function results(name: string, captions: Record<string, string>, split: Split = 'test', of = references) {
    const predictions = Object.entries(captions).map(([image_id, caption]) => {
      const length = caption.split(' ').length + 1;
      const tokenLogProbabilities = Array.from({ length }, () => -caption.length / length);
      return { image_id, caption, logProbability: -caption.length, length, tokenLogProbabilities };
    });
    const texts = predictions.map(({ image_id }) => of[image_id]);
    const fit = { perplexity: 10, words: 30, unknown: 0 };
    const report = reportCaptions(predictions, {
      scorer: new CaptionScorer(texts.map((captions) => captions.map(ptbTokenize))),
      references: texts,
      vocabularySize: 20,
      fit,
      random: new Random(1),
    });
    const evaluation: Evaluation = { ...report, beam: 3, predictions, fit, distinct: 3, words: 4 };
    await writeEvaluation(at(name), [evaluation], { split, config: {} });
    return at(name);
  }

  const compare = async (a: string, b: string, options?: CompareOptions) =>
    compareResults(readResults(a), readResults(b), options);
  const given = new Map(Object.entries(references));

  it('are compared by stored scores, with the same result when scored again', async () => {
    const [a, b] = [await results('a', poor), await results('b', good)];
    const kept = await compare(a, b);
    expect(kept).to.include({ a, b, split: 'test' });
    expect(kept.leftOut).to.deep.equal({ a: 0, b: 0 });
    const words = (captions: Record<string, string>) => Object.values(captions).map(ptbTokenize);
    const all = Object.values(references).map((captions) => captions.map(ptbTokenize));
    const [inA, inB] = [poor, good].map((captions) => scoreCaptions(words(captions), all));
    expect(kept.scores.CIDEr.a).to.be.closeTo(inA.corpus.CIDEr, 1e-12);
    expect(kept.scores['BLEU-2'].difference).to.be.closeTo(inB.corpus['BLEU-2'] - inA.corpus['BLEU-2'], 1e-12);
    // The same caption makes no difference; it is the least of the three.
    expect(kept.photos[0]).to.deep.include({ image_id: 'b.jpg', difference: 0 });
    expect(kept.photos[2].difference).to.be.closeTo(Math.max(...inB.images.map(({ CIDEr }, i) => CIDEr - inA.images[i].CIDEr)), 1e-12); // prettier-ignore
    expect(await compare(a, b, { references: given })).to.deep.equal(kept);
  });

  it('may be mere files of predictions, with references', async () => {
    const folder = await results('a', good);
    fs.writeFileSync(at('own.json'), JSON.stringify(Object.entries(poor).map(([image_id, caption]) => ({ image_id, caption })))); // prettier-ignore
    const { scores } = await compare(folder, at('own.json'), { references: given });
    expect(scores.CIDEr.difference).to.be.below(0);
    await refusal(compare(folder, at('own.json')), 'not-found', 'own.json has no photos.json');
    await refusal(compare(folder, at('own.json'), { references: new Map() }), 'mismatch', 'no caption for 3 photos');
  });

  it('are refused for different splits, photos or references', async () => {
    const test = await results('test', good);
    const dev = await results('dev', good, 'dev');
    await refusal(compare(test, dev), 'mismatch', 'covers the test photos', 'the dev photos');
    const fewer = await results('fewer', { 'a.jpg': 'a dog', 'b.jpg': 'two men' });
    await refusal(compare(fewer, test), 'mismatch', 'has 1 photo (c.jpg) that', '2 that both have (--only-common)');
    await refusal(compare(test, fewer), 'mismatch', 'has 1 photo (c.jpg) that');
    await refusal(compare(test, fewer, { onlyCommon: true }), 'mismatch', 'different references or photos', '--data');
    const common = await compare(test, fewer, { onlyCommon: true, references: given });
    expect(common.leftOut).to.deep.equal({ a: 1, b: 0 });
    expect(common.photos).to.have.length(2);
    const other = await results('other', good, 'test', { ...references, 'a.jpg': ['A cat.'] });
    await refusal(compare(test, other), 'mismatch', 'different references or photos');
    const strange = { 'x.jpg': ['A cat.'], 'y.jpg': ['A dog.'] };
    const none = await results('none', { 'x.jpg': 'a cat', 'y.jpg': 'a cat' }, 'test', strange);
    await refusal(compare(test, none), 'mismatch', 'no photos in common');
  });

  it('are refused if their files are missing or damaged', async () => {
    const read = async (from: string) => readResults(from);
    await refusal(read(at('nowhere')), 'not-found', 'nowhere');
    const folder = await results('a', good);
    fs.writeFileSync(path.join(folder, 'predictions.json'), '[{"image_id": "a.jpg", "caption": "a dog"}]');
    await refusal(read(folder), 'mismatch', 'of different photos');
    fs.writeFileSync(path.join(folder, 'photos.json'), '{"format":');
    await refusal(read(folder), 'corrupt', 'photos.json is damaged');
    fs.writeFileSync(path.join(folder, 'predictions.json'), 'captions');
    await refusal(read(folder), 'bad-input', 'predictions.json is not JSON');
    fs.writeFileSync(path.join(folder, 'predictions.json'), '{}');
    await refusal(read(folder), 'bad-input', 'predictions.json must be a list');
    const report = async () => readTestReport(folder);
    fs.writeFileSync(path.join(folder, 'metrics.json'), '{"split": "test", "photos": 1, "beams": {"3": {}}}');
    await refusal(report(), 'bad-input', 'metrics.json is not a report', 'beams.3.BLEU-1');
    fs.writeFileSync(path.join(folder, 'metrics.json'), 'null');
    await refusal(report(), 'bad-input', 'metrics.json is not a report');
  });
});

async function refusal(work: Promise<unknown>, code: string, ...words: string[]): Promise<void> {
  try {
    await work;
  } catch (error) {
    expect(error).to.be.instanceOf(CaptionerError).with.property('code', code);
    for (const word of words) expect((error as Error).message).to.contain(word);
    return;
  }
  expect.fail(`nothing was refused, though ${words.join(', ')}`);
}
