import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { stripedCaptioner, writeCsv } from '../fixtures/striped-photos.js';

describe('captioner finetune', function () {
  this.timeout(120_000).slow(20_000);
  let folder: string;
  const at = (...names: string[]) => path.join(folder, ...names);

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    writeCsv(at('data.csv'), await stripedCaptioner(folder));
  });
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });

  /** Runs it; `stopAt`: Ctrl-C when stderr has that. */
  async function finetune(args: string[], stopAt?: RegExp) {
    const common = ['--data', at('data.csv'), '--checkpoint', at('first'), '--encoder', at('cnn.onnx')];
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', 'cli/main.ts', 'finetune', '-q', ...common, '--out', at('run'), ...args],
      { env: { ...process.env, DEBUG: '' } },
    );
    child.stderr.on('data', (chunk: Buffer) => {
      if (stopAt?.test(chunk.toString())) child.kill('SIGINT');
    });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code: code as number, stdout, stderr };
  }

  it('is stopped by Ctrl-C, resumes, and reports the scores before and after', async () => {
    const first = await finetune(['--epochs', '500', '--photos-per-batch', '2', '--patience', '0'], /^ +1 /m);
    expect(first.code).to.equal(130);
    expect(first.stderr).to.match(/epoch +loss +dev loss.* CIDEr/);
    expect(first.stderr).to.match(/^ +start +- +[\d.]+ /m);
    expect(first.stderr).to.match(/Stopped after \d+ of 4000 steps, which are saved\. .*--resume to continue/);

    const refused = await finetune(['--resume', '--learning-rate', '0.5']);
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.match(/has learningRate 0\.0002, not 0\.5/);

    const second = await finetune(['--resume', '--epochs', '1', '--json']);
    expect(second.code, second.stderr).to.equal(0);
    const outcome = JSON.parse(second.stdout) as { checkpoint: string; scores: Record<string, number> };
    expect(outcome.checkpoint).to.equal(at('run', 'best'));
    expect(outcome.scores.CIDEr).to.be.a('number');
    expect(fs.readdirSync(outcome.checkpoint)).to.include.members(['encoder.onnx', 'decoder.onnx', 'config.json']);
  });
});
