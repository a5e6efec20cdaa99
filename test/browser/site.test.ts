import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { Captioner, exportCheckpoint } from '../../lib/index.js';
import { startBrowser, violations, Visitors } from '../fixtures/chromium.js';
import { serveFiles, type StaticServer } from './static-server.js';

describe('the site, in Chromium, from a plain file server', function () {
  this.timeout(300_000).slow(60_000);
  let browser: Browser | undefined;
  let server: StaticServer;
  let node: Captioner;
  let folder: string;
  const visitors = new Visitors();
  const samples = fs.readdirSync('data/samples').filter((name) => name.endsWith('.jpg'));

  before(async function () {
    browser = await startBrowser();
    if (!browser) {
      console.log('      not checked: the site in a browser (install chromium, or set CHROMIUM to where it is)');
      return this.skip();
    }
    execFileSync(process.execPath, ['scripts/browser.mjs']);
    execFileSync(process.execPath, ['--import', 'tsx', 'site/build/main.ts', '--no-api']);
    server = await serveFiles({ '': 'dist/site' });
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await exportCheckpoint('checkpoints/default', path.join(folder, 'model'), { storage: 'int8' });
    node = await Captioner.load(path.join(folder, 'model'));
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await node?.release();
    if (folder) fs.rmSync(folder, { recursive: true });
  });
  afterEach(() => visitors.leave());

  /** A new visitor. An error, a missing file and a request to another server are faults. */
  const visit = async (place = '', options: BrowserContextOptions = {}): Promise<Page> => {
    const page = await visitors.arrive(browser!, server.url, options);
    await page.goto(server.url + place);
    return page;
  };
  const samplesCaptioned = async (page: Page): Promise<string[]> => {
    const count = samples.length;
    await page.waitForFunction((wanted) => document.querySelectorAll('.sample-caption').length === wanted, count);
    return page.locator('.sample-caption').allTextContents();
  };
  const captions = async (page: Page, count: number): Promise<string[]> => {
    await page.waitForFunction(
      (wanted) =>
        document.querySelectorAll('.photo').length === wanted && !document.querySelector('.photo[aria-busy="true"]'),
      count,
    );
    return page.locator('.photo').evaluateAll((cards) =>
      cards.map((card) => {
        const words = [...card.querySelectorAll('.word')].map((word) => word.textContent);
        return words.length > 0 ? words.join(' ') : (card.querySelector('.failed')?.textContent ?? '');
      }),
    );
  };

  it('captions the samples as Node does, then a photo of one\u2019s own, and names a broken file', async () => {
    const page = await visit();
    const there = await samplesCaptioned(page);
    const here = await node.caption(samples.map((name) => path.join('data/samples', name)));
    const same = here.filter((photo, i) => photo.captions[0].caption === there[i]).length;
    expect(same / samples.length).to.be.at.least(0.9);
    await page.setInputFiles('#files', ['data/samples/cat.jpg', 'package.json']);
    const [own, broken] = await captions(page, 2);
    expect(own).to.equal(there[samples.indexOf('cat.jpg')]);
    expect(broken).to.match(/package\.json is not a photo/);
    expect(await page.locator('.others li').count()).to.equal(2);
    expect(await page.locator('.confidence').count()).to.be.greaterThan(0);
  });

  it('shows alternatives, the part of the photo, the search and the call as code', async () => {
    const page = await visit();
    await page.setInputFiles('#files', 'data/samples/cat.jpg');
    await captions(page, 1);
    await page.focus('.word');
    await page.waitForSelector('.closer li');
    expect(await page.locator('.closer li').count()).to.equal(5);
    await page.keyboard.press('ArrowRight');
    expect(await page.locator('.word[aria-pressed=true]').textContent()).to.equal(
      await page.locator('.word').nth(1).textContent(),
    );
    await page.click('details.search summary');
    await page.waitForSelector('svg.tree text');
    await page.click('text=Code');
    expect(await page.locator('#code').textContent()).to.include("Captioner.load('model/')");
  });

  it('captions the camera\u2019s picture as it goes', async () => {
    const page = await visit('', { permissions: ['camera'] });
    await samplesCaptioned(page);
    await page.click('#camera');
    await page.waitForFunction(() =>
      /^[a-z]+( [a-z'-]+)+$/.test(document.querySelector('#live-caption')?.textContent ?? ''),
    );
    await page.click('#shutter');
    await captions(page, 1);
  });

  it('downloads each file once, and works offline after the first visit', async () => {
    server.answered.length = 0;
    const page = await visit();
    await samplesCaptioned(page);
    const large = server.answered.filter(({ bytes }) => bytes > 1e5).map((answer) => answer.path);
    expect(large).to.include('model/encoder.onnx').and.have.length(new Set(large).size);
    await page.context().setOffline(true);
    server.answered.length = 0;
    await page.reload();
    await samplesCaptioned(page);
    expect(await page.evaluate(() => crossOriginIsolated), 'threads').to.equal(true);
    await page.setInputFiles('#files', 'data/samples/moose.jpg');
    const [caption] = await captions(page, 1);
    expect(caption).to.match(/\w+ \w+/);
    // Chromium looks for a new service worker by itself, past Playwright's switch.
    expect(server.answered.filter((answer) => answer.path !== 'service-worker.js')).to.deep.equal([]);
  });

  it('has a model of at most 10 MB', () => {
    const files = fs.readdirSync('dist/site/model');
    const bytes = files.reduce((sum, name) => sum + fs.statSync(path.join('dist/site/model', name)).size, 0);
    console.log(`      ${(bytes / 1e6).toFixed(2)} MB`);
    expect(bytes).to.be.at.most(10e6);
  });

  it('fits a phone, and is accessible in light and dark', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await visit('', { viewport: { width: 360, height: 740 }, colorScheme, reducedMotion: 'reduce' });
      await samplesCaptioned(page);
      const wider = () =>
        page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(await wider(), 'sideways').to.equal(0);
      expect(await violations(page)).to.deep.equal([]);
      await page.setInputFiles('#files', 'data/samples/cat.jpg');
      await captions(page, 1);
      expect(await wider(), 'sideways').to.equal(0);
      expect(await violations(page)).to.deep.equal([]);
    }
  });

  it('has its documentation as pages, whose links lead somewhere', async () => {
    const seen = new Set<string>();
    const broken: string[] = [];
    const follow = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      if (!file.endsWith('.html')) return;
      const html = fs
        .readFileSync(path.join('dist/site', file), 'utf8')
        .replaceAll(/<script[\s\S]*?<\/script>|<pre[\s\S]*?<\/pre>/g, '');
      for (const [, href] of html.matchAll(/(?:href|src)="([^"#]+)(?:#[^"]*)?"/g)) {
        if (/^[a-z]+:/i.test(href) || href.startsWith('$')) continue;
        const target = path.join(path.dirname(file), href);
        if (/(^|\/)api\//.test(target)) continue; // TypeDoc writes these
        if (fs.existsSync(path.join('dist/site', target))) follow(target);
        else broken.push(`${file}: ${href}`);
      }
    };
    follow('index.html');
    expect(broken).to.deep.equal([]);
    expect([...seen]).to.include.members([
      'about.html',
      'docs/search.html',
      'results/index.html',
      'notebooks/06-sampling.html',
    ]);
    for (const file of ['about.html', 'docs/search.html', 'results/index.html']) {
      const page = await visit(file, { viewport: { width: 360, height: 740 } });
      expect(await violations(page), file).to.deep.equal([]);
      expect(
        await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
        file,
      ).to.equal(0);
    }
  });
});
