import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { commands } from '../../cli/command-list.js';

/** Runs `captioner …` as a user does; `read` takes its output and may close it. */
function captioner(
  args: string[],
  { env = {}, read }: { env?: NodeJS.ProcessEnv; read?: (stdout: NodeJS.ReadableStream) => void } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'cli/main.ts', ...args], {
      env: { ...process.env, DEBUG: '', ...env },
    });
    const result = { stdout: '', stderr: '' };
    child.stderr.on('data', (text) => (result.stderr += String(text)));
    if (read) read(child.stdout);
    else child.stdout.on('data', (text) => (result.stdout += String(text)));
    child.on('error', reject).on('close', (code) => {
      resolve({ code, ...result });
    });
  });
}

describe('captioner', function () {
  this.slow(3000);
  let folder: string;
  const file = (name: string, content: unknown) => {
    const full = path.join(folder, name);
    fs.writeFileSync(full, typeof content === 'string' ? content : JSON.stringify(content));
    return full;
  };
  before(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });

  it('lists every command with a line of help', async () => {
    const { code, stdout } = await captioner(['--help']);
    expect(code).to.equal(0);
    const commands = stdout.slice(stdout.indexOf('Commands:'), stdout.indexOf('Examples:'));
    for (const command of fs.readdirSync('cli/commands').map((name) => path.parse(name).name)) {
      expect(commands).to.match(new RegExp(`^  ${command} `, 'm'));
    }
  });

  it('lists each command with the first sentence of its own help', async () => {
    for (const [name, { summary, load }] of Object.entries(commands)) {
      const command = await load();
      expect([command.name(), command.summary()]).to.deep.equal([name, summary]);
    }
  });

  it('finds the command behind a double dash, and lists all of them beside it', async () => {
    const plain = await captioner(['score']);
    expect(plain.stderr).to.contain('captioner: required option');
    expect(await captioner(['--', 'score'])).to.deep.equal(plain);
    expect((await captioner(['--help', 'caption'])).stdout).to.equal((await captioner(['--help'])).stdout);
  });

  it('prints its version', async () => {
    const { version } = JSON.parse(fs.readFileSync('package.json', 'utf8')) as { version: string };
    expect((await captioner(['--version'])).stdout).to.equal(`${version}\n`);
  });

  it('names the command that was meant', async () => {
    const { code, stderr } = await captioner(['scor']);
    expect(code).to.equal(1);
    expect(stderr).to.equal("captioner: unknown command 'scor'\n(Did you mean score?)\n");
  });

  it('ends quietly when nobody reads on', async () => {
    const { stderr } = await captioner(['help', 'vocab'], {
      read: (stdout) => {
        stdout.once('readable', () => {
          (stdout as NodeJS.ReadableStream & { destroy(): void }).destroy();
        });
      },
    });
    expect(stderr).to.equal('');
  });

  describe('score', () => {
    const references = { 1: ['A dog runs.', 'The dog is outside .'], 2: ["Two men's bikes are red."] };
    const predictions = [
      { image_id: 1, caption: 'a dog runs outside' },
      { image_id: 2, caption: "two men's bikes are blue" },
    ];

    it('prints only fractions as JSON', async () => {
      const { code, stdout, stderr } = await captioner([
        'score',
        file('p.json', predictions),
        '--references',
        file('r.json', references),
        '--json',
      ]);
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      const scores = JSON.parse(stdout) as Record<string, number>;
      expect(Object.keys(scores)).to.deep.equal(['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4', 'ROUGE-L', 'CIDEr']);
      expect(scores['BLEU-1']).to.be.closeTo(9 / 10, 1e-8); // all words but blue
    });

    it('prints a table for people', async () => {
      const { stdout } = await captioner(['score', file('p.json', predictions), '-r', file('r.json', references)]);
      expect(stdout).to.match(
        /^2 photos, scores x 100 with 95 % intervals\nBLEU-1 +90\.00 +\d+\.\d\d to 100\.00\n[^]*CIDEr +\d+\.\d\d +\d.*\n$/,
      );
    });

    for (const [what, content, complaint] of [
      ['not JSON', '[{', /^captioner: .*p\.json is not JSON: .*\n$/],
      ['another format', '{}', /^captioner: The predictions must be a list.*\n$/],
    ] as const) {
      it(`reports in one line a damaged file of ${what}`, async () => {
        const { code, stdout, stderr } = await captioner([
          'score',
          file('p.json', content),
          '-r',
          file('r.json', references),
        ]);
        expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
        expect(stderr).to.match(complaint);
      });
    }

    it('shows the stack trace of an error on request', async () => {
      const args = ['score', path.join(folder, 'none.json'), '-r', path.join(folder, 'none.json')];
      const { stderr } = await captioner(args, { env: { DEBUG: 'captioner' } });
      expect(stderr).to.match(/^captioner: .*none\.json can't be read[^]*\n +at /);
    });
  });

  describe('vocab', () => {
    const lines = [
      { file: 'a.jpg', split: 'train', captions: ['A dog runs.', 'Two dogs run.'] },
      { file: 'b.jpg', split: 'train', captions: ['A dog sleeps.'] },
      { file: 'c.jpg', split: 'test', captions: ['A cat sleeps.'] },
    ];
    const data = () => {
      for (const { file: name } of lines) file(name, '');
      return file('own.jsonl', lines.map((line) => JSON.stringify(line)).join('\n'));
    };

    it('prints size, coverage, frequent and dropped words of the training captions as JSON', async () => {
      const { code, stdout } = await captioner(['vocab', '--data', data(), '--min-count', '2', '--json']);
      expect(code).to.equal(0);
      expect(JSON.parse(stdout)).to.deep.equal({
        captions: 3,
        size: 6,
        share: 1 - 5 / 9,
        tokens: 9,
        unknown: 5,
        frequent: [
          ['a', 2],
          ['dog', 2],
        ],
        droppedWords: 5,
        dropped: [
          ['dogs', 1],
          ['run', 1],
          ['runs', 1],
          ['sleeps', 1],
          ['two', 1],
        ],
      });
    });

    it('writes the vocabulary, and looks its words up in word vectors', async () => {
      const out = path.join(folder, 'vocab.json');
      const { stdout } = await captioner(
        ['vocab', '--data', data(), '--min-count', '2', '--out', out, '--vectors']
          .concat(file('glove.txt', 'dog 1 0\ndogs 1 0.1\nrun 0 0\n'))
          .concat('--show', '1'),
        { env: { CAPTIONER_CACHE: folder } },
      );
      expect(stdout).to.include('1 words have a vector of 2 dimensions, 1 do not: a\n');
      expect(stdout).to.include('1 dropped words have a similar known word: dogs -> dog\n');
      expect(JSON.parse(fs.readFileSync(out, 'utf8'))).to.deep.equal({
        words: ['<pad>', '<start>', '<end>', '<unk>', 'a', 'dog'],
        counts: [0, 3, 3, 5, 2, 2],
      });
    });

    it('refuses impossible options', async () => {
      expect((await captioner(['vocab', '--data', data(), '--show', '-1'])).stderr).to.include(
        'Expected a whole number',
      );
    });
  });
});
