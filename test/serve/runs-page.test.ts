import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { FastifyInstance } from 'fastify';
import type { Browser, Page } from 'playwright-core';
import { readRuns } from '../../lib/index.js';
import { trainCaptioner } from '../../lib/training.js';
import type { RunsView } from '../../serve/runs/answers.js';
import { buildRunsServer } from '../../serve/runs/server.js';
import { colouredPhoto } from '../fixtures/tiny-captioner.js';
import { smallDecoder, smallTraining, twoScenes } from '../fixtures/two-scenes.js';
import { requireFreshBuild, startBrowser, violations, Visitors } from '../fixtures/chromium.js';

describe('captioner runs', function () {
  this.timeout(120_000).slow(20_000);
  let folder: string;
  let server: FastifyInstance;
  let url: string;
  const at = (...names: string[]) => path.join(folder, ...names);
  const history = (run: string) => at('runs', run, 'history.jsonl');

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const train = (name: string, hiddenSize: number, epochs: number) =>
      trainCaptioner({
        ...twoScenes(),
        out: at('runs', name),
        decoder: { ...smallDecoder, hiddenSize },
        training: { ...smallTraining, epochs: 4, patience: 0 },
        pauseAfter: epochs,
      });
    await train('wide', 12, 4);
    await train('group/narrow', 6, 2);
    fs.mkdirSync(at('photos'));
    fs.writeFileSync(at('photos', '20.jpg'), await colouredPhoto([200, 40, 40], { width: 200, height: 150 }));
    fs.writeFileSync(at('secret.jpg'), 'not for everyone');
    server = await buildRunsServer({ folder: at('runs'), photos: at('photos') });
    url = await server.listen({ host: '127.0.0.1', port: 0 });
  });
  after(async () => {
    await server.close();
    fs.rmSync(folder, { recursive: true });
  });

  const view = async (...runs: string[]): Promise<RunsView> => {
    const answer = await fetch(`${url}/view.json?${new URLSearchParams(runs.map((run) => ['run', run])).toString()}`);
    return (await answer.json()) as RunsView;
  };

  it('finds runs in folders, with status, scores and differences, and checkpoints are not runs', async () => {
    const { runs, differences, photos, figure } = await view();
    expect(runs.map(({ name, status, epoch, epochs }) => [name, status, epoch, epochs])).to.deep.equal([
      ['group/narrow', 'running', 2, 4],
      ['wide', 'finished', 4, 4],
    ]);
    const [best] = readRuns(at('runs', 'wide'))[0]
      .history.filter(({ best: is }) => is)
      .slice(-1);
    expect(runs[1]).to.include({ CIDEr: best.scores.CIDEr, loss: best.scores.loss, bestEpoch: best.epoch });
    expect(differences).to.deep.equal([{ name: 'decoder.hiddenSize', values: { 'group/narrow': '6', wide: '12' } }]);
    expect(figure!.description).to.equal('dev loss per word and dev CIDEr of group/narrow; wide');
    expect(photos.map(({ id, shown }) => [id, shown])).to.deep.equal(
      [20, 21, 22, 23, 24, 25].map((id) => [`${id}.jpg`, id === 20]),
    );
    expect(photos[0].epochs.map(({ epoch, captions }) => [epoch, Object.keys(captions)])).to.deep.equal([
      [1, ['group/narrow', 'wide']],
      [2, ['group/narrow', 'wide']],
      [3, ['wide']],
      [4, ['wide']],
    ]);
    expect((await view('wide')).differences).to.deep.equal([]);
    expect((await view('wide')).runs.map(({ curve }) => curve?.color !== undefined)).to.deep.equal([false, true]);
  });

  it('says that a run is not running once its history has not grown for long', () => {
    const [narrow, wide] = readRuns(at('runs'), Date.now() + 3_600_000);
    expect([narrow.status, wide.status]).to.deep.equal(['quiet', 'finished']);
  });

  it('survives half-written lines, damaged files, and runs that vanish', async () => {
    const before = fs.readFileSync(history('wide'), 'utf8');
    const config = fs.readFileSync(at('runs', 'wide', 'last', 'config.json'), 'utf8');
    const state = fs.readFileSync(at('runs', 'wide', 'last', 'state.json'), 'utf8');
    try {
      fs.appendFileSync(history('wide'), '{"type":"epoch","epoch":5,"los');
      expect((await view()).runs[1]).to.include({ epoch: 4, damagedLines: 0 });
      fs.writeFileSync(history('wide'), `${before}{"type":"epo\n[]\nnull\n7\n{"type":"epoch","loss":1}\n${before}`);
      expect((await view()).runs[1]).to.include({ epoch: 4, damagedLines: 5 });
      fs.writeFileSync(at('runs', 'wide', 'last', 'config.json'), config.slice(0, 100));
      fs.writeFileSync(at('runs', 'wide', 'last', 'state.json'), 'null');
      expect((await view()).runs[1]).to.include({ name: 'wide', epoch: 4 });
      fs.writeFileSync(history('wide'), '');
      expect((await view()).runs[1]).to.include({ name: 'wide', epoch: 0 });
      fs.renameSync(history('wide'), `${history('wide')}.away`);
      expect((await view()).runs.map(({ name }) => name)).to.deep.equal(['group/narrow']);
    } finally {
      fs.rmSync(`${history('wide')}.away`, { force: true });
      fs.writeFileSync(history('wide'), before);
      fs.writeFileSync(at('runs', 'wide', 'last', 'config.json'), config);
      fs.writeFileSync(at('runs', 'wide', 'last', 'state.json'), state);
    }
  });

  it('gives away only the photos that runs have captions of, and only to this machine', async () => {
    await view();
    const status = async (id: string) => (await fetch(`${url}/photo?id=${encodeURIComponent(id)}`)).status;
    expect(await status('20.jpg')).to.equal(200);
    expect(await status('21.jpg')).to.equal(404);
    expect(await status('../secret.jpg')).to.equal(404);
    expect((await fetch(`${url}/scripts/pool/worker.js`)).status).to.equal(404);
    // As a page of another site would ask, whose name resolves to this machine.
    const [foreign] = (await once(http.get(`${url}/view.json`, { headers: { host: 'evil.example' } }), 'response')) as [http.IncomingMessage]; // prettier-ignore
    foreign.resume();
    expect(foreign.statusCode).to.equal(403);
  });

  describe('the page, in Chromium', () => {
    let browser: Browser | undefined;
    let page: Page;
    const visitors = new Visitors();
    before(async function () {
      browser = await startBrowser();
      if (!browser) {
        console.log(
          '      not checked: the page of runs in a browser (install chromium, or set CHROMIUM to where it is)',
        );
        this.skip();
      }
      requireFreshBuild();
    });
    after(() => browser?.close());
    const visit = async (colorScheme: 'light' | 'dark' = 'light') => {
      page = await visitors.arrive(browser!, url, { viewport: { width: 1150, height: 900 }, colorScheme });
      await page.goto(url);
      await page.waitForSelector('#runs tbody tr');
    };
    afterEach(() => visitors.leave());
    const cells = (selector: string) => page.locator(selector).allInnerTexts();

    it('draws what is chosen, and keeps the choice when it is reloaded', async () => {
      await visit();
      expect(await page.locator('#curves svg').getAttribute('aria-label')).to.include('group/narrow; wide');
      expect(await cells('#differences tbody td')).to.deep.equal(['6', '12']);
      await page.getByRole('checkbox', { name: 'group/narrow' }).uncheck();
      await page.waitForFunction(() => document.querySelector('#differences')!.textContent.includes('Choose two runs'));
      await page.reload();
      await page.waitForSelector('#runs tbody tr');
      expect(await page.getByRole('checkbox', { name: 'group/narrow' }).isChecked()).to.equal(false);
      expect(await page.getByRole('checkbox', { name: 'wide' }).isChecked()).to.equal(true);
    });

    it('shows how the captions of each photo change, with the photo where it is at hand', async () => {
      await visit();
      expect(await cells('#captions tbody th')).to.deep.equal(['1', '2', '3', '4']);
      const [{ captions }] = readRuns(at('runs', 'wide'))[0].samples;
      expect((await cells('#captions tbody tr:first-child td'))[1]).to.equal(captions[0].caption || '(no words)');
      await page.waitForFunction(() => document.querySelector<HTMLImageElement>('#captions img')!.naturalWidth === 200);
      await page.click('#next');
      expect(await page.locator('#photo').inputValue()).to.equal('21.jpg');
      expect((await cells('#captions tbody tr:first-child td'))[1]).to.equal(captions[1].caption || '(no words)');
      expect(await page.locator('#captions img').count()).to.equal(0);
      expect(await page.evaluate(() => document.activeElement?.id), 'the keyboard stays where it was').to.equal('next');
    });

    it('grows while a run trains', async () => {
      await visit();
      const drawing = () => page.locator('#curves svg').innerHTML();
      const before = await drawing();
      const training = trainCaptioner({
        ...twoScenes(),
        out: at('runs', 'group', 'narrow'),
        resume: true,
        pauseAfter: 3,
      });
      await page.waitForFunction(() => document.querySelector('#runs tbody td:nth-child(3)')!.textContent === '3 of 4');
      await training;
      expect(await drawing()).not.to.equal(before);
      expect(await cells('#captions tbody tr:nth-child(3) td:nth-child(2)')).to.not.deep.equal(['']);
    });

    for (const colorScheme of ['light', 'dark'] as const) {
      it(`has no violations that axe finds, in ${colorScheme} colours`, async () => {
        await visit(colorScheme);
        const shots = process.env.SNAPSHOT_PICTURES;
        if (shots) await page.screenshot({ path: path.join(shots, `runs-${colorScheme}.png`), fullPage: true });
        expect(await violations(page)).to.deep.equal([]);
      });
    }
  });
});
