import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { startBrowser } from '../fixtures/chromium.js';
import { captioner } from './captioner.js';

describe('captioner judge', function () {
  this.timeout(120_000).slow(30_000);
  let folder: string;
  const at = (...names: string[]) => path.join(folder, ...names);
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const write = (name: string, captions: Record<string, string>) => {
      fs.mkdirSync(at(name));
      const predictions = Object.entries(captions).map(([image_id, caption]) => ({ image_id, caption }));
      fs.writeFileSync(at(name, 'predictions.json'), JSON.stringify(predictions));
    };
    write('one', { 'cat.jpg': 'a cat', 'coffee.jpg': 'a <b>man</b> & a "horn"', 'rocket.jpg': 'people' });
    write('two', { 'cat.jpg': 'a dog', 'rocket.jpg': 'a rocket' });
    fs.writeFileSync(at('list.txt'), 'cat.jpg\ncoffee.jpg\n');
    fs.writeFileSync(at('before.json'), JSON.stringify({ one: { 'cat.jpg': 'right' } }));
  });
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });
  const judge = (...more: string[]) =>
    captioner(
      ...['judge', at('one', 'predictions.json'), at('two', 'predictions.json'), '--photos', 'data/samples'],
      ...['--list', at('list.txt'), '--out', at('judge.html'), ...more],
    );

  it('writes a page that counts and saves verdicts, starting from earlier ones', async function () {
    const { code, stdout, stderr } = await judge('--verdicts', at('before.json'));
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^2 photos are in .*judge\.html/);
    const browser = await startBrowser();
    if (!browser) {
      console.log('    NOT CHECKED: the page in a browser, which needs Chromium');
      this.skip();
    }
    try {
      const page = await browser.newPage();
      await page.goto(pathToFileURL(at('judge.html')).href);
      expect(await page.locator('figure').count()).to.equal(2);
      const counts = page.locator('#counts');
      expect(await counts.textContent()).to.equal(
        'one: 1 right, 0 nearly, 0 wrong of 1; two: 0 right, 0 nearly, 0 wrong of 0',
      );
      const second = page.locator('fieldset[data-captioner="one"][data-photo="coffee.jpg"]');
      expect(await second.locator('b').textContent()).to.equal('a <b>man</b> & a "horn"');
      await second.getByLabel('wrong').check();
      await page.locator('fieldset[data-captioner="two"][data-photo="cat.jpg"]').getByLabel('nearly').check();
      expect(await counts.textContent()).to.equal(
        'one: 1 right, 0 nearly, 1 wrong of 2; two: 0 right, 1 nearly, 0 wrong of 1',
      );
      const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#save').click()]);
      const saved: unknown = JSON.parse(fs.readFileSync(await download.path(), 'utf8'));
      expect(saved).to.deep.equal({ one: { 'cat.jpg': 'right', 'coffee.jpg': 'wrong' }, two: { 'cat.jpg': 'nearly' } });
    } finally {
      await browser.close();
    }
  });

  it('names a file that holds no predictions', async () => {
    fs.writeFileSync(at('odd.json'), '[{"image_id": 3}]');
    const { code, stderr } = await captioner('judge', at('odd.json'), '--photos', folder, '--out', at('odd.html'));
    expect(code).to.equal(1);
    expect(stderr).to.match(/odd\.json does not have the expected content: 0\.image_id/);
    expect(fs.existsSync(at('odd.html'))).to.equal(false);
  });
});
