import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

describe('unusual inputs of captioner', function () {
  this.timeout(300_000);
  let folder: string;
  let photo: Buffer;
  const at = (...names: string[]) => path.join(folder, ...names);
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(at('tiny'));
    photo = await colouredPhoto([200, 40, 40]);
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  const run = (args: string[], input?: Buffer | string) => {
    const child = spawnSync(process.execPath, ['--import', 'tsx', 'cli/main.ts', ...args, '--quiet'], {
      input,
      encoding: 'utf8',
      env: { ...process.env, DEBUG: '' },
    });
    return { code: child.status, stdout: child.stdout, stderr: child.stderr };
  };
  const caption = (args: string[], input?: Buffer | string) =>
    run(['caption', ...args, '--checkpoint', at('tiny')], input);

  it('names with escapes and line breaks are captioned, and shown harmlessly', () => {
    const names = ['red\u001b[31m.jpg', 'two\nlines.jpg'];
    for (const name of names) fs.writeFileSync(at(name), photo);
    const shown = caption(names.map((name) => at(name)));
    expect(shown.code).to.equal(0);
    expect(shown.stdout).to.contain('red\\u001b[31m.jpg: ').and.contain('two\\nlines.jpg: ');
    expect(shown.stdout + shown.stderr).to.not.match(/\u001b/);
    const missing = caption([at('no\u001b[2J\nsuch.jpg')]);
    expect(missing.code).to.equal(1);
    expect(missing.stderr).to.match(/^captioner: .*no\\u001b\[2J\\nsuch\.jpg: There is no photo .*\n$/);
    const listed = caption(['--list', '-', '--jsonl'], `\uFEFF${at(names[0])}\0${at(names[1])}\0`);
    expect(listed.code).to.equal(0);
    expect(listed.stdout.trim().split('\n')).to.have.length(2);
  });

  it('names that no file can have are sentences, and the other photos are captioned', () => {
    fs.symlinkSync(at('loop.jpg'), at('loop.jpg'));
    fs.writeFileSync(at('fine.jpg'), photo);
    const { code, stdout, stderr } = caption([at('loop.jpg'), `${'x'.repeat(300)}.jpg`, at('fine.jpg')]);
    expect(code).to.equal(2);
    expect(stdout).to.match(/fine\.jpg: \w/);
    expect(stderr)
      .to.match(/its symbolic links form a loop/)
      .and.match(/its name is too long/);
    expect(stderr).to.not.match(/E[A-Z]{4}|unexpected/);
    const empty = caption(['']);
    expect(empty.code).to.equal(1);
    expect(empty.stderr).to.match(/empty name/);
  });

  it('a second photo on standard input is not ignored', () => {
    expect(caption(['-'], photo).code).to.equal(0);
    const two = caption(['-'], Buffer.concat([photo, photo]));
    expect(two.code).to.equal(1);
    expect(two.stderr).to.match(/holds more than one photo/);
  });

  it('a full disk on standard output is a sentence', function () {
    if (!fs.existsSync('/dev/full')) return this.skip();
    fs.writeFileSync(at('fine.jpg'), photo);
    const command = `"${process.execPath}" --import tsx cli/main.ts caption "${at('fine.jpg')}" --checkpoint "${at('tiny')}" --quiet > /dev/full`;
    const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
    expect(status).to.equal(1);
    expect(stderr).to.match(/^captioner: Standard output can't be written: the disk is full\./);
  });

  it('a photo that was replaced under its name is captioned again', async () => {
    fs.writeFileSync(at('changes.jpg'), photo);
    const out = ['--out', at('captions.jsonl')];
    expect(caption([at('changes.jpg'), ...out]).stdout).to.match(/: 1 new\./);
    expect(caption([at('changes.jpg'), ...out]).stdout).to.match(/: 0 new\./);
    fs.writeFileSync(at('changes.jpg'), await colouredPhoto([20, 40, 220]));
    expect(caption([at('changes.jpg'), ...out]).stdout).to.match(/: 1 new\./);
  });

  it('unsupported formats are counted and named, also by info', () => {
    fs.mkdirSync(at('mixed'));
    fs.writeFileSync(at('mixed', 'a.jpg'), photo);
    fs.writeFileSync(at('mixed', 'b.svg'), '<svg/>');
    fs.writeFileSync(at('mixed', 'c.cr2'), 'II*\0');
    const { code, stderr } = caption([at('mixed')]);
    expect(code).to.equal(2);
    expect(stderr).to.match(/b\.svg is an SVG drawing, which is not supported\. Export it as PNG\./);
    expect(stderr).to.match(/2 of 3 photos could not be captioned/);
    expect(run(['info', at('mixed')]).stdout).to.match(
      /2 problems:\n.*b\.svg: an SVG drawing.*\n.*c\.cr2: a RAW photo/,
    );
  });

  it('captions that it wrote are scored, and one photo is explained', () => {
    fs.writeFileSync(at('fine.jpg'), photo);
    for (const format of ['--json', '--jsonl']) {
      fs.writeFileSync(at('written.json'), caption([at('fine.jpg'), format]).stdout);
      fs.writeFileSync(at('references.json'), '{"fine.jpg": ["a red wall shines"]}');
      const { code, stdout } = run(['score', at('written.json'), '-r', at('references.json')]);
      expect(code, format).to.equal(0);
      expect(stdout).to.match(/CIDEr +0\.00.*\nCIDEr weights words .* With one photo it is always 0/);
    }
  });
});
