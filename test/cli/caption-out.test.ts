import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';
import { captioner } from './captioner.js';

describe('captioner caption --out and --shard', function () {
  this.timeout(240_000).slow(30_000);
  let folder: string;
  const at = (name: string) => path.join(folder, name);
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(at('captioner'));
    fs.mkdirSync(at('photos'));
    for (let i = 0; i < 10; i++)
      fs.writeFileSync(at(`photos/${i}.jpg`), await colouredPhoto([25 * i, 100, 255 - 25 * i]));
    fs.writeFileSync(at('photos/broken.jpg'), 'no photo');
  });
  after(() => fs.rmSync(folder, { recursive: true }));
  const caption = (...more: string[]) => captioner('caption', at('photos'), '--checkpoint', at('captioner'), ...more);
  /** Numbers to four digits: in another batch, a photo's last ones may be others. */
  const parse = (text: string) =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) =>
        JSON.parse(line, (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value)),
      ) as { file: string; key?: string; stamp?: string }[];
  const lines = (name: string) => parse(fs.readFileSync(at(name), 'utf8'));
  /** A line without what only the file has: the key of the search, and the photo's size and time. */
  const withoutKey = ({ key, stamp, ...rest }: { file: string; key?: string; stamp?: string }) => (
    expect(key).to.match(/^[0-9a-f]{12}$/),
    expect(stamp).to.match(/^\d+ \d+$/),
    rest
  );

  it('writes what --jsonl prints, adds what is missing, and divides the photos', async () => {
    const printed = await caption('--jsonl');
    expect(printed.code).to.equal(2);
    const expected = parse(printed.stdout);
    const first = await caption('--out', at('captions.jsonl'));
    expect(first.code).to.equal(2);
    expect(first.stdout).to.equal(`10 photos have captions in ${at('captions.jsonl')}: 10 new.\n`);
    expect(lines('captions.jsonl').map(withoutKey)).to.deep.equal(expected);

    // As a kill would leave it: four lines and a half.
    const text = fs.readFileSync(at('captions.jsonl'), 'utf8');
    const end = text.split('\n').slice(0, 4).join('\n').length + 20;
    fs.writeFileSync(at('captions.jsonl'), text.slice(0, end));
    const again = await caption('--out', at('captions.jsonl'));
    expect(again.stdout).to.contain('10 photos have captions').and.contain(': 6 new.');
    expect(lines('captions.jsonl')).to.deep.equal(parse(text));

    const parts = await Promise.all(
      ['1/2', '2/2'].map((shard) => caption('--out', at('part.jsonl'), '--shard', shard)),
    );
    expect(parts.map(({ code }) => code).sort()).to.deep.equal([0, 2]);
    const both = [...lines('part.1-of-2.jsonl'), ...lines('part.2-of-2.jsonl')];
    const byName = (a: { file: string }, b: { file: string }) => (a.file < b.file ? -1 : 1);
    expect(both.map(withoutKey).sort(byName)).to.deep.equal([...expected].sort(byName));
  });

  it('refuses formats that exclude each other', async () => {
    const { code, stderr } = await caption('--out', at('x.jsonl'), '--csv');
    expect(code).to.equal(1);
    expect(stderr).to.contain('--out always writes lines of JSON');
  });
});
