import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import * as viz from '../../lib/viz.js';
import { startBrowser } from '../fixtures/chromium.js';

/** Output of a cell, as `display` receives it. */
async function shownBy(item: viz.Displayable): Promise<string[]> {
  const host = Symbol.for('captioner.notebook');
  const shown: string[] = [];
  Object.assign(globalThis, { [host]: { display: ({ data }: viz.DisplayData) => shown.push(data['text/html']) } });
  try {
    await viz.show(item);
    return shown;
  } finally {
    Reflect.deleteProperty(globalThis, host);
  }
}

describe('Plotly in JupyterLab', function () {
  this.timeout(180_000);
  let server: Server;
  let cell: string[];

  before(async () => {
    cell = await shownBy(viz.lineChart([{ x: [1, 2], y: [1, 3] }], { title: 'A line' }));
    const library = createRequire(import.meta.url).resolve('plotly.js-dist');
    const config = JSON.stringify({ baseUrl: '/user/me/' });
    const page = `<html><head><script id="jupyter-config-data" type="application/json">${config}</script></head><body>${cell.join('')}</body></html>`;
    server = createServer((request, response) => {
      const file = request.url === '/user/me/files/node_modules/plotly.js-dist/plotly.min.js';
      if (file) response.setHeader('content-type', 'application/javascript').end(readFileSync(library));
      else response.setHeader('content-type', 'text/html').end(page);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => server.close());

  it('is an address in the notebook, so that a saved notebook stays small', () => {
    expect(cell).to.have.length(2);
    expect(cell[0].length).to.be.lessThan(2000);
  });

  it('is loaded from the server of the page, and draws the figure', async function () {
    const browser = await startBrowser();
    if (!browser) {
      console.log('      left out: no Chromium (CHROMIUM may name one)');
      return this.skip();
    }
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/user/me/lab`);
      await page.waitForSelector('.js-plotly-plot .main-svg', { timeout: 120_000 });
    } finally {
      await browser.close();
    }
  });
});
