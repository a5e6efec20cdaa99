import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { notebookPage } from '../../jupyter/html.js';
import { notebookText, readNotebook, withoutScripts, type Output } from '../../jupyter/notebook.js';
import { display } from '../../lib/viz/display.js';
import { lineChart } from '../../lib/viz.js';
import { serveFiles, type StaticServer } from '../browser/static-server.js';
import { startBrowser } from '../fixtures/chromium.js';

describe('the page of a saved notebook', function () {
  this.timeout(120_000).slow(20_000);
  let browser: Browser | undefined;
  let server: StaticServer;
  let folder: string;

  before(async function () {
    browser = await startBrowser();
    if (!browser) {
      console.log(
        '      not checked: live figures of a saved notebook (install chromium, or set CHROMIUM to where it is)',
      );
      return this.skip();
    }
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const line = lineChart([{ x: [1, 2, 3], y: [1, 30, 2] }], { title: 'A "line" <1' });
    const { data, metadata = {} } = await line[display]();
    const output: Output = { output_type: 'display_data', data, metadata: { ...metadata } };
    const file = path.join(folder, 'saved.ipynb');
    const common = { metadata: {}, execution_count: 1 };
    const cells = [{ cell_type: 'code' as const, id: 'a', source: '', ...common, outputs: [output] }];
    const notebook = withoutScripts({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 });
    fs.writeFileSync(file, notebookText(notebook));
    const page = await notebookPage(readNotebook(file), folder, 'plotly.min.js');
    fs.writeFileSync(path.join(folder, 'index.html'), page);
    fs.copyFileSync(createRequire(import.meta.url).resolve('plotly.js-dist'), path.join(folder, 'plotly.min.js'));
    server = await serveFiles({ '': folder });
  });
  after(async () => {
    await Promise.all([browser?.close(), server?.close()]);
    if (folder) fs.rmSync(folder, { recursive: true });
  });

  it('draws the figure live, which shows its values under the pointer', async () => {
    const page = await browser!.newPage();
    await page.goto(server.url);
    await page.waitForSelector('.js-plotly-plot .main-svg');
    const box = (await page.locator('.js-plotly-plot .scatterlayer .lines').first().boundingBox())!;
    // The peak is in the middle.
    await page.mouse.move(box.x + box.width / 2, box.y + 6);
    await page.mouse.move(box.x + box.width / 2, box.y + 2);
    await page.waitForFunction(() => document.querySelector('.hoverlayer')?.textContent.includes('30'));
    await page.close();
  });

  it('shows the picture without JavaScript, and where Plotly is missing', async () => {
    const context = await browser!.newContext({ javaScriptEnabled: false });
    const still = await context.newPage();
    await still.goto(server.url);
    expect(await still.locator('[data-figure] img').isVisible()).to.equal(true);
    await context.close();
    const without = await browser!.newPage();
    const asked = without.waitForEvent('requestfailed');
    await without.route('**/plotly.min.js', (route) => route.abort());
    await without.goto(server.url);
    await asked;
    expect(await without.locator('[data-figure] img').isVisible()).to.equal(true);
    await without.close();
  });
});
