import { spawn, type ChildProcess } from 'node:child_process';
import { expect } from 'chai';
import { describeError } from '../../cli/run.js';
import { CaptionerError } from '../../lib/errors.js';

/** Runs an action, written as JavaScript, as the command `captioner test`. */
function run(
  action: string,
  args: string[] = [],
  watch: (child: ChildProcess, stdout: string) => void = () => undefined,
) {
  const program = `
    import { defineCommand } from './cli/options.ts';
    import { runCommand } from './cli/run.ts';
    import { CaptionerError } from './lib/errors.ts';
    const command = defineCommand('test', 'Tests.', []).argument('[word]');
    await command.action(runCommand(${action})).parseAsync();`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program, '--', ...args], {
    env: { ...process.env, DEBUG: '' },
  });
  const result = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    result.stdout += String(text);
    watch(child, result.stdout);
  });
  child.stderr.on('data', (text) => (result.stderr += String(text)));
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    child.on('error', reject).on('close', (code) => {
      resolve({ code, ...result });
    });
  });
}

describe("a command's action", function () {
  this.slow(3000);

  it('gets its arguments, and its number is the exit code', async () => {
    const { code, stdout } = await run(`async ({ options }, word) => { console.log(word, options.quiet); return 3; }`, [
      'dog',
      '--quiet',
    ]);
    expect({ code, stdout }).to.deep.equal({ code: 3, stdout: 'dog true\n' });
  });

  it('fails in one line', async () => {
    const { code, stdout, stderr } = await run(
      `async () => { throw new CaptionerError('bad-input', 'No such thing.') }`,
    );
    expect({ code, stdout, stderr }).to.deep.equal({ code: 1, stdout: '', stderr: 'captioner: No such thing.\n' });
  });

  it('draws no progress if it should be quiet, but still warns', async () => {
    const action = `async ({ progress, warn }) => {
      progress.start('Working', 10, 'photos'); progress.update(10); warn('a bad photo'); progress.stop(); }`;
    expect((await run(action, ['-q'])).stderr).to.equal('a bad photo\n');
    expect((await run(action)).stderr).to.equal('a bad photo\nWorking 100 %  10/10 photos\n');
  });

  it('receives Ctrl-C, and can finish its current work', async () => {
    const action = `async ({ signal }) => {
      const stopped = new Promise((resolve) => signal.addEventListener('abort', resolve));
      const alive = setInterval(() => undefined, 1000);
      console.log('ready');
      await stopped;
      clearInterval(alive);
      console.log('saved');
      signal.throwIfAborted(); }`;
    const { code, stdout, stderr } = await run(action, [], (child, text) => {
      if (text === 'ready\n') child.kill('SIGINT');
    });
    expect({ code, stdout }).to.deep.equal({ code: 130, stdout: 'ready\nsaved\n' });
    expect(stderr).to.match(/stopping; press Ctrl-C again to stop at once\ncaptioner: Stopped before the end\.\n$/);
  });

  it('is killed by the second Ctrl-C', async () => {
    const action = `async ({ signal }) => {
      signal.addEventListener('abort', () => console.log('once'));
      console.log('ready');
      await new Promise((resolve) => setTimeout(resolve, 50000)); }`;
    const { code } = await run(action, [], (child, text) => {
      if (text === 'ready\n' || text === 'ready\nonce\n') child.kill('SIGINT');
    });
    expect(code).to.equal(130);
  });
});

describe('describeError', () => {
  it('is a line for an error of ours, a hint for another, and a stack on request', () => {
    const ours = new CaptionerError('bad-input', 'This is wrong.');
    expect(describeError(ours, undefined)).to.equal('captioner: This is wrong.');
    expect(describeError(new TypeError('x is undefined'), undefined)).to.equal(
      'captioner: x is undefined (unexpected error; set DEBUG=captioner to print the stack trace)',
    );
    expect(describeError('text', '')).to.match(/^captioner: text /);
    expect(describeError(ours, 'other,captioner')).to.match(/^captioner: This is wrong\.\n.*\n +at /);
  });
});
