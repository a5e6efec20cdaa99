import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Captioner as BrowserCaptioner, LoadOptions } from '../../lib/browser.js';
import { exportCheckpoint } from '../../lib/index.js';
import { startBrowser } from '../fixtures/chromium.js';
import { serveFiles, type StaticServer } from './static-server.js';

const page = `<!doctype html><meta charset="utf-8" /><title>test</title><link rel="icon" href="data:," />
<script type="module">
  import { Captioner } from './browser/captioner.js';
  window.Captioner = Captioner;
</script>`;

/** The result in a page: the device used and the likeliest captions with their probabilities, or an error. */
interface Captioned {
  readonly device?: string;
  readonly captions?: readonly { readonly caption: string; readonly probability: number }[];
  readonly error?: string;
}

describe('captioner/browser on WebGPU, in Chromium', function () {
  this.timeout(180_000).slow(60_000);
  const photos = ['cat.jpg', 'moose.jpg'];
  let [withAdapter, without]: (Browser | undefined)[] = [];
  let server: StaticServer;
  let folder: string;
  const contexts: BrowserContext[] = [];

  before(async function () {
    without = await startBrowser();
    if (!without) {
      console.log('      not checked: captions on WebGPU (install chromium, or set CHROMIUM to where it is)');
      return this.skip();
    }
    execFileSync(process.execPath, ['scripts/browser.mjs']);
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    fs.mkdirSync(path.join(folder, 'site'));
    fs.writeFileSync(path.join(folder, 'site', 'index.html'), page);
    await exportCheckpoint('checkpoints/default', path.join(folder, 'model'), { storage: 'int8' });
    server = await serveFiles({
      '': path.join(folder, 'site'),
      model: path.join(folder, 'model'),
      photos: 'data/samples',
      browser: 'dist/browser',
    });
    withAdapter = await startBrowser({ webgpu: true });
    const tab = await open(withAdapter!);
    const adapter = await tab.evaluate(async () => {
      const { gpu } = navigator as unknown as { gpu?: { requestAdapter(): Promise<object | null> } };
      return Boolean(await gpu?.requestAdapter());
    });
    if (adapter) return;
    await withAdapter!.close();
    withAdapter = undefined;
  });
  after(async () => {
    await Promise.all([withAdapter?.close(), without?.close(), server?.close()]);
    if (folder) fs.rmSync(folder, { recursive: true });
  });
  beforeEach(() => (server.answered.length = 0));
  afterEach(() => Promise.all(contexts.splice(0).map((context) => context.close())));

  const open = async (browser: Browser, prepare?: (tab: Page) => Promise<unknown>): Promise<Page> => {
    const context = await browser.newContext();
    contexts.push(context);
    const tab = await context.newPage();
    await prepare?.(tab);
    await tab.goto(server.url);
    await tab.waitForFunction(() => (window as { Captioner?: unknown }).Captioner !== undefined);
    return tab;
  };
  /** A page whose worker runs other code first. */
  const openAfter = (browser: Browser, code: string): Promise<Page> =>
    open(browser, (tab) =>
      tab.context().route('**/captioner-worker.js', async (route) => {
        const body = await (await route.fetch()).text();
        await route.fulfill({ body: `${code}\n${body}`, contentType: 'text/javascript' });
      }),
    );
  const caption = (tab: Page, device?: LoadOptions['device'], names = photos): Promise<Captioned> =>
    tab.evaluate(
      async ([names, wanted]) => {
        const { Captioner } = window as unknown as { Captioner: typeof BrowserCaptioner };
        try {
          const captioner = await Captioner.load('model', wanted === undefined ? {} : { device: wanted });
          const captions = [];
          for (const name of names) {
            const [{ caption, probability }] = await captioner.caption(await (await fetch(`photos/${name}`)).blob());
            captions.push({ caption, probability });
          }
          captioner.release();
          return { device: captioner.device, captions };
        } catch (error) {
          const { code, message } = error as Error & { code: string };
          return { error: `${code}: ${message}` };
        }
      },
      [names, device] as const,
    );
  const runtimeOf = (build: 'wasm' | 'webgpu') =>
    server.answered.filter(
      (answer) => /\.wasm$/.test(answer.path) && /webgpu/.test(answer.path) === (build === 'webgpu'),
    );
  const requireAdapter = (test: Mocha.Context): Browser => {
    if (withAdapter) return withAdapter;
    console.log('      not checked: this Chromium has no WebGPU adapter, not even SwiftShader');
    return test.skip();
  };

  it('captions as WebAssembly does, and downloads one build of ONNX Runtime', async function () {
    const browser = requireAdapter(this);
    const expected = await caption(await open(browser));
    expect(expected.device).to.equal('wasm');
    expect(runtimeOf('webgpu')).to.deep.equal([]);
    server.answered.length = 0;
    const tab = await openAfter(
      browser,
      `const { submit } = GPUQueue.prototype;
      GPUQueue.prototype.submit = function (...work) { console.log('submitted'); return submit.apply(this, work); };`,
    );
    let submitted = 0;
    tab.on('console', (message) => (submitted += Number(message.text() === 'submitted')));
    const result = await caption(tab, 'webgpu');
    expect(result.error).to.equal(undefined);
    expect(result.device).to.equal('webgpu');
    expect(submitted, 'work for the graphics card').to.be.at.least(photos.length);
    expect(runtimeOf('webgpu')).to.have.length(1);
    expect(runtimeOf('wasm')).to.deep.equal([]);
    result.captions!.forEach(({ caption: text, probability }, i) => {
      expect(text).to.equal(expected.captions![i].caption);
      expect(probability / expected.captions![i].probability).to.be.closeTo(1, 0.02);
    });
    expect((await caption(tab, 'auto', [])).device).to.equal('webgpu');
  });

  it('falls back to WebAssembly without an adapter, and says so where WebGPU was demanded', async () => {
    const tab = await open(without!);
    const { device, captions } = await caption(tab, 'auto');
    expect(device).to.equal('wasm');
    expect(captions).to.deep.equal((await caption(tab, 'wasm')).captions);
    expect((await caption(tab, 'webgpu')).error).to.match(/^unsupported: .*WebGPU.*device: 'auto'/);
    expect(runtimeOf('webgpu')).to.deep.equal([]);
  });

  it('falls back to WebAssembly where the files for WebGPU are missing', async function () {
    const tab = await open(requireAdapter(this), (opened) =>
      opened.context().route('**/webgpu/**', (route) => route.fulfill({ status: 404 })),
    );
    expect((await caption(tab, 'auto')).device).to.equal('wasm');
    expect((await caption(tab, 'webgpu')).error).to.match(/^download: .*webgpu/);
  });

  it('falls back to WebAssembly where the graphics card gives no device', async function () {
    const tab = await openAfter(
      requireAdapter(this),
      "GPUAdapter.prototype.requestDevice = () => Promise.reject(new Error('device lost'));",
    );
    const { device, captions } = await caption(tab, 'auto');
    expect(device).to.equal('wasm');
    expect(captions).to.have.length(photos.length);
  });
});
