import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { once } from 'node:events';
import { expect } from 'chai';
import sharp from 'sharp';
import { Random } from '../../lib/random.js';
import { resnetLike } from '../model/encoder/networks.js';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Captioned {
  readonly file: string;
  readonly captions?: { caption: string; logProbability: number; probability: number }[];
  readonly error?: { code: string; message: string };
}

async function captioner(args: string[], input?: Uint8Array | string): Promise<Ended> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'cli/main.ts', ...args], {
    env: { ...process.env, DEBUG: '' },
  });
  child.stdin.end(input ?? '');
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: code as number, stdout, stderr };
}

/** A photo that is mostly of one colour, with noise. */
async function photo(file: string, [r, g, b]: number[], random: Random): Promise<void> {
  const pixels = new Uint8Array(64 * 48 * 3);
  for (let i = 0; i < pixels.length; i++) pixels[i] = [r, g, b][i % 3] + random.integer(40) - 20;
  await sharp(pixels, { raw: { width: 64, height: 48, channels: 3 } })
    .jpeg()
    .toFile(file);
}

describe('from photos to captions, by the command line', function () {
  this.timeout(240_000).slow(30_000);
  let folder: string;
  const at = (...names: string[]) => path.join(folder, ...names);
  const scenes = [
    { word: 'red', colour: [200, 40, 40], captions: ['a red wall', 'a wall that is all red'] },
    { word: 'blue', colour: [40, 40, 200], captions: ['the blue sea', 'the sea is blue today'] },
  ];

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    fs.writeFileSync(at('tiny.onnx'), resnetLike());
    fs.mkdirSync(at('photos'));
    const random = new Random(3);
    const rows = ['file,caption,split'];
    for (const [split, count] of Object.entries({ train: 16, dev: 4, test: 4 })) {
      for (let i = 0; i < count; i++) {
        const { word, colour, captions } = scenes[i % 2];
        const name = `${split}-${word}-${i}.jpg`;
        await photo(at('photos', name), colour, random);
        for (const caption of captions) rows.push(`photos/${name},${caption},${split}`);
      }
    }
    fs.writeFileSync(at('mine.csv'), rows.join('\n'));

    const data = ['--data', at('mine.csv'), '--features', at('features'), '-q'];
    const extracted = await captioner(['extract', ...data, '--encoder', at('tiny.onnx')]);
    expect(extracted.code, extracted.stderr).to.equal(0);
    const small =
      '--min-count 1 --hidden-size 24 --embedding-size 12 --batch-size 16 --epochs 30 --learning-rate 0.02 --patience 0';
    const dropout = ['--feature-dropout', '0', '--input-dropout', '0', '--output-dropout', '0'];
    const trained = await captioner(['train', ...data, '--out', at('run'), ...small.split(' '), ...dropout]);
    expect(trained.code, trained.stderr).to.equal(0);
  });

  after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const caption = (args: string[], input?: Uint8Array) =>
    captioner(['caption', '--checkpoint', at('run'), '--encoder', at('tiny.onnx'), '-q', ...args], input);

  it('captions photos that it has never seen', async () => {
    const { code, stdout, stderr } = await caption([at('photos', 'test-*.jpg'), '--json']);
    expect(code, stderr).to.equal(0);
    const captioned = JSON.parse(stdout) as Captioned[];
    expect(captioned).to.have.length(4);
    for (const { file, captions } of captioned) {
      expect(captions![0].caption).to.contain(file.includes('red') ? 'red' : 'blue');
      expect(captions![0].probability).to.be.closeTo(Math.exp(captions![0].logProbability), 1e-9);
    }
  });

  it('scores its own output', async () => {
    const data = ['--data', at('mine.csv'), '--features', at('features'), '-q', '--json'];
    const evaluated = await captioner([
      'evaluate',
      '--checkpoint',
      at('run'),
      ...data,
      '--beam',
      '1,3',
      '--out',
      at('results'),
    ]);
    expect(evaluated.code, evaluated.stderr).to.equal(0);
    const { beams } = JSON.parse(evaluated.stdout) as { beams: Record<string, Record<string, number>> };
    expect(beams[3]['BLEU-1']).to.be.above(0.9);
    const references = Object.fromEntries(
      ['red', 'blue'].flatMap((word, i) => [0, 2].map((n) => [`photos/test-${word}-${n + i}.jpg`, scenes[i].captions])),
    );
    fs.writeFileSync(at('references.json'), JSON.stringify(references));
    const scored = await captioner([
      'score',
      at('results', 'predictions.json'),
      '--references',
      at('references.json'),
      '--json',
    ]);
    expect(scored.code, scored.stderr).to.equal(0);
    const scores = JSON.parse(scored.stdout) as Record<string, number>;
    expect(Object.keys(scores)).to.deep.equal(['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4', 'ROUGE-L', 'CIDEr']);
    for (const [name, score] of Object.entries(scores)) expect(score).to.be.closeTo(beams[3][name], 1e-9);
  });

  it('skips a file that is not a photo, names it, and exits with 2', async () => {
    fs.writeFileSync(at('broken.jpg'), 'no photo');
    const { code, stdout, stderr } = await caption([at('broken.jpg'), at('photos', 'test-red-0.jpg'), '--jsonl']);
    expect(code).to.equal(2);
    const [broken, red] = stdout.trim().split('\n').map((line) => JSON.parse(line) as Captioned); // prettier-ignore
    expect(broken.error!.code).to.equal('bad-image');
    expect(red.captions![0].caption).to.contain('red');
    expect(stderr).to.contain('broken.jpg').and.to.contain('1 of 2 photos could not be captioned');
    expect((await caption([at('broken.jpg')])).code).to.equal(1);
  });

  it('reads a photo from standard input, and gives several captions with their probabilities', async () => {
    const bytes = await buffer(fs.createReadStream(at('photos', 'test-blue-1.jpg')));
    const { code, stdout } = await caption(['-', '--n', '2', '--csv'], bytes);
    expect(code).to.equal(0);
    const [head, ...rows] = stdout.trim().split('\n');
    expect(head).to.equal('file,rank,caption,logProbability,probability,confidence,error');
    expect(rows).to.have.length(2);
    expect(rows[0]).to.match(/^-,1,.*blue/);
  });

  it('captions stored features without the encoder, with the run and with an exported checkpoint', async () => {
    const exported = await captioner([
      'export',
      '--checkpoint',
      at('run'),
      '--out',
      at('small'),
      '--results',
      at('results'),
    ]);
    expect(exported.code, exported.stderr).to.equal(0);
    expect(fs.readFileSync(at('small', 'README.md'), 'utf8'))
      .to.contain('| 3 |')
      .and.to.contain('Scores on 4 test photos');
    const size = (file: string) => fs.statSync(file).size;
    const [run, small] = [at('run', 'best'), at('small')].map((name) => size(path.join(name, 'decoder.safetensors')));
    expect(small).to.be.below(0.7 * run);
    const { code, stdout, stderr } = await captioner([
      'caption',
      '--checkpoint',
      at('small'),
      '--features',
      at('features'),
    ]);
    expect(code, stderr).to.equal(0);
    const lines = stdout.trim().split('\n');
    expect(lines).to.have.length(24);
    for (const line of lines) expect(line).to.match(/red.*: .*red|blue.*: .*blue/);
  });

  it('says what to do with too few or too many arguments', async () => {
    const nothing = await caption([]);
    expect(nothing.code).to.equal(1);
    expect(nothing.stderr).to.contain('Name the photos to caption');
    const both = await caption([at('photos'), '--json', '--csv']);
    expect(both.stderr).to.contain('Give only one of --json, --csv');
  });
});
