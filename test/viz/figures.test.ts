import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import type { EpochRecord } from '../../lib/train/loop/trainer.js';
import * as viz from '../../lib/viz.js';

/**
 * Every figure's spec against the one that was looked at. `UPDATE_SNAPSHOTS=1 mocha test/viz` rewrites them, and the
 * drawings beside them into the folder that `SNAPSHOT_PICTURES` names.
 */

const folder = path.join(import.meta.dirname, 'snapshots');

function epoch(number: number, loss: number, scores: Record<string, number>): EpochRecord {
  const best = number === 2;
  return {
    type: 'epoch',
    epoch: number,
    step: 10 * number,
    loss,
    perplexity: Math.exp(loss),
    learningRate: 0.01,
    seconds: 1,
    best,
    scores,
  };
}
const epochs = [
  epoch(1, 3.1, { loss: 2.9, CIDEr: 0.2 }),
  epoch(2, 2.2, { loss: 2.5, CIDEr: 0.35 }),
  epoch(3, 1.9, { loss: 2.6, CIDEr: 0.31 }),
];
const steps = Array.from({ length: 30 }, (_, i) => ({ step: i + 1, loss: 4 * Math.exp(-i / 15) + 0.5 }));
const pixels = { rgb: Uint8Array.from({ length: 3 * 8 * 8 }, (_, i) => (37 * i) % 256), size: 8 };
const words = [
  {
    word: 'a',
    probability: 0.8,
    alternatives: [
      { word: 'a', probability: 0.8 },
      { word: 'two', probability: 0.1 },
    ],
  },
  {
    word: 'dog',
    probability: 0.3,
    alternatives: [
      { word: 'man', probability: 0.5 },
      { word: 'dog', probability: 0.3 },
    ],
  },
  {
    word: '<end>',
    probability: 0.9,
    alternatives: [
      { word: '<end>', probability: 0.9 },
      { word: 'runs', probability: 0.004 },
    ],
  },
];
const search = [
  [
    { id: 1, parent: 0, word: 'a', probability: 0.5, score: -0.7, kept: true, finished: false },
    { id: 2, parent: 0, word: 'b', probability: 0.4, score: -0.9, kept: true, finished: false },
    { id: 3, parent: 0, word: 'c', probability: 0.1, score: -2.3, kept: false, finished: false },
  ],
  [
    { id: 4, parent: 2, word: 'c', probability: 0.9, score: -1.0, kept: true, finished: false },
    { id: 5, parent: 1, word: '<end>', probability: 0.1, score: -3.0, kept: true, finished: true },
  ],
  [{ id: 6, parent: 4, word: '<end>', probability: 0.9, score: -1.1, kept: true, finished: true }],
];
const runs = [0.001, 0.01].flatMap((rate) =>
  ['lstm', 'gru'].map((cell, i) => ({ rate, cell, loss: 2 + i - 50 * rate })),
);
const swept = Array.from({ length: 20 }, (_, i) => {
  const [point, seed] = [i >> 1, i % 2];
  const falling = (n: number) =>
    epoch(n, 3 / n + 0.1 * point, { loss: 3 / n + 0.08 * point + 0.1 * seed, CIDEr: n / (9 + point + seed) });
  return {
    name: `learningRate 0.00${point + 1}, hiddenSize 256`,
    epochs: [1, 2, 3, 4].slice(0, 4 - (point % 3)).map(falling),
  };
});
const grid = [
  [0.1, 0.4],
  [-0.2, 1.2],
];

const figures: Record<string, () => viz.Figure | Promise<viz.Figure>> = {
  'loss-curves': () => viz.lossCurves(steps, epochs),
  'loss-curves-without-dev': () => viz.lossCurves(steps, []),
  'compare-runs': () => viz.compareRuns({ one: epochs, two: epochs.slice(0, 2) }),
  'sweep-curves': () => viz.sweepCurves(swept),
  'line-chart': () => viz.lineChart([{ x: [1, 2, 3], y: [3, 1, 2] }], { title: 'A line', xTitle: 'x', yTitle: 'y' }),
  'bar-chart': () =>
    viz.barChart(
      [
        { name: 'p', x: ['a', 'b'], y: [1, 2] },
        { name: 'q', x: ['a', 'b'], y: [2, 0.5] },
      ],
      { title: 'Bars' },
    ),
  'ranked-bars': () =>
    viz.rankedBars(
      [
        { name: 'same', value: 3 },
        { name: 'same', value: 2 },
      ],
      { title: 'Ranked' },
    ),
  histogram: () => viz.histogram([3, 4, 4, 5, 5, 5, 9], { title: 'Lengths' }),
  'word-frequencies': () =>
    viz.wordFrequencies([
      ['a', 50],
      ['dog', 20],
      ['runs', 7],
    ]),
  zipf: () => viz.zipfPlot([100, 50, 20, 10, 5, 5, 5, 2, 1, 1, 1], 5),
  'word-probabilities': () => viz.wordProbabilities(words),
  'word-alternatives': () => viz.wordAlternatives(words),
  'beam-tree': () => viz.beamTree(search),
  'parallel-runs': () => viz.parallelRuns(runs, ['rate', 'cell', 'loss'], { colour: 'loss', lowIsGood: true }),
  'occlusion-maps': () => viz.occlusionMaps(pixels, ['a', '<end>'], [grid, grid]),
  'channel-maps': () =>
    viz.channelMaps(
      pixels,
      Float32Array.from({ length: 12 }, (_, i) => i),
      [3, 2, 2],
      [0, 2],
    ),
  'number-maps': () => viz.numberMaps([{ name: 'likeness', values: grid }], { title: 'Numbers' }),
  'embedding-map': () =>
    viz.embeddingMap(
      [
        { name: 'dog', group: 'animals', vector: [1, 0, 0] },
        { name: 'cat', group: 'animals', vector: [0.9, 0.2, 0] },
        { name: 'red', group: 'colours', vector: [0, 0, 1] },
        { name: 'a photo', group: 'colours', vector: [0, 0.5, 0.5], photo: pixels },
      ],
      { title: 'Words and a photo' },
    ),
};

describe('figures', () => {
  for (const [name, make] of Object.entries(figures)) {
    it(`${name}: the spec matches its snapshot`, async () => {
      const figure = await make();
      const { spec } = figure;
      // Bytes of JPEG differ between versions of sharp; numbers in their last digits between machines.
      const text = JSON.stringify(
        { description: figure.description, ...spec },
        (_, value: unknown) => {
          if (typeof value === 'string') return value.replace(/^(data:image\/jpeg;base64,).+/, '$1…');
          return typeof value === 'number' ? Number(value.toPrecision(6)) : value;
        },
        1,
      );
      const file = path.join(folder, `${name}.json`);
      if (process.env.UPDATE_SNAPSHOTS) {
        mkdirSync(folder, { recursive: true });
        writeFileSync(file, `${text}\n`);
        const pictures = process.env.SNAPSHOT_PICTURES;
        if (pictures)
          writeFileSync(
            path.join(pictures, `${name}.png`),
            await sharp((await figure.toImage()).bytes)
              .png()
              .toBuffer(),
          );
      }
      expect(existsSync(file), `${file} is missing: UPDATE_SNAPSHOTS=1 makes it`).to.be.true;
      expect(`${text}\n`).to.equal(readFileSync(file, 'utf8'));
    });

    it(`${name}: can be drawn without a browser`, async () => {
      const figure = await make();
      const svg = figure.toSvg();
      expect(svg).not.to.match(/NaN|undefined|Infinity/);
      const { type, bytes } = await figure.toImage(1);
      const { width, height, format } = await sharp(bytes).metadata();
      expect([width, height]).to.deep.equal([figure.spec.layout.width, figure.spec.layout.height]);
      expect(`image/${format}`).to.equal(type);
      // Something is drawn: not all pixels are paper.
      const { channels } = await sharp(bytes).stats();
      expect(channels[0].stdev).to.be.greaterThan(1);
    });
  }

  it('are HTML that stays a picture without Plotly, and can hold any text', async () => {
    const figure = viz.lineChart([{ x: [1, 2], y: [1, 2] }], { title: '</script><b>"quoted"' });
    const html = await figure.toHtml();
    expect(html)
      .to.contain('<img src="data:image/png;base64,')
      .and.contain('window.Plotly.newPlot(place,[{"type":"scatter"');
    expect(html.match(/<\/script>/g)).to.have.length(1);
    expect(viz.plotlyScript()).to.match(/^<script data-library="plotly">/);
  });
});
