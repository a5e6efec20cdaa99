import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { Captioner, exportCheckpoint } from '../../lib/index.js';
import { cosine } from '../../lib/viz.js';
import { startBrowser } from '../fixtures/chromium.js';
import { serveFiles, type StaticServer } from './static-server.js';

/** Photos of everyday life, if they are on this machine, and the samples, which are larger. */
function photosToCompare(): string[] {
  const everyday = path.join(process.env.CAPTIONER_MIRROR ?? '', 'data', 'everyday', 'photos');
  const samples = fs.readdirSync('data/samples').filter((name) => name.endsWith('.jpg'));
  const files = samples.map((name) => path.join('data', 'samples', name));
  if (!process.env.CAPTIONER_MIRROR || !fs.existsSync(everyday)) {
    console.log('      compared on the samples alone (CAPTIONER_MIRROR names no folder with data/everyday)');
    return files;
  }
  const all = fs.readdirSync(everyday).sort();
  const step = Math.floor(all.length / (100 - files.length));
  const chosen = Array.from({ length: 100 - files.length }, (_, i) => path.join(everyday, all[i * step]));
  return [...files, ...chosen];
}

describe('captions in Chromium and in Node', function () {
  this.timeout(600_000).slow(120_000);
  let browser: Browser | undefined;
  let server: StaticServer;
  let tab: Page;
  let folder: string;
  let node: Captioner;
  let photos: string[];
  const at = (...names: string[]) => path.join(folder, ...names);

  before(async function () {
    browser = await startBrowser();
    if (!browser) {
      console.log('      not checked: captions in a browser (install chromium, or set CHROMIUM to where it is)');
      return this.skip();
    }
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    execFileSync(process.execPath, ['scripts/browser.mjs']);
    await exportCheckpoint('checkpoints/default', at('model'), { storage: 'int8' });
    node = await Captioner.load(at('model'));
    photos = photosToCompare();
    fs.mkdirSync(at('photos'));
    photos.forEach((file, i) => fs.copyFileSync(file, at('photos', `${i}.jpg`)));
    await build({
      stdin: {
        contents: `export { Captioner } from './browser/captioner.js'; export { photoPixels } from './browser/pixels.js';`,
        resolveDir: 'lib',
      },
      bundle: true,
      format: 'iife',
      globalName: 'library',
      platform: 'browser',
      outfile: at('site', 'pixels.js'),
      define: { 'import.meta.url': 'document.baseURI' },
    });
    fs.writeFileSync(at('site', 'index.html'), '<!doctype html><title>test</title><script src="pixels.js"></script>');
    const folders = { '': at('site'), model: at('model'), photos: at('photos'), browser: 'dist/browser' };
    server = await serveFiles(folders);
    tab = await browser.newPage();
    await tab.goto(server.url);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await node?.release();
    if (folder) fs.rmSync(folder, { recursive: true });
  });

  it('come from nearly the same features', async () => {
    const encoder = await node.ready();
    const { weights } = node.checkpoint;
    const [mean, std] = ['mean', 'std'].map((name) => weights.get(`features/${name}`)!.data);
    const cosines = [];
    for (const i of photos.keys()) {
      const base64 = await tab.evaluate(
        async ([file, size]) => {
          const { library } = window as unknown as { library: typeof import('../../lib/browser/pixels.js') };
          const pixels = await library.photoPixels(await (await fetch(`photos/${file}.jpg`)).blob(), size);
          let text = '';
          for (const byte of pixels) text += String.fromCharCode(byte);
          return btoa(text);
        },
        [i, encoder.inputSize],
      );
      const there = new Uint8Array(Buffer.from(base64, 'base64'));
      const features = await encoder.features([there, await node.decode(at('photos', `${i}.jpg`))]);
      const middle = features.length / 2;
      const standardised = features.map((x, k) => (x - mean[k % middle]) / std[k % middle]);
      cosines.push(cosine(standardised.subarray(0, middle), standardised.subarray(middle)));
    }
    const average = cosines.reduce((sum, x) => sum + x, 0) / cosines.length;
    console.log(
      `      cosine: mean ${average.toFixed(4)}, least ${Math.min(...cosines).toFixed(4)}, ${photos.length} photos`,
    );
    expect(average).to.be.greaterThan(0.99);
  });

  it('are the same for at least nine photos of ten', async () => {
    const there = await tab.evaluate(async (count) => {
      const { Captioner } = (await import(
        new URL('browser/captioner.js', document.baseURI).href
      )) as typeof import('../../lib/browser.js');
      const captioner = await Captioner.load('model');
      const captions = [];
      const started = performance.now();
      for (let i = 0; i < count; i++) {
        const [{ caption }] = await captioner.caption(await (await fetch(`photos/${i}.jpg`)).blob());
        captions.push(caption);
      }
      return { captions, milliseconds: (performance.now() - started) / count };
    }, photos.length);
    const here = await node.caption(photos.map((_, i) => at('photos', `${i}.jpg`)));
    const same = there.captions.filter((caption, i) => caption === here[i].captions[0].caption).length;
    console.log(
      `      ${same} of ${photos.length} captions are the same; ${Math.round(there.milliseconds)} ms each in Chromium`,
    );
    expect(same / photos.length).to.be.at.least(0.9);
  });
});
