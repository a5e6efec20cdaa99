import { expect } from 'chai';
import { CaptionerError } from '../../lib/errors.js';
import type { EpochRecord } from '../../lib/train/loop/trainer.js';
import * as viz from '../../lib/viz.js';
import { niceSteps } from '../../lib/viz/static/scale.js';
import { textWidth, wrapText } from '../../lib/viz/static/text.js';

describe('Table', () => {
  it('accepts rows with any keys, and a danfojs DataFrame', async () => {
    const { DataFrame } = await import('danfojs-node');
    const rows = [
      { word: 'dog', count: 1234, share: 0.12345 },
      { word: 'cat', count: 3, share: NaN },
    ];
    const text = 'word  count  share\ndog   1,234  0.123\ncat       3      –';
    expect(new viz.Table(rows).toText()).to.equal(text);
    expect(new viz.Table(new DataFrame([rows[0]])).toText()).to.equal(text.split('\n').slice(0, 2).join('\n'));
    expect(new viz.Table([{ a: 1 }, { b: 2 }]).columns).to.deep.equal(['a', 'b']);
  });

  it('reports the number of omitted rows, and escapes HTML', () => {
    const table = new viz.Table([{ word: '<end>' }, { word: '&' }, { word: 'x' }], { rows: 2 });
    expect(table.toHtml()).to.contain('&lt;end&gt;').and.contain('and 1 more rows').and.not.contain('<end>');
    expect(table.toText()).to.match(/and 1 more rows$/);
  });
});

describe('Table on a page', () => {
  it('uses the colours of the page, which may be dark', () => {
    const html = new viz.Table([{ a: 1 }, { a: 2 }], { title: 'Numbers', rows: 1 }).toHtml();
    expect(html).to.contain('color:inherit').and.contain('background:transparent');
    expect(html).not.to.match(/#[0-9a-f]{6}/);
  });
});

describe('in a notebook', () => {
  const host = Symbol.for('captioner.notebook');
  const now = performance.now.bind(performance);
  let shown: { data: viz.DisplayData['data']; id?: string; update?: boolean }[];
  let clock: number;
  beforeEach(() => {
    [shown, clock] = [[], 0];
    performance.now = () => clock;
    const display = ({ data }: viz.DisplayData, id?: string, update?: boolean) => shown.push({ data, id, update });
    Object.assign(globalThis, { [host]: { display, plotlyLoaded: true } });
  });
  afterEach(() => {
    performance.now = now;
    Reflect.deleteProperty(globalThis, host);
  });
  const lastText = async () => {
    await Promise.resolve();
    return shown.at(-1)!.data['text/plain'];
  };

  it('progress shows the time left, from the mean speed', async () => {
    const progress = new viz.NotebookProgress();
    progress.start('Working', 40, 'steps');
    clock = 10_000;
    progress.update(10);
    expect(await lastText()).to.equal('Working  10 of 40 steps  30 s left');
  });

  it('progress of a resumed task is measured from where it resumes', async () => {
    const progress = new viz.NotebookProgress();
    progress.start('Working', 40, 'steps');
    progress.update(20);
    clock = 10_000;
    progress.update(30);
    expect(await lastText()).to.equal('Working  30 of 40 steps  10 s left');
  });

  it('the curves of a sweep grow in one figure, seeds as mean and band', async () => {
    const live = viz.liveSweep();
    const record = (epoch: number, loss: number): EpochRecord => ({
      type: 'epoch',
      ...{ epoch, step: epoch, loss, learningRate: 1, seconds: 1, best: true, scores: { loss } },
    });
    const run = (rate: number, seed: number) => ({ name: `rate=${rate},seed=${seed}`, point: { rate }, seed });
    await live.onEpoch(run(1, 1), record(1, 3));
    clock = 1000;
    await live.onEpoch(run(1, 2), record(1, 5));
    clock = 2000;
    await live.onEpoch(run(2, 1), record(1, 7));
    await live.onRun();
    expect(new Set(shown.map(({ id }) => id)).size, 'one place').to.equal(1);
    expect(shown.map(({ update }) => update)).to.deep.equal([false, true, true, true]);
    const [, traces] = /newPlot\(place,(\[.*?\]),\{"margin"/.exec(shown.at(-1)!.data['text/html'])!;
    const drawn = (JSON.parse(traces) as { name?: string; y: number[] }[]).map(({ name, y }) => [name, y]);
    expect(drawn).to.deep.equal([
      [undefined, [5, 3]],
      ['rate 1', [4]],
      ['rate 2', [7]],
    ]);
  });
});

describe('Gallery', () => {
  it('has the given number of columns', async () => {
    const photo = { rgb: new Uint8Array(3 * 16 * 16).fill(90), size: 16 };
    const gallery = new viz.Gallery([{ photo }, { photo }, { photo }], { columns: 2, card: 100 });
    expect(await gallery.toHtml()).to.contain('grid-template-columns:repeat(2,100px)');
    expect(await gallery.toSvg()).to.match(/^<svg [^>]*width="248"/);
  });

  it('embeds photos and words', async () => {
    const rgb = new Uint8Array(3 * 16 * 16).fill(90);
    const gallery = new viz.Gallery([
      { photo: { rgb, size: 16 }, captions: ['a <grey> square'], references: ['grey'], note: 'p = 1' },
    ]);
    const html = await gallery.toHtml();
    expect(html)
      .to.contain('data:image/jpeg;base64,')
      .and.contain('a &lt;grey&gt; square')
      .and.not.match(/<script|src="(?!data:)/);
    expect(await gallery.toSvg()).to.not.match(/NaN|undefined/);
  });
});

describe('projections', () => {
  it('find the directions in which points differ most', () => {
    // Along (3, 4) / 5 the points differ by 10 units, across it by 2.
    const points = [
      [-3, -4],
      [3, 4],
      [-0.8, 0.6],
      [0.8, -0.6],
    ].map(([x, y]) => [x + 7, y - 2, 0]);
    const places = viz.principalComponents(points);
    expect(places.map(([x]) => Math.abs(x))).to.satisfy(
      (xs: number[]) => Math.abs(xs[0] - 5) < 1e-6 && Math.abs(xs[1] - 5) < 1e-6 && xs[2] < 1e-6,
    );
    expect(places.map(([, y]) => Math.abs(y))).to.satisfy(
      (ys: number[]) => Math.abs(ys[2] - 1) < 1e-6 && Math.abs(ys[3] - 1) < 1e-6 && ys[0] < 1e-6,
    );
  });

  it('rank neighbours by the angle, not by the length', () => {
    const candidates = [
      { name: 'far', vector: [10, 1] },
      { name: 'near', vector: [0.1, 0.1] },
    ];
    expect(viz.nearestNeighbours([1, 1], candidates, 2).map(({ name }) => name)).to.deep.equal(['near', 'far']);
    expect(viz.cosine([1, 0], [0, 0])).to.equal(0);
  });
});

describe('outside of a notebook', () => {
  it('an error says what to do', async () => {
    const error = await viz.show(new viz.Table([{ a: 1 }])).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(CaptionerError);
    expect((error as CaptionerError).message).to.contain('npm run lab');
    expect(viz.inNotebook()).to.be.false;
    expect(viz.cellSignal().aborted).to.be.false;
  });
});

describe('drawing', () => {
  it('measures the width of text to break lines', () => {
    expect(textWidth('iiii')).to.be.lessThan(textWidth('mmmm'));
    const lines = wrapText('a man in a black shirt is standing in front of a building', 120);
    expect(lines.join(' ')).to.equal('a man in a black shirt is standing in front of a building');
    for (const line of lines) expect(textWidth(line)).to.be.at.most(120);
  });

  it('has letters beyond English', () => {
    for (const letters of ['őű', 'ąęł', 'ß', 'é']) expect(textWidth(letters)).to.be.greaterThan(5);
  });

  it('puts ticks at round numbers', () => {
    expect(niceSteps(0, 1, 4)).to.deep.equal([0, 0.25, 0.5, 0.75, 1]);
    expect(niceSteps(-3, 17, 4)).to.deep.equal([0, 5, 10, 15]);
    expect(niceSteps(2, 2, 4)).to.deep.equal([2]);
  });
});
