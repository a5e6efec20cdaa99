import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { evaluateCaptioner, type Evaluation } from '../../lib/evaluate/evaluation.js';
import { storedCheckpoint, storedSamples } from '../fixtures/stored-samples.js';
import type { EvaluatedPhoto } from '../../lib/metrics/report.js';
import { loadCheckpoint } from '../../lib/model/checkpoint/checkpoint.js';
import { choosePhotos } from '../../lib/viz/report/cards.js';
import { calibrationCurve, lengthHistogram, scoreCurve, trainingCurves } from '../../lib/viz/report/figures.js';
import { evaluationReport } from '../../lib/viz/report/page.js';
import { startBrowser } from '../fixtures/chromium.js';

/** The sample photos, captioned by the shipped captioner. */
describe('report of an evaluation', function () {
  this.timeout(300_000);
  let evaluations: Evaluation[];
  let files: ReadonlyMap<string, string>;
  const history = path.join(storedCheckpoint, 'history.jsonl');
  const report = (change: Partial<Parameters<typeof evaluationReport>[0]> = {}) =>
    evaluationReport({
      ...{ title: 'Samples', split: 'test', evaluations, history, config: { decoder: { cell: 'lstm' } } },
      photoFile: (id) => files.get(id),
      ...change,
    });

  before(async () => {
    const { manifest, features } = await storedSamples();
    const photos = manifest.photos.map((photo) => ({ ...photo, split: 'test' as const }));
    files = new Map(photos.map(({ id, file }) => [id, file]));
    const checkpoint = loadCheckpoint(storedCheckpoint);
    evaluations = await evaluateCaptioner({
      ...{ manifest: { ...manifest, photos }, features, checkpoint, split: 'test', beams: [1, 3] },
    });
    features.close();
  });

  it('holds scores, intervals, captions, references and the config', async () => {
    const html = await report();
    const [, { scores, intervals, photos, checks }] = evaluations;
    expect(html).to.contain(
      `${(100 * scores.CIDEr).toFixed(1)}<small>${(100 * intervals.CIDEr.low).toFixed(1)} to ${(100 * intervals.CIDEr.high).toFixed(1)}</small>`,
    );
    for (const { image_id } of [...choosePhotos(photos).best, ...choosePhotos(photos).worst]) {
      const photo = photos.find((one) => one.image_id === image_id)!;
      expect(html).to.contain(`<b>${photo.caption}</b>`).and.contain(`<li>${photo.references[4]}</li>`);
    }
    expect(html.match(/<img src="data:image\/jpeg;base64,/g)).to.have.length(12); // four best, four in the middle, four worst
    for (const { message } of checks) expect(html).to.contain(message.replaceAll('"', '&quot;').slice(0, 60));
    expect(html).to.contain('&quot;cell&quot;: &quot;lstm&quot;');
    expect(html.match(/<svg /g)).to.have.length(5); // loss, scores, calibration, lengths, reliability
  });

  it('needs nothing but itself, and is small', async () => {
    const html = await report();
    expect(html).not.to.match(/<script|<link|@import|src="(?!data:)|href=|url\((?!#)/);
    expect(html.length).to.be.below(1_500_000);
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size, 'drawings that share an id clip each other').to.equal(ids.length);
    for (const [, id] of html.matchAll(/url\(#([^)]+)\)/g)) expect(ids).to.include(id);
  });

  it("names the photos that can't be read, and shows the rest", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const broken = path.join(folder, 'broken.jpg');
    fs.writeFileSync(broken, 'no photo');
    const [first, second] = choosePhotos(evaluations[1].photos).best.map(({ image_id }) => image_id);
    const files_ = new Map([...files, [first, broken]]);
    files_.delete(second);
    const html = await report({ photoFile: (id) => files_.get(id) });
    expect(html.match(/The photo can't be shown/g)).to.have.length(2);
    expect(html).to.contain(`the location of ${second} is unknown`);
    expect(html.match(/<img /g)).to.have.length(10);
    fs.rmSync(folder, { recursive: true });
  });

  it('escapes any text', async () => {
    const nasty = '</style><script>alert(1)</script>';
    const photos = evaluations[1].photos.map((photo) => ({ ...photo, caption: nasty, references: [`"${nasty}`] }));
    const changed = [{ ...evaluations[1], photos }];
    const html = await report({ evaluations: changed, title: nasty, config: { nasty } });
    expect(html).not.to.contain('<script').and.not.to.contain(nasty);
    expect(html).to.contain('&lt;script&gt;alert(1)');
  });

  it('works without a history, and reports a damaged one', async () => {
    expect(await report({ history: undefined })).not.to.contain('<h2>Training</h2>');
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const file = path.join(folder, 'log.jsonl');
    fs.writeFileSync(file, 'nothing\n');
    expect(await report({ history: file })).to.contain("Its history can't be read");
    fs.rmSync(folder, { recursive: true });
  });

  it('opens from disk without a network, on a screen and on a phone, light and dark', async function () {
    const browser: Browser | undefined = await startBrowser();
    if (!browser) {
      console.log('      not checked: the report in a browser (install chromium, or set CHROMIUM to where it is)');
      this.skip();
    }
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const file = path.join(folder, 'report.html');
    fs.writeFileSync(file, await report());
    try {
      for (const width of [1200, 390]) {
        const papers: string[] = [];
        for (const colorScheme of ['light', 'dark'] as const) {
          const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme, offline: true });
          const page = await context.newPage();
          const complaints: string[] = [];
          page.on('console', (message) => complaints.push(message.text()));
          page.on('requestfailed', (request) => complaints.push(request.url().slice(0, 100)));
          await page.goto(pathToFileURL(file).href);
          expect(await page.evaluate('document.documentElement.scrollWidth')).to.equal(width);
          const loaded = await page.evaluate('[...document.images].every((image) => image.naturalWidth > 0)');
          expect(loaded, 'photos').to.be.true;
          papers.push(await page.evaluate('getComputedStyle(document.querySelector("section")).backgroundColor'));
          papers.push(await page.evaluate('getComputedStyle(document.querySelector(".figure rect")).fill'));
          expect(complaints).to.deep.equal([]);
          await context.close();
        }
        expect(papers.slice(0, 2)).to.deep.equal(['rgb(255, 255, 255)', 'rgb(255, 255, 255)']);
        expect(papers[2]).to.equal(papers[3]).and.not.equal(papers[0]);
      }
    } finally {
      await browser.close();
      fs.rmSync(folder, { recursive: true });
    }
  });
});

describe('photos of a report', () => {
  const photo = (CIDEr: number) =>
    ({ image_id: `${CIDEr}.jpg`, scores: { CIDEr } as EvaluatedPhoto['scores'] }) as EvaluatedPhoto;
  const chosen = (n: number, most?: number) => {
    const { best, median, worst } = choosePhotos(Array.from({ length: n }, (_, i) => photo(n - 1 - i)), most); // prettier-ignore
    return [best, median, worst].map((some) => some.map(({ scores }) => scores.CIDEr));
  };

  it('are the best, the median and the worst, none twice', () => {
    expect(chosen(101, 2)).to.deep.equal([[100, 99], [51, 50], [0, 1]]); // prettier-ignore
    expect(chosen(6, 6)).to.deep.equal([[5, 4], [3, 2], [0, 1]]); // prettier-ignore
    expect(chosen(3)).to.deep.equal([[2], [1], [0]]);
    expect(chosen(2)).to.deep.equal([[1], [], [0]]);
    expect(chosen(1)).to.deep.equal([[0], [], []]);
    for (let n = 1; n < 40; n++) {
      const all = chosen(n).flat();
      expect(new Set(all).size, `of ${n}`).to.equal(all.length);
    }
  });
});

describe('figures of a report', () => {
  const epoch = (number: number, scores: Record<string, number>) => {
    const common = { loss: 3 - number / 2, perplexity: 2, learningRate: 0.1, seconds: 1, best: true, scores };
    return { type: 'epoch' as const, epoch: number, step: 100 * number, ...common };
  };

  it('name what they show', () => {
    const history = [epoch(1, { loss: 2.9, CIDEr: 0.2 }), epoch(2, { loss: 2.75, CIDEr: 0.35 })];
    expect(trainingCurves(history)!.description).to.equal('Loss over 2 epochs; at the end 2.75');
    expect(scoreCurve(history)!.description).to.contain('CIDEr 35.0 at best');
    expect(trainingCurves([])).to.be.undefined;
    expect(scoreCurve([epoch(1, {})])).to.be.undefined;
    const lengths = lengthHistogram([2, 2, 4], [3, 50]);
    expect(lengths.description).to.contain('2.7 words on average').and.contain('26.5');
    const [captions, people] = lengths.spec.data as unknown as { y: number[] }[];
    expect([captions.y[2], captions.y[4], people.y[3], people.y[30]]).to.deep.equal([2 / 3, 1 / 3, 0.5, 0.5]);
    const bins = [
      { captions: 5, from: -2, to: -1, confidence: -1.5, score: 0.1 },
      { captions: 5, from: -1, to: -0.1, confidence: Math.log(0.5), score: 0.6 },
    ];
    const [trace] = calibrationCurve(bins).spec.data as unknown as { x: number[]; y: number[] }[];
    expect(trace.x[1]).to.be.closeTo(0.5, 1e-12);
    expect(trace.y).to.deep.equal([10, 60]);
    for (const figure of [lengths, calibrationCurve(bins), trainingCurves(history)!]) {
      expect(figure.toSvg()).not.to.match(/NaN|undefined|Infinity/);
    }
  });
});
