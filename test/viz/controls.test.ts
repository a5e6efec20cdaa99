import { expect } from 'chai';
import { CaptionerError } from '../../lib/errors.js';
import { thinnedControls, valuesAt } from '../../lib/viz/controls.js';
import type { NotebookHost, WidgetComm } from '../../lib/viz/display.js';
import * as viz from '../../lib/viz.js';
import { startBrowser } from '../fixtures/chromium.js';

describe('controls', () => {
  it('have the values of a range, a list, or photos, without errors of rounding', () => {
    const penalty = viz.slider('length penalty', { min: 0, max: 1, step: 0.1, value: 0.7 });
    expect(penalty.options.map(({ value }) => value)).to.deep.equal([
      0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1,
    ]);
    expect(penalty.options[penalty.index]).to.deep.equal({ label: '0.7', value: 0.7 });
    expect(viz.slider('beam', { min: 1, max: 4 }).options.map(({ label }) => label)).to.deep.equal([
      '1',
      '2',
      '3',
      '4',
    ]);
    expect(viz.dropdown('word', ['a', 'dog'], 'dog').index).to.equal(1);
    const photos = viz.photoPicker([{ id: 'folder/dog.jpg', split: 'dev' }]);
    expect(photos.options).to.deep.equal([{ label: 'dog', value: { id: 'folder/dog.jpg', split: 'dev' } }]);
  });

  it('refuse empty ranges and lists', () => {
    for (const make of [
      () => viz.slider('x', { min: 2, max: 1 }),
      () => viz.slider('x', { min: 0, max: 1, step: 0 }),
      () => viz.slider('x', { min: 0, max: 1, value: 3 }),
      () => viz.dropdown('x', []),
      () => viz.dropdown<string>('x', ['a'], 'b'),
      () => viz.photoPicker([]),
    ])
      expect(make).to.throw(CaptionerError);
  });

  it('are thinned to a number of combinations, evenly, with the first choice', () => {
    const controls = {
      beam: viz.slider('beam', { min: 1, max: 10, value: 3 }),
      penalty: viz.slider('penalty', { min: 0, max: 2, step: 0.1, value: 0.7 }),
      word: viz.dropdown('word', ['a', 'dog']),
    };
    for (const most of [1, 2, 7, 20, 60, 1000]) {
      const few = thinnedControls(controls, most);
      const sizes = Object.values(few).map(({ options }) => options.length);
      expect(sizes.reduce((a, b) => a * b, 1)).to.be.within(1, most);
      const chosen = Object.values(few).map(({ index }) => index);
      expect(valuesAt(few, chosen)).to.deep.equal({ beam: 3, penalty: 0.7, word: 'a' });
    }
    expect(thinnedControls(controls, 1000)).to.deep.equal(controls);
    const { penalty } = thinnedControls({ penalty: controls.penalty }, 3);
    expect(penalty.options.map(({ value }) => value)).to.deep.equal([0, 0.7, 2]);
  });
});

describe('interact', () => {
  const hostName = Symbol.for('captioner.notebook');
  interface Sent {
    readonly id: string;
    readonly state: Record<string, unknown>;
    receive(data: object): void | Promise<void>;
  }
  let widgets: Sent[];
  let shown: { data: Record<string, string>; id?: string; update?: boolean }[];
  const install = (hasWidgets: boolean) => {
    [widgets, shown] = [[], []];
    const host: NotebookHost & { plotlyLoaded: boolean } = {
      plotlyLoaded: true,
      display: ({ data }, id, update) => void shown.push({ data, id, update }),
      signal: () => new AbortController().signal,
      hasWidgets: () => hasWidgets,
      openComm: (target, data, _metadata, onMessage): WidgetComm => {
        expect(target).to.equal('jupyter.widget');
        const sent = {
          id: `w${widgets.length}`,
          ...(data as { state: Sent['state'] }),
          receive: onMessage,
        };
        widgets.push(sent);
        return { id: sent.id };
      },
    };
    Object.assign(globalThis, { [hostName]: host });
  };
  afterEach(() => Reflect.deleteProperty(globalThis, hostName));

  const controls = {
    a: viz.slider('first', { min: 1, max: 3, value: 2 }),
    b: viz.dropdown('second', ['x', 'y']),
  };
  const draw = ({ a, b }: { a: number; b: string }) =>
    viz.lineChart([{ x: [1, 2], y: [1, a] }], { title: `${a} ${b}`, width: 200, height: 150 });
  const title = (at = -1) => /<b>(\d \w)</.exec(shown.at(at)!.data['text/html'].replaceAll('\\u003c', '<'))![1];

  it('redraws in one place whenever a widget moves', async () => {
    install(true);
    await viz.interact(controls, draw);
    const [first, second, box] = widgets;
    expect(first.state).to.include({
      _model_name: 'SelectionSliderModel',
      description: 'first',
      index: 1,
      continuous_update: true,
    });
    expect(first.state._options_labels).to.deep.equal(['1', '2', '3']);
    expect(second.state).to.include({ _model_name: 'DropdownModel', index: 0 });
    expect(box.state.children).to.deep.equal(['IPY_MODEL_w0', 'IPY_MODEL_w1']);
    expect(JSON.parse(shown[0].data['application/vnd.jupyter.widget-view+json'])).to.include({ model_id: box.id });
    expect([shown.length, title()]).to.deep.equal([2, '2 x']);

    await first.receive({ method: 'update', state: { index: 2 }, buffer_paths: [] });
    expect([shown.length, title()]).to.deep.equal([3, '3 x']);
    await second.receive({ method: 'update', state: { index: 1 } });
    expect([shown.length, title()]).to.deep.equal([4, '3 y']);
    expect(new Set(shown.slice(1).map(({ id }) => id)).size).to.equal(1);
    expect(shown.slice(1).map(({ update }) => update)).to.deep.equal([false, true, true]);

    // What is not a position changes nothing.
    await second.receive({ method: 'update', state: { index: 7 } });
    await second.receive({ method: 'custom', content: {} });
    expect(shown).to.have.length(4);
  });

  it('survives a drawing that fails', async () => {
    install(true);
    const errors: unknown[] = [];
    const print = console.error;
    console.error = (...parts: unknown[]) => void errors.push(...parts);
    try {
      await viz.interact({ a: controls.a }, ({ a }) => {
        if (a === 1) throw new Error('no figure for 1');
        return draw({ a, b: 'x' });
      });
      await widgets[0].receive({ method: 'update', state: { index: 0 } });
      await widgets[0].receive({ method: 'update', state: { index: 2 } });
    } finally {
      console.error = print;
    }
    expect(errors).to.deep.equal(['no figure for 1']);
    expect(title()).to.equal('3 x');
  });

  it('draws all figures in advance without widgets, and shows the first choice without scripts', async () => {
    install(false);
    const drawn: string[] = [];
    await viz.interact(controls, (values) => {
      drawn.push(`${values.a} ${values.b}`);
      return draw(values);
    });
    expect(drawn).to.deep.equal(['1 x', '1 y', '2 x', '2 y', '3 x', '3 y']);
    expect(shown).to.have.length(1);
    const { data } = shown[0];
    expect(Object.keys(data)).to.have.members(['text/html', 'image/png', 'text/plain']);
    expect(data['image/png']).to.equal((await draw({ a: 2, b: 'x' }).toImage()).bytes.toString('base64'));
    expect(data['text/html']).to.include('type="range"').and.include('<select>');
  });

  it('draws the figures of any page with Plotly as its controls are moved, in a browser', async function () {
    this.timeout(60_000);
    const browser = await startBrowser();
    if (!browser) {
      console.log('      not checked: controls in a browser (install chromium, or set CHROMIUM to where it is)');
      return this.skip();
    }
    try {
      install(false);
      await viz.interact(controls, draw);
      const page = await browser.newPage();
      await page.setContent(`<!doctype html><body>${viz.plotlyScript()}${shown[0].data['text/html']}</body>`);
      const drawn = async (wanted: string) => {
        await page.waitForFunction((text) => document.querySelector('.gtitle')?.textContent === text, wanted);
        return page.locator('output').textContent();
      };
      expect(await drawn('2 x')).to.equal('2');
      await page.getByLabel('first').press('ArrowRight');
      expect(await drawn('3 x')).to.equal('3');
      await page.getByLabel('second').selectOption('y');
      await drawn('3 y');
    } finally {
      await browser.close();
    }
  });
});
