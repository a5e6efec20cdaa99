import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';
import { captioner } from './captioner.js';

interface Line {
  readonly file: string;
  readonly captions: readonly string[];
  readonly split?: string;
}

describe('captioner pair', function () {
  this.timeout(300_000).slow(60_000);
  let folder: string;
  const at = (...names: string[]) => path.join(folder, ...names);
  const colours = ['red', 'green', 'blue'];
  const lines = (file: string) =>
    fs
      .readFileSync(at(file), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  const write = (file: string, rows: readonly object[]) => {
    fs.writeFileSync(at(file), rows.map((row) => JSON.stringify(row)).join('\n'));
  };

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(at('tiny'));
    for (let i = 0; i < 30; i++) {
      const colour = [0, 1, 2].map((c) => (c === i % 3 ? 220 : 30)) as [number, number, number];
      fs.writeFileSync(at(`${i}.jpg`), await colouredPhoto(colour, { seed: i }));
    }
    const captions = (i: number) => [`a wall that is ${colours[i % 3]}`, `the wall is all ${colours[i % 3]}`];
    const photos = Array.from({ length: 24 }, (_, i) => ({
      file: `${i}.jpg`,
      captions: captions(i),
      split: i < 18 ? 'train' : 'dev',
    }));
    write('data.jsonl', photos);
    write('all.jsonl', [
      ...photos,
      ...[24, 25, 26, 27, 28, 29].map((i) => ({ file: `${i}.jpg`, captions: ['none'], split: 'train' })),
    ]);
    // Objects: each wall is a wall, and so says nothing about its colour.
    write(
      'labels.jsonl',
      [24, 25, 26].map((i) => ({ file: `${i}.jpg`, labels: ['wall'] })),
    );
    write('text.jsonl', [
      ...colours.map((colour) => ({ captions: [`the wall that is ${colour}`], labels: ['wall'] })),
      { captions: ['the wall that is red'], labels: ['sea'] },
    ]);
    const extracted = await captioner(
      'extract',
      '--data',
      at('all.jsonl'),
      '--encoder',
      at('tiny/encoder.onnx'),
      '--features',
      at('features'),
    );
    expect(extracted.code, extracted.stderr).to.equal(0);
    const trained = await captioner(
      ...['train', '--data', at('data.jsonl'), '--features', at('features'), '--out', at('run'), '--epochs', '40'],
      ...[
        '--batch-size',
        '18',
        '--learning-rate',
        '0.02',
        '--hidden-size',
        '16',
        '--embedding-size',
        '8',
        '--min-count',
        '1',
      ],
      ...['--patience', '0', '--feature-dropout', '0', '--input-dropout', '0', '--output-dropout', '0', '--quiet'],
    );
    expect(trained.code, trained.stderr).to.equal(0);
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  const byLabels = (...more: string[]) =>
    captioner(
      'pair',
      '--data',
      at('data.jsonl'),
      '--text',
      at('text.jsonl'),
      '--labels',
      at('labels.jsonl'),
      '--out',
      at('more.jsonl'),
      ...more,
    );

  it('gives labelled photos the captions that a trained captioner finds likely for them', async () => {
    const { code, stdout, stderr } = await byLabels('--checkpoint', at('run'), '--features', at('features'), '--json');
    expect(code, stderr).to.equal(0);
    const added = lines('more.jsonl').slice(24);
    // An average photo may be like one of the three; then its caption says nothing about that photo.
    expect(added).to.have.length.within(2, 3);
    expect(JSON.parse(stdout)).to.deep.include({ placed: added.length, given: 4 });
    for (const { file, captions, split } of added) {
      expect(captions, file).to.deep.equal([`the wall that is ${colours[Number.parseInt(file) % 3]}`]);
      expect(split).to.equal('train');
    }
    // The list is one that can be trained on.
    const info = await captioner('info', at('more.jsonl'));
    expect(info.stdout)
      .to.contain(String(24 + added.length))
      .and.contain('no problems');
  });

  it('gives captions to the photos whose own captions are most similar', async () => {
    const { code, stdout } = await captioner(
      'pair',
      '--data',
      at('data.jsonl'),
      '--text',
      at('text.jsonl'),
      '--out',
      at('paired.jsonl'),
    );
    expect(code).to.equal(0);
    expect(stdout).to.match(/^4 of 4 captions were assigned to a photo/);
    for (const { captions, split } of lines('paired.jsonl')) {
      const [own, , ...added] = captions;
      const colour = own.split(' ').at(-1)!;
      expect(added.every((caption) => caption.endsWith(colour) && split === 'train')).to.equal(true);
    }
  });

  it('reports missing options of --labels, and unreadable lines', async () => {
    const missing = await byLabels();
    expect(missing.code).to.equal(1);
    expect(missing.stderr).to.contain('--labels needs --checkpoint and --features');
    fs.writeFileSync(at('labels.jsonl'), '{"file": "24.jpg", "labels": ["wall"]}\n{"file": "25.jpg"}\n');
    const broken = await byLabels('--checkpoint', at('run'), '--features', at('features'));
    expect(broken.code).to.equal(1);
    expect(broken.stderr).to.contain('Line 2 of').and.contain('is not {"file": "…", "labels": ["…"]}');
    write('labels.jsonl', [{ file: '0.jpg', labels: ['wall'] }]);
    const captioned = await byLabels('--checkpoint', at('run'), '--features', at('features'));
    expect(captioned.stderr).to.contain('lists no photo to caption: all of them have captions');
  });
});
