import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { parse } from 'csv-parse/sync';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { Captioner, confidenceWord, describeOptions, resolveSearch, SearchConfig } from '../../lib/index.js';
import type { AnsweredPhoto } from '../../serve/answers.js';
import { confidenceWord as pageWord } from '../../serve/page/confidence.js';
import { colouredPhoto } from '../fixtures/tiny-captioner.js';
import { requireFreshBuild, startBrowser, violations, Visitors } from '../fixtures/chromium.js';
import { tinyService, type TinyService } from './tiny-service.js';

describe('the page, in Chromium', function () {
  this.timeout(120_000).slow(20_000);
  let browser: Browser | undefined;
  let service: TinyService;
  let captioner: Captioner;
  let url: string;
  let folder: string;
  let red: string;
  let blue: string;
  const visitors = new Visitors(/Failed to load resource/);

  before(async function () {
    browser = await startBrowser();
    if (!browser) {
      console.log('      not checked: the page in a browser (install chromium, or set CHROMIUM to where it is)');
      this.skip();
    }
    requireFreshBuild();
    service = await tinyService();
    await service.ready();
    await service.server.listen({ host: '127.0.0.1', port: 0 });
    url = `http://127.0.0.1:${(service.server.server.address() as AddressInfo).port}/`;
    captioner = await Captioner.load(service.checkpoint);
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    [red, blue] = [path.join(folder, 'red.jpg'), path.join(folder, 'blue.png')];
    fs.writeFileSync(red, await colouredPhoto([200, 40, 40], { width: 300, height: 200 }));
    fs.writeFileSync(blue, await colouredPhoto([40, 40, 200], { width: 200, height: 300, format: 'png' }));
  });
  after(async () => {
    await browser?.close();
    await captioner?.release();
    await service?.close();
    if (folder) fs.rmSync(folder, { recursive: true });
  });
  afterEach(() => visitors.leave());

  /** A new visitor. An error and a request to another server are faults. */
  const visit = async (
    options: BrowserContextOptions = {},
    prepare: (page: Page) => Promise<unknown> = () => Promise.resolve(),
    home = url,
  ): Promise<Page> => {
    const page = await visitors.arrive(browser!, home, options);
    await prepare(page);
    await page.goto(home);
    if (options.javaScriptEnabled !== false) await page.waitForSelector('#samples button');
    return page;
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
  const expected = async (...files: string[]) =>
    (await captioner.caption(files, { n: 3 })).map((photo) => photo.captions[0].caption);
  /** Gives the page a file as if it came from the clipboard or from another window. */
  const hand = (page: Page, event: 'paste' | 'drop', file: string) =>
    page.evaluate(
      ({ event: type, base64 }) => {
        const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], 'given.png', { type: 'image/png' }));
        document.body.dispatchEvent(
          type === 'paste'
            ? new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true })
            : new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }),
        );
      },
      { event, base64: fs.readFileSync(file).toString('base64') },
    );

  it('captions photos that are chosen, each in its place, and says what is wrong with a bad one', async () => {
    const page = await visit();
    await page.setInputFiles('#files', [red, 'package.json', blue]);
    const [first, bad, last] = await captions(page, 3);
    expect([first, last]).to.deep.equal(await expected(red, blue));
    expect(bad).to.match(/not a photo/);
    expect(await page.locator('.photo').nth(0).locator('.others li').count()).to.equal(2);
    expect(await page.locator('.photo').nth(1).getAttribute('aria-label')).to.equal('package.json');
    expect(await page.locator('#live').textContent()).to.match(/^blue\.png: /);
  });

  it('captions what is pasted, what is dropped, and a sample', async () => {
    const page = await visit();
    await hand(page, 'paste', blue);
    expect(await captions(page, 1)).to.deep.equal(await expected(blue));
    await hand(page, 'drop', blue);
    await captions(page, 2);
    await page.click('#samples button >> nth=0');
    expect((await captions(page, 3))[0]).to.not.equal('');
  });

  it('takes a photo with the camera', async () => {
    const page = await visit({ permissions: ['camera'] });
    await page.click('#camera');
    await page.waitForFunction(() => document.querySelector<HTMLVideoElement>('#video')!.videoWidth > 0);
    await page.click('#shutter');
    await captions(page, 1);
    expect(await page.locator('.name').textContent()).to.equal('camera.jpg');
    expect(await page.evaluate(() => document.querySelector<HTMLVideoElement>('#video')!.srcObject)).to.equal(null);
  });

  it('shows the alternatives of a word and where it comes from, by mouse and by keyboard', async () => {
    const page = await visit();
    await page.setInputFiles('#files', red);
    const [caption] = await captions(page, 1);
    await page.hover('.word');
    await page.waitForSelector('.closer li');
    expect(await page.locator('.closer li').count()).to.equal(5);
    expect(await page.locator('.closer strong').textContent()).to.equal(caption.split(' ')[0]);
    await page.mouse.move(0, 0);
    await page.locator('.word').first().focus();
    await page.keyboard.press('End');
    const lastWord = caption.split(' ').at(-1);
    await page.waitForFunction((word) => document.querySelector('.closer strong')?.textContent === word, lastWord);
    expect(await page.evaluate(() => document.activeElement!.textContent)).to.equal(lastWord);
    const closer = await page.locator('.closer p').textContent();
    expect(closer).to.match(/comes (mostly from the \w+( \w+)?|from no single part) of the photo\.$/);
    expect(await page.locator('.picture.lit').count()).to.equal(closer!.includes('mostly') ? 1 : 0);
    await page.keyboard.press('Escape');
    expect(await page.locator('.picture.lit').count()).to.equal(0);
  });

  it('draws the search', async () => {
    const page = await visit();
    await page.setInputFiles('#files', red);
    const [caption] = await captions(page, 1);
    await page.click('.search summary');
    await page.waitForSelector('.tree');
    expect(await page.locator('.tree').getAttribute('aria-label')).to.include(`The best: ${caption}.`);
    expect(await page.locator('.tree .best text').allTextContents()).to.deep.equal(caption.split(' '));
    expect(await page.locator('.tree g').count()).to.be.above(caption.split(' ').length);
  });

  it('uses the options, and remembers them, the photos and the colours', async () => {
    const page = await visit();
    await page.click('.options summary');
    await page.locator('[name=n]').fill('5');
    expect(await page.locator('[name=beam]').inputValue()).to.equal('5');
    await page.setInputFiles('#files', red);
    await captions(page, 1);
    expect(await page.locator('.others li').count()).to.equal(4);
    await page.click('#theme');
    await page.click('#theme');
    await page.waitForSelector('#history li');
    await page.reload();
    expect(await page.locator('html').getAttribute('data-theme')).to.equal('dark');
    expect(await page.locator('[name=n]').inputValue()).to.equal('5');
    await page.click('#history button');
    const [again] = await captions(page, 1);
    expect(again).to.equal((await captioner.caption([red], { n: 5 }))[0].captions[0].caption);
    await page.locator('.word').first().focus();
    await page.waitForSelector('.closer li');
    await page.click('#clear');
    await page.waitForSelector('#earlier', { state: 'hidden' });
    await page.reload();
    await page.waitForSelector('#samples button');
    expect(await page.locator('#history li').count()).to.equal(0);
  });

  it('offers of the search what the chosen method reads, within what it may be', async () => {
    const page = await visit();
    await page.click('.options > summary');
    await page.click('.options details > summary');
    const options = new Map(describeOptions(SearchConfig).map((option) => [option.name, option]));
    const usual = 'method n require forbid lengthPenalty minLength maxLength noRepeatNgram'.split(' ');
    const drawing = [...usual.filter((name) => name !== 'require'), 'temperature', 'topK', 'topP', 'seed'];
    const offered = {
      beam: [...usual, 'beam'],
      diverse: [...usual, 'diversity'],
      sample: drawing,
      stochastic: drawing,
      consensus: [...usual.filter((name) => name !== 'require'), 'seed'],
    } satisfies Record<SearchConfig['method'], string[]>;
    expect(Object.keys(offered)).to.deep.equal(options.get('method')!.choices);
    for (const [method, names] of Object.entries(offered) as [SearchConfig['method'], string[]][]) {
      await page.selectOption('[name=method]', method);
      const fields = await page
        .locator('#options :is(input, select):visible')
        .evaluateAll((elements) =>
          (elements as HTMLInputElement[]).map(({ name, type, value, min, max }) => ({ name, type, value, min, max })),
        );
      expect(fields.map(({ name }) => name)).to.have.members(names);
      expect(await page.locator('#options :is(input, select):enabled').count()).to.equal(names.length);
      for (const { name, type, value, min, max } of fields) {
        const option = options.get(name)!;
        if (name !== 'method' && name !== 'n') expect(value, name).to.equal(String(option.default));
        if (type !== 'range') continue;
        for (const end of [min, max]) {
          // Each is taken, together with the method.
          expect(resolveSearch({ method, maxLength: 30, [name]: Number(end) })).to.include({ [name]: Number(end) });
        }
      }
    }
  });

  it('searches in every way, and shows it', async () => {
    const page = await visit();
    await page.click('.options > summary');
    const searches: Partial<SearchConfig>[] = [
      { method: 'diverse', n: 3, diversity: 2 },
      { method: 'sample', n: 3, temperature: 1.5 },
      { method: 'stochastic', n: 3, temperature: 0.5 },
      { method: 'consensus', n: 3 },
    ];
    const hints = new Set<string | null>();
    for (const search of searches) {
      for (const [name, value] of Object.entries(search)) {
        const field = page.locator(`[name=${name}]`);
        await (name === 'method' ? field.selectOption(String(value)) : field.fill(String(value)));
      }
      await page.setInputFiles('#files', red);
      const [caption] = await captions(page, 1);
      const [{ captions: wanted }] = await captioner.caption([red], search);
      expect(caption).to.equal(wanted![0].caption);
      const card = page.locator('.photo').first();
      const others = wanted!.slice(1).map((each) => each.caption);
      expect(await card.locator('.others li > span').allTextContents()).to.deep.equal(others);
      await card.locator('.search summary').click();
      await card.locator('.tree').waitFor();
      expect(await card.locator('.tree .best text').allTextContents()).to.deep.equal(caption.split(' '));
      hints.add(await card.locator('.search .hint').first().textContent());
      await card.locator('.close').click();
    }
    expect(hints.size).to.equal(searches.length);
  });

  it('takes words to require and to forbid, and tells what is wrong with them', async () => {
    const page = await visit();
    await page.click('.options > summary');
    await page.click('.options details > summary');
    const [first] = (await expected(red))[0].split(' ');
    await page.fill('[name=forbid]', first);
    await page.fill('[name=require]', 'stone, apple');
    await page.setInputFiles('#files', red);
    const [caption] = await captions(page, 1);
    expect(caption.split(' ')).to.include.members(['stone', 'apple']).and.not.include(first);
    await page.fill('[name=require]', 'zzz');
    await page.setInputFiles('#files', blue);
    expect((await captions(page, 2))[0]).to.match(/'zzz'/);
    await page.click('#options [type=reset]');
    expect(await page.locator('[name=require]').inputValue()).to.equal('');
    await page.setInputFiles('#files', red);
    expect((await captions(page, 3))[0]).to.equal((await expected(red))[0]);
  });

  it('is dark or light as the system is, or as was chosen', async () => {
    const page = await visit({ colorScheme: 'dark' });
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [light, dark] = ['rgb(250, 248, 244)', 'rgb(20, 23, 26)'];
    expect(await paper()).to.equal(dark);
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await paper()).to.equal(light);
    await page.click('#theme');
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await paper()).to.equal(light);
    await page.click('#theme');
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await paper()).to.equal(dark);
  });

  it('fits a narrow screen, and every control can be touched', async () => {
    const page = await visit({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
    await page.setInputFiles('#files', [red, blue]);
    await captions(page, 2);
    await page.tap('.word');
    await page.waitForSelector('.closer li');
    await page.tap('.photo >> nth=0 >> summary');
    await page.waitForSelector('.tree');
    const { inner, scroll, small } = await page.evaluate(() => ({
      inner: innerWidth,
      scroll: document.documentElement.scrollWidth,
      small: [...document.querySelectorAll('button, .button, summary')]
        .filter((element) => element.getClientRects().length > 0 && element.getBoundingClientRect().height < 32)
        .map((element) => element.outerHTML),
    }));
    expect(scroll).to.equal(inner);
    expect(inner).to.equal(360);
    expect(small).to.deep.equal([]);
    expect(await page.locator('#drop').innerText()).to.not.match(/drop|paste/i);
    // The tree shows on which side there is more of it.
    expect(await page.locator('.scrolled').getAttribute('class')).to.equal('scrolled after');
    expect(await page.locator('.more').isVisible()).to.equal(true);
    await page.locator('.scroller').evaluate((element) => (element.scrollLeft = element.scrollWidth));
    await page.waitForSelector('.scrolled.before:not(.after)');
    await page.setInputFiles('#files', [red, blue]);
    await captions(page, 4);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).to.equal(360);
  });

  it('can be used by keyboard alone, in an order that makes sense', async () => {
    const page = await visit();
    await page.setInputFiles('#files', red);
    await captions(page, 1);
    await page.locator('#clear').waitFor(); // what is kept in the history comes a moment later
    await page.locator('.skip').focus();
    const stops: string[] = [];
    for (let i = 0; i < 30; i++) {
      if (i > 0) await page.keyboard.press('Tab');
      stops.push(
        await page.evaluate(() => {
          const element = document.activeElement!;
          return element.id || element.className || element.textContent!.trim();
        }),
      );
    }
    const order = [
      'skip',
      'API',
      'theme',
      'files',
      'camera',
      'json',
      'csv',
      'quiet close',
      'word',
      'How it was found',
      'clear',
    ];
    const places = order.map((stop) => stops.indexOf(stop));
    expect(places, stops.join(', ')).to.not.include(-1);
    expect(places).to.deep.equal([...places].sort((a, b) => a - b));
    await page.locator('.close').focus();
    await page.keyboard.press('Enter');
    expect(await page.locator('.photo').count()).to.equal(0);
    expect(await page.evaluate(() => document.activeElement!.id)).to.equal('results');
  });

  it('has a name for every control and picture', async () => {
    const page = await visit();
    await page.setInputFiles('#files', [red, blue]);
    await captions(page, 2);
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll('button, a, input:not([hidden]), img, summary, article, section, [role=group]')]
        .filter((element) => {
          if (element.tagName === 'IMG') return !element.hasAttribute('alt');
          const label = element.getAttribute('aria-label') ?? element.getAttribute('aria-labelledby');
          const image = element.querySelector('img[alt]')?.getAttribute('alt');
          const own = element.tagName === 'INPUT' ? element.closest('label')?.textContent : element.textContent;
          return !(label ?? own?.trim() ?? '') && !image;
        })
        .map((element) => element.outerHTML),
    );
    expect(nameless).to.deep.equal([]);
    expect(await page.locator('h1').count()).to.equal(1);
  });

  it('says that the service can not be reached, and what it lacks', async () => {
    const page = await visit();
    await page.route('**/caption', (route) => route.abort());
    await page.setInputFiles('#files', red);
    expect(await captions(page, 1)).to.deep.equal([
      'The service cannot be reached. Check that it is running, then try again.',
    ]);
    await page.unroute('**/caption');
    await page.click('.retry');
    await page.waitForSelector('.word');
    expect(await captions(page, 1)).to.deep.equal(await expected(red));
    await page.route('**/readyz', (route) =>
      route.fulfill({
        status: 503,
        json: { status: 'not-ready', error: { message: 'There is no encoder: get one.' } },
      }),
    );
    await page.reload();
    await page.waitForFunction(
      () => document.querySelector('#notice')!.textContent === 'There is no encoder: get one.',
    );
  });

  it('asks for a key where one is needed', async () => {
    const keyed = await tinyService({}, { keys: { clients: ['open-sesame'] } });
    try {
      await keyed.ready();
      await keyed.server.listen({ host: '127.0.0.1', port: 0 });
      const home = `http://127.0.0.1:${(keyed.server.server.address() as AddressInfo).port}/`;
      const page = await visit({}, undefined, home);
      await page.setInputFiles('#files', red);
      await page.waitForSelector('#key-dialog[open]');
      await page.fill('#key', 'wrong');
      await page.keyboard.press('Enter');
      await page.waitForSelector('#key-rejected:visible');
      await page.fill('#key', 'open-sesame');
      await page.keyboard.press('Enter');
      expect(await captions(page, 1)).to.deep.equal(await expected(red));
    } finally {
      await keyed.close();
    }
  });

  it('explains a word that the pointer rests on, and none that it passes over', async () => {
    const page = await visit({}, (each) => each.clock.install());
    let explanations = 0;
    page.on('request', (request) => {
      if (request.url().endsWith('/explain')) explanations++;
    });
    await page.setInputFiles('#files', red);
    await captions(page, 1);
    await page.clock.pauseAt(Date.now() + 3_600_000);
    const words = await page.locator('.word').all();
    for (const word of [...words, ...words]) {
      await word.hover();
      await page.clock.runFor(200);
      await page.mouse.move(0, 0);
    }
    await page.clock.runFor(1000);
    expect(explanations).to.equal(0);
    await words[0].hover();
    await page.clock.runFor(300);
    await page.waitForSelector('.closer li');
    expect(explanations).to.equal(1);
  });

  it('captions again when options change: at once, or when asked where there are many photos', async () => {
    const page = await visit();
    await page.setInputFiles('#files', red);
    const [before] = await captions(page, 1);
    await page.waitForSelector('#history li');
    await page.click('.options > summary');
    await page.click('.options details > summary');
    const [first] = before.split(' ');
    await page.fill('[name=forbid]', first);
    await page.locator('[name=n]').fill('2');
    await page.waitForFunction(() => document.querySelectorAll('.others li').length === 1);
    const [{ captions: wanted }] = await captioner.caption([red], { n: 2, forbid: [first] });
    expect(await captions(page, 1)).to.deep.equal([wanted![0].caption]);
    await page.waitForFunction((text) => document.querySelector('#history')!.textContent === text, wanted![0].caption);

    await page.setInputFiles('#files', Array<string>(8).fill(blue));
    await captions(page, 9);
    let requests = 0;
    page.on('request', (request) => {
      if (request.url().endsWith('/caption')) requests++;
    });
    await page.locator('[name=n]').fill('1');
    await page.waitForSelector('#again:visible');
    expect(requests).to.equal(0);
    expect(await page.locator('#again').textContent()).to.equal('Caption 9 photos again');
    await page.click('#again');
    await page.waitForFunction(() => document.querySelectorAll('.others').length === 0);
    expect(await page.locator('#stale').isVisible()).to.equal(false);
    expect(requests).to.equal(2);
  });

  it('is a table from four photos on, whose captions can be copied and downloaded', async () => {
    const page = await visit({ permissions: ['clipboard-read', 'clipboard-write'] });
    await page.setInputFiles('#files', [red, blue, 'package.json', red]);
    const texts = await captions(page, 4);
    expect(await page.locator('.line').count()).to.equal(4);
    expect(await page.locator('.photo:visible').count()).to.equal(0);
    await page.click('.toggle >> nth=1');
    expect(await page.locator('.photo:visible').getAttribute('aria-label')).to.equal('blue.png');
    await page.click('.line >> nth=0 >> text=Copy');
    await page.waitForSelector('text=Copied');
    expect(await page.evaluate(() => navigator.clipboard.readText())).to.equal(texts[0]);

    const downloaded = async (button: string): Promise<string> => {
      const [file] = await Promise.all([page.waitForEvent('download'), page.click(button)]);
      return fs.readFileSync(await file.path(), 'utf8');
    };
    const { images } = JSON.parse(await downloaded('#json')) as { images: AnsweredPhoto[] };
    expect(images.map(({ name }) => name)).to.deep.equal(['red.jpg', 'blue.png', 'package.json', 'red.jpg']);
    expect(images[0].captions!.map(({ caption }) => caption))
      .to.have.length(3)
      .and.include(texts[0]);
    expect(images[2].error!.message).to.equal(texts[2]);
    const rows = parse(await downloaded('#csv'), { bom: true, columns: true }) as Record<string, string>[];
    expect(rows).to.have.length(10);
    expect(rows[0]).to.include({ photo: 'red.jpg', rank: '1', caption: texts[0], error: '' });
    expect(Number(rows[0].probability)).to.equal(images[0].captions![0].p);
    expect(rows[6]).to.include({ photo: 'package.json', caption: '', error: texts[2] });

    await page.click('.line >> nth=2 >> .close');
    expect(await page.locator('.photo:visible').count()).to.equal(3);
  });

  it('copies where the browser offers no clipboard', async () => {
    const page = await visit({}, (each) =>
      each.addInitScript(() => {
        Object.defineProperty(navigator, 'clipboard', { value: undefined });
      }),
    );
    await page.setInputFiles('#files', red);
    const [caption] = await captions(page, 1);
    await page.click('.facts >> text=Copy');
    await page.waitForSelector('text=Copied');
    await page.click('.options > summary');
    await page.click('.options details > summary');
    await page.locator('[name=forbid]').focus();
    await page.keyboard.press('Control+V');
    expect(await page.locator('[name=forbid]').inputValue()).to.equal(caption);
  });

  it('shows code that makes the same request', async () => {
    const page = await visit();
    const name = `a "b", it's.jpg`;
    fs.copyFileSync(red, path.join(folder, name));
    await page.click('.options > summary');
    await page.click('.options details > summary');
    await page.selectOption('[name=method]', 'sample');
    await page.fill('[name=forbid]', 'stone, apple');
    await page.setInputFiles('#files', path.join(folder, name));
    const [caption] = await captions(page, 1);
    await page.click('.facts >> text=Code');
    const programs = {
      curl: (code: string) => ['bash', '-c', code],
      TypeScript: (code: string) => {
        fs.writeFileSync(path.join(folder, 'call.mts'), code);
        return [
          process.execPath,
          '--import',
          pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href,
          'call.mts',
        ];
      },
      Python: (code: string) => ['python3', '-c', code],
    };
    for (const [language, command] of Object.entries(programs)) {
      await page.check(`input[value=${language}]`);
      const [program, ...args] = command((await page.locator('#code').textContent())!);
      const run = await promisify(execFile)(program, args, { cwd: folder }).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        console.log(`      not checked: the code in ${language} (there is no ${program})`);
      });
      if (run) expect(run.stdout, language).to.include(caption);
    }
  });

  it('says in words how sure a caption is, and nothing where that is unknown', async () => {
    const unknown = await visit();
    await unknown.setInputFiles('#files', red);
    await captions(unknown, 1);
    expect(await unknown.locator('.confidence').count()).to.equal(0);
    const page = await visit({}, (each) =>
      each.addInitScript(() => {
        const parse = JSON.parse.bind(JSON);
        JSON.parse = (text: string) => {
          const value = parse(text) as { captions?: { confidence?: number }[] };
          value.captions?.forEach((each, i) => (each.confidence = [0.9, 0.4, 0.1][i]));
          return value;
        };
      }),
    );
    await page.setInputFiles('#files', red);
    await captions(page, 1);
    expect(await page.locator('.confidence').allTextContents()).to.deep.equal(['sure', 'unsure', 'guess']);
    for (let confidence = 0; confidence <= 1; confidence += 0.05) {
      expect(pageWord(confidence), String(confidence)).to.equal(confidenceWord(confidence));
    }
  });

  it('works where the browser stores nothing, or its storage is full', async () => {
    const blocked = await visit({}, (each) =>
      each.addInitScript(() => {
        for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) {
          // A method: a function with a name of its own would need a helper that the page does not have.
          Object.defineProperty(window, name, {
            get() {
              throw new DOMException('Access is denied.', 'SecurityError');
            },
          });
        }
      }),
    );
    const full = await visit({}, (each) =>
      each.addInitScript(() => {
        Storage.prototype.setItem = () => {
          throw new DOMException('The quota is exceeded.', 'QuotaExceededError');
        };
      }),
    );
    for (const page of [blocked, full]) {
      await page.click('#theme');
      expect(await page.locator('html').getAttribute('data-theme')).to.equal('light');
      await page.setInputFiles('#files', red);
      expect(await captions(page, 1)).to.deep.equal(await expected(red));
    }
  });

  it('says that it needs JavaScript where there is none', async () => {
    const page = await visit({ javaScriptEnabled: false });
    expect(await page.locator('main').innerText()).to.match(/^This page needs JavaScript\./);
    expect(await page.locator('#drop').isVisible()).to.equal(false);
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has no violations that axe finds, in ${colorScheme} colours`, async () => {
      const page = await visit({ colorScheme, reducedMotion: 'reduce' });
      const check = async (state: string): Promise<void> => {
        const found = await violations(page);
        expect(found, `${state}, ${colorScheme}`).to.deep.equal([]);
      };
      await page.click('.options > summary');
      await check('with options');
      await page.setInputFiles('#files', [red, 'package.json']);
      await captions(page, 2);
      await page.click('.word');
      await page.waitForSelector('.closer li');
      await page.waitForSelector('#history li');
      await check('with captions');
      await page.click('.facts >> text=Code');
      await check('with code');
      await page.click('#code-close');
      await page.setInputFiles('#files', [red, blue]);
      await captions(page, 4);
      await page.click('.toggle >> nth=0');
      await page.click('.search:visible summary');
      await page.waitForSelector('.tree');
      await check('with a table');
    });
  }
});
