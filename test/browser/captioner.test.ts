import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import type { Captioner as BrowserCaptioner } from '../../lib/browser.js';
import { Captioner, explainPhoto } from '../../lib/index.js';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';
import { startBrowser } from '../fixtures/chromium.js';
import { serveFiles, type StaticServer } from './static-server.js';

/** Names that the test's page gives to what the bundle exports. */
declare global {
  interface Window {
    Captioner: typeof BrowserCaptioner;
    captioner: BrowserCaptioner;
    photo(name: string): Promise<File>;
    progressOf(model: URL): Promise<{ loaded: number; total: number }[]>;
    failure(work: () => Promise<unknown>): Promise<{ code: unknown; message: string; name: string }>;
  }
}

const page = `<!doctype html><meta charset="utf-8" /><title>test</title><link rel="icon" href="data:," />
<script type="module">
  import { Captioner } from './browser/captioner.js';
  window.Captioner = Captioner;
  window.photo = async (name) => new File([await (await fetch('photos/' + name)).blob()], name);
  window.progressOf = async (model) => {
    const seen = [];
    const captioner = await Captioner.load(model, { onProgress: (now) => seen.push(now) });
    captioner.release();
    return seen;
  };
  window.failure = (work) => work().then(() => undefined, ({ code, message, name }) => ({ code, message, name }));
</script>`;

describe('captioner/browser, in Chromium', function () {
  this.timeout(120_000).slow(20_000);
  let browser: Browser | undefined;
  let server: StaticServer;
  let folder: string;
  let node: Captioner;
  let tab: Page;
  const at = (...names: string[]) => path.join(folder, ...names);
  const colours = ['red', 'green', 'blue', 'grey'];

  before(async function () {
    browser = await startBrowser();
    if (!browser) {
      console.log('      not checked: captions in a browser (install chromium, or set CHROMIUM to where it is)');
      return this.skip();
    }
    execFileSync(process.execPath, ['scripts/browser.mjs']);
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    for (const name of ['site', 'photos']) fs.mkdirSync(at(name));
    fs.writeFileSync(at('site', 'index.html'), page);
    await saveTinyCaptioner(at('model'));
    const wide = { width: 300, height: 200 };
    const rgb = [[200, 40, 40], [40, 200, 40], [40, 40, 200], [120, 120, 120]] as const; // prettier-ignore
    for (const [i, name] of colours.entries()) {
      fs.writeFileSync(at('photos', `${name}.png`), await colouredPhoto(rgb[i], { ...wide, format: 'png' }));
    }
    fs.writeFileSync(at('photos', 'text.jpg'), 'This is a letter.');
    fs.writeFileSync(at('photos', 'empty.jpg'), '');
    const jpeg = await colouredPhoto(rgb[0], wide);
    fs.writeFileSync(at('photos', 'short.jpg'), jpeg.subarray(0, 100));
    node = await Captioner.load(at('model'));
    server = await serveFiles({ '': at('site'), model: at('model'), photos: at('photos'), browser: 'dist/browser' });
    tab = await browser.newPage();
    await tab.goto(server.url);
    await tab.waitForFunction(() => window.Captioner !== undefined);
    await tab.evaluate(async () => {
      window.captioner = await window.Captioner.load('model');
    });
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await node?.release();
    if (folder) fs.rmSync(folder, { recursive: true });
  });

  it('captions files as Node does, with probabilities and words', async () => {
    const files = colours.map((name) => `${name}.png`);
    const there = await tab.evaluate(
      async (names) =>
        Promise.all(names.map(async (name) => window.captioner.caption(await window.photo(name), { n: 3 }))),
      files,
    );
    const here = await node.caption(
      files.map((name) => at('photos', name)),
      { n: 3 },
    );
    for (const [i, { captions }] of here.entries()) {
      expect(
        there[i].map(({ caption }) => caption),
        files[i],
      ).to.deep.equal(captions.map(({ caption }) => caption));
      there[i].forEach(({ probability, words }, rank) => {
        expect(probability).to.be.closeTo(captions[rank].probability, 0.02 * captions[rank].probability + 1e-4);
        expect(words.map(({ word }) => word)).to.deep.equal(captions[rank].words.map(({ word }) => word));
      });
    }
  });

  it('explains a caption as Node does', async () => {
    const there = await tab.evaluate(async () => window.captioner.explain(await window.photo('blue.png')));
    const here = await explainPhoto(node, at('photos', 'blue.png'));
    expect(there.captions[0].caption).to.equal(here.captions[0].caption);
    expect(there.words.map(({ word }) => word)).to.deep.equal(here.words.map(({ word }) => word));
    expect(there.search.length).to.equal(here.search.length);
    expect(there.occlusion.drops.length).to.equal(here.words.length);
  });

  it('takes a Blob, an ImageBitmap, ImageData, a canvas and an image element', async () => {
    const captions = await tab.evaluate(async () => {
      const file = await window.photo('green.png');
      const bitmap = await createImageBitmap(file);
      const canvas = Object.assign(document.createElement('canvas'), { width: bitmap.width, height: bitmap.height });
      const context = canvas.getContext('2d')!;
      context.drawImage(bitmap, 0, 0);
      const image = Object.assign(new Image(), { src: 'photos/green.png' });
      const photos = [new Blob([file]), bitmap, context.getImageData(0, 0, canvas.width, canvas.height), canvas, image];
      const all = [];
      for (const photo of photos) all.push((await window.captioner.caption(photo))[0].caption);
      return { all, left: bitmap.width };
    });
    const [{ captions: expected }] = await node.caption(at('photos', 'green.png'));
    expect(captions.all).to.deep.equal(Array.from({ length: 5 }, () => expected[0].caption));
    expect(captions.left, 'the bitmap still belongs to the page').to.equal(300);
  });

  it('says what is wrong with a file that is not a photo, and captions the next one', async () => {
    const failures = await tab.evaluate(async () => {
      const found = [];
      for (const name of ['text.jpg', 'empty.jpg', 'short.jpg']) {
        found.push(await window.failure(async () => window.captioner.caption(await window.photo(name))));
      }
      found.push(
        await window.failure(async () => window.captioner.caption(await window.photo('red.png'), { beam: -1 })),
      );
      return { found, caption: await window.captioner.caption(await window.photo('red.png')) };
    });
    const [text, empty, short, option] = failures.found;
    expect(text).to.deep.include({ code: 'bad-image', name: 'CaptionerError' });
    expect(text.message).to.match(/text\.jpg is not a photo/);
    expect(empty.message).to.equal('empty.jpg is empty.');
    expect(short.message).to.equal('short.jpg is damaged or cut short.');
    expect(option.code).to.equal('bad-option');
    expect(failures.caption).to.have.length(1);
  });

  it('requires and forbids words without the tokenizer of Node', async () => {
    const search = { require: ['Sky'], forbid: ["the sea's"] };
    const caption = await tab.evaluate(
      async (options) => (await window.captioner.caption(await window.photo('red.png'), options))[0].caption,
      { require: search.require },
    );
    expect(caption.split(' ')).to.include('sky');
    const failure = await tab.evaluate(
      async (options) => window.failure(async () => window.captioner.caption(await window.photo('red.png'), options)),
      { forbid: search.forbid },
    );
    expect(failure.message).to.match(/forbid: ''s' is not in the vocabulary/);
  });

  it('reports the download, and names a file that is missing', async () => {
    const { progress, missing } = await tab.evaluate(async () => {
      return {
        progress: await window.progressOf(new URL('model/', document.baseURI)),
        missing: await window.failure(() => window.Captioner.load('photos/')),
      };
    });
    const { loaded, total } = progress.at(-1)!;
    expect(loaded).to.equal(total).and.to.be.greaterThan(14e6);
    progress.reduce((before, now) => {
      expect(now.loaded).to.be.at.least(before.loaded);
      return now;
    });
    expect(missing.code).to.equal('download');
    expect(missing.message).to.match(/photos\/config\.json can't be downloaded: the server answered with status 404/);
  });

  it('stops a download and a caption that are given up, and one that is released', async () => {
    const outcome = await tab.evaluate(async () => {
      const loading = new AbortController();
      const download = window.failure(() => window.Captioner.load('model', { signal: loading.signal }));
      loading.abort();
      const captioning = new AbortController();
      const photo = await window.photo('red.png');
      const explanation = window.failure(() => window.captioner.explain(photo, {}, { signal: captioning.signal }));
      captioning.abort();
      const other = await window.Captioner.load('model');
      const released = window.failure(() => other.caption(photo));
      other.release();
      return {
        names: [(await download).name, (await explanation).name],
        released: await released,
        after: (await window.captioner.caption(photo)).length,
      };
    });
    expect(outcome.names).to.deep.equal(['AbortError', 'AbortError']);
    expect(outcome.released.code).to.equal('interrupted');
    expect(outcome.after).to.equal(1);
  });

  it('fills the empty alt attributes of the example page, and captions the photo chosen there', async () => {
    const folders = { '': 'examples/browser', model: at('model'), samples: 'data/samples', browser: 'dist/browser' };
    const example = await serveFiles(folders);
    const page = await browser!.newPage();
    await page.goto(example.url);
    await page.waitForFunction(() => document.querySelector('[role=status]')!.textContent === 'Choose a photo.');
    const alts = await page
      .locator('img')
      .evaluateAll((images) => images.map((image) => (image as HTMLImageElement).alt));
    expect(alts).to.have.length(2);
    for (const alt of alts) expect(alt).to.match(/\w/);
    await page.setInputFiles('input', at('photos', 'blue.png'));
    const [{ captions: expected }] = await node.caption(at('photos', 'blue.png'));
    await page.waitForFunction(
      (caption) => document.querySelector('[role=status]')!.textContent === caption,
      expected[0].caption,
    );
    await page.close();
    await example.close();
  });

  it('captions under a content security policy that forbids eval', async () => {
    const folders = { '': at('site'), model: at('model'), photos: at('photos'), browser: 'dist/browser' };
    const policy = "default-src 'self' data:; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'";
    const strict = await serveFiles(folders, { 'content-security-policy': policy });
    const page = await browser!.newPage();
    await page.goto(strict.url);
    await page.waitForFunction(() => window.Captioner !== undefined);
    const captions = await page.evaluate(async () => {
      const captioner = await window.Captioner.load('model');
      return captioner.caption(await window.photo('blue.png'));
    });
    const [{ captions: expected }] = await node.caption(at('photos', 'blue.png'));
    expect(captions[0].caption).to.equal(expected[0].caption);
    await page.close();
    await strict.close();
  });

  it('says when a browser has no WebAssembly', async () => {
    const context = await browser!.newContext();
    const old = await context.newPage();
    // The worker's script, with a browser before it that lacks WebAssembly.
    await old.route('**/captioner-worker.js', async (route) => {
      const body = await (await route.fetch()).text();
      await route.fulfill({ body: `delete globalThis.WebAssembly;\n${body}`, contentType: 'text/javascript' });
    });
    await old.goto(server.url);
    await old.waitForFunction(() => window.Captioner !== undefined);
    const failure = await old.evaluate(() => window.failure(() => window.Captioner.load('model')));
    expect(failure.code).to.equal('unsupported');
    expect(failure.message).to.match(/no WebAssembly/);
    await context.close();
  });
});
