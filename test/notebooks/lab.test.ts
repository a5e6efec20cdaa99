import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { readNotebook, writeNotebook } from '../../jupyter/notebook.js';
import { startBrowser } from '../fixtures/chromium.js';
import { findLab, LabServer } from './lab-server.js';

const root = path.resolve(import.meta.dirname, '../..');
const lab = findLab();
/** Which notebooks, by the beginnings of their names. All of them take minutes. */
const chosen = (process.env.CAPTIONER_TEST_LAB_NOTEBOOKS ?? '01,06').split(',');

interface JupyterApp {
  readonly commands: { execute(name: string): Promise<unknown> };
  readonly shell: {
    readonly currentWidget?: {
      readonly context: { readonly ready: Promise<void> };
      readonly sessionContext: {
        readonly ready: Promise<void>;
        readonly session?: { readonly kernel?: { readonly name: string; readonly status: string } };
      };
      readonly content: {
        readonly model: {
          toJSON(): {
            cells: { cell_type: string; outputs?: { output_type: string; ename?: string; evalue?: string }[] }[];
          };
        };
      };
    };
  };
}
type LabWindow = Window & { readonly jupyterapp: JupyterApp };

describe('JupyterLab in a browser', function () {
  this.timeout(900_000);
  let server: LabServer;
  let browser: Browser;
  let folder: string;

  before(async function () {
    const started = lab === undefined ? undefined : await startBrowser();
    if (!lab || !started) {
      console.log(
        `      left out: ${lab ? 'no Chromium (CHROMIUM may name one)' : 'no JupyterLab (CAPTIONER_TEST_LAB may name one)'}`,
      );
      return this.skip();
    }
    browser = started;
    // Copies: JupyterLab saves what it runs.
    mkdirSync(path.join(root, 'runs'), { recursive: true }); // not a hidden folder: Jupyter doesn't open those
    folder = mkdtempSync(path.join(root, 'runs', 'lab-'));
    server = await LabServer.start(lab, 8700 + (process.pid % 200));
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  it('knows the kernel', async () => {
    expect(await server.kernelspecs()).to.include('captioner');
  });

  it('opens the README without questions', async () => {
    const page = await browser.newPage({ viewport: { width: 1300, height: 1000 } });
    try {
      await page.goto(`${server.url}/lab/tree/notebooks/README.md?reset`, { timeout: 300_000 });
      await page.waitForSelector('.jp-RenderedMarkdown h1, .jp-MarkdownViewer h1', { timeout: 120_000 });
      await page.waitForTimeout(3000);
      expect(await page.locator('.jp-RenderedMarkdown h1, .jp-MarkdownViewer h1').first().innerText()).to.match(
        /^Notebooks/,
      );
      expect(await page.locator('.jp-Dialog, .Toastify__toast').count(), 'dialogs and notices').to.equal(0);
    } finally {
      await page.close();
    }
  });

  it('redraws a figure while a slider is dragged, if Jupyter has its widgets', async function () {
    const file = path.join(folder, 'slider.ipynb');
    const draw =
      'await interact({ slope: slider("slope", { min: 0, max: 10, value: 3 }), name: dropdown("name", ["one", "two"]) }, ({ slope, name }) =>\n' +
      '  lineChart([{ x: [0, 1], y: [0, slope] }], { title: `${name}: ${slope}` }));';
    const sources = ["import { dropdown, interact, lineChart, slider } from 'captioner/viz';", draw];
    const kernelspec = { display_name: 'TypeScript (captioner)', language: 'typescript', name: 'captioner' };
    writeNotebook(file, {
      cells: sources.map((source, i) => ({
        cell_type: 'code',
        id: `cell-${i}`,
        source,
        execution_count: null,
        metadata: {},
        outputs: [],
      })),
      metadata: { kernelspec },
      nbformat: 4,
      nbformat_minor: 5,
    });
    const page = await browser.newPage({ viewport: { width: 1300, height: 1000 } });
    try {
      const [, outputs] = await runAll(page, `${server.url}/lab/tree/${path.relative(root, file)}?reset`);
      const title = page.locator('.js-plotly-plot .gtitle');
      await title.waitFor({ timeout: 60_000 });
      expect(await title.textContent()).to.equal('one: 3');
      if (outputs.length === 1) {
        console.log('      left out: dragging a slider (pip install jupyterlab_widgets brings it)');
        return this.skip();
      }
      const { x, y, width, height } = (await page.locator('.widget-slider .noUi-handle').boundingBox())!;
      await page.mouse.move(x + width / 2, y + height / 2);
      await page.mouse.down();
      const seen = new Set<string | null>();
      for (let pixels = 10; pixels <= 160; pixels += 10) {
        await page.mouse.move(x + width / 2 + pixels, y + height / 2);
        await page.waitForTimeout(200);
        seen.add(await title.textContent().catch(() => null));
      }
      expect(seen.size, 'figures before the mouse is let go').to.be.greaterThan(3);
      await page.mouse.up();
      await page.waitForFunction(() => document.querySelector('.js-plotly-plot .gtitle')?.textContent === 'one: 10');
      await page.selectOption('.widget-dropdown select', { label: 'two' });
      await page.waitForFunction(() => document.querySelector('.js-plotly-plot .gtitle')?.textContent === 'two: 10');

      // The widgets are the kernel's: a page that is loaded again has them as they were.
      await page.evaluate(() => (window as unknown as LabWindow).jupyterapp.commands.execute('docmanager:save'));
      await page.reload();
      await page.waitForSelector('.widget-slider', { timeout: 60_000 });
      expect(await page.locator('.widget-slider .widget-readout').innerText()).to.equal('10');
    } finally {
      await page.close();
    }
  });

  for (const name of chosen) {
    it(`runs notebook ${name} from top to bottom: no error, figures by Plotly`, async () => {
      const file = [
        '01-data',
        '02-features',
        '03-vocabulary',
        '04-model',
        '05-curves',
        '06-sampling',
        '07-looking',
        '08-your-own',
      ].find((one) => one.startsWith(name))!;
      copyFileSync(path.join(root, 'notebooks', `${file}.ipynb`), path.join(folder, `${file}.ipynb`));
      const page = await browser.newPage({ viewport: { width: 1300, height: 1000 } });
      try {
        const outputs = await runAll(page, `${server.url}/lab/tree/${path.relative(root, folder)}/${file}.ipynb?reset`);
        const errors = outputs.flat().filter(({ output_type }) => output_type === 'error');
        expect(errors.map(({ ename, evalue }) => `${ename}: ${evalue}`)).to.deep.equal([]);
        const code = readNotebook(path.join(root, 'notebooks', `${file}.ipynb`)).cells.filter(
          ({ cell_type }) => cell_type === 'code',
        );
        expect(outputs).to.have.length(code.length);
        if (process.env.SNAPSHOT_PICTURES) await pictures(page, path.join(process.env.SNAPSHOT_PICTURES, file));
        expect(await hasFigure(page), 'a figure by Plotly').to.equal(true);
      } finally {
        await page.close();
      }
    });
  }
});

/** Opens a notebook (`?reset`: alone, without those that were open before), runs all of its cells, and gives the outputs of each when the kernel is idle again. */
async function runAll(page: Page, url: string) {
  await page.goto(url, { timeout: 300_000 });
  await page.waitForFunction(
    () => !!(window as unknown as LabWindow).jupyterapp?.shell.currentWidget?.content?.model,
    undefined,
    { timeout: 300_000 },
  );
  await page.evaluate(async () => {
    const { commands, shell } = (window as unknown as LabWindow).jupyterapp;
    await shell.currentWidget!.context.ready;
    await shell.currentWidget!.sessionContext.ready;
    await commands.execute('notebook:run-all-cells');
  });
  return await page.evaluate(() => {
    const { content } = (window as unknown as LabWindow).jupyterapp.shell.currentWidget!;
    return content.model
      .toJSON()
      .cells.flatMap(({ cell_type, outputs = [] }) => (cell_type === 'code' ? [outputs] : []));
  });
}

/** Scrolls through the notebook until Plotly has drawn a figure: outputs are put into the page, and drawn, when they come into view. */
async function hasFigure(page: Page): Promise<boolean> {
  const panel = page.locator('.jp-WindowedPanel-outer').first();
  const figures = page.locator('.jp-OutputArea .js-plotly-plot .main-svg');
  // Heights of cells that were not seen yet are guesses, so the first time some may be passed over.
  for (let time = 0; time < 3; time++) {
    for (let top = 0; top < (await panel.evaluate((element) => element.scrollHeight)); top += 600) {
      await panel.evaluate((element, to) => (element.scrollTop = to), top);
      await page.waitForTimeout(800);
      if ((await figures.count()) > 0) return true;
    }
  }
  return false;
}

/** Screenshots of the whole notebook, page by page. */
async function pictures(page: Page, name: string): Promise<void> {
  const panel = page.locator('.jp-WindowedPanel-outer').first();
  const height = await panel.evaluate((element) => element.scrollHeight);
  for (let i = 0; i * 850 < height && i < 14; i++) {
    await panel.evaluate((element, top) => (element.scrollTop = top), i * 850);
    await page.waitForTimeout(1200);
    writeFileSync(`${name}-${String(i).padStart(2, '0')}.png`, await page.screenshot());
  }
}
