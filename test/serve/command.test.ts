import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

describe('captioner serve', function () {
  this.timeout(600_000).slow(20_000);
  let folder: string;
  let checkpoint: string;
  let photo: Buffer;
  const children: ChildProcess[] = [];

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    checkpoint = path.join(folder, 'tiny');
    await saveTinyCaptioner(checkpoint);
    photo = await colouredPhoto([200, 40, 40]);
  });
  after(() => {
    for (const child of children) child.kill('SIGKILL');
    fs.rmSync(folder, { recursive: true });
  });

  const run = (args: string[], env: NodeJS.ProcessEnv = {}) => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', 'cli/main.ts', 'serve', '--checkpoint', checkpoint, ...args],
      {
        env: { ...process.env, DEBUG: '', ...env },
        detached: true, // a group of processes that signals can be sent to
      },
    );
    children.push(child);
    return child;
  };
  /** Starts it and waits until it captions. */
  const start = async (args: string[] = [], env: NodeJS.ProcessEnv = {}) => {
    const child = run(['--port', '0', '--workers', '1', ...args], env);
    const log: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => log.push(line));
    const errors = createInterface({ input: child.stderr });
    const [line] = (await once(errors, 'line')) as [string];
    const url = /^captioner: listening at (http:\/\/127\.0\.0\.1:\d+)$/.exec(line)![1];
    while (!(await fetch(`${url}/readyz`)).ok) await new Promise((resolve) => setTimeout(resolve, 20));
    return { child, url, log };
  };
  const caption = (url: string, headers: Record<string, string> = {}) =>
    fetch(`${url}/caption`, { method: 'POST', body: new Uint8Array(photo), headers });

  it('captions, reloads its checkpoint on SIGHUP, and ends on SIGTERM when everything is answered', async () => {
    const { child, url, log } = await start();
    const before = await (await caption(url)).text();
    await saveTinyCaptioner(checkpoint, 8);
    child.kill('SIGHUP');
    while (!log.some((line) => line.includes('checkpoint reloaded')))
      await new Promise((resolve) => setTimeout(resolve, 20));
    const after = await (await caption(url)).text();
    expect(after).not.to.equal(before);

    fs.writeFileSync(path.join(checkpoint, 'config.json'), '{');
    child.kill('SIGHUP');
    while (!log.some((line) => line.includes('the previous one stays in service')))
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await (await caption(url)).text()).to.equal(after);
    await saveTinyCaptioner(checkpoint);

    const last = Promise.all(Array.from({ length: 10 }, () => caption(url)));
    child.kill('SIGTERM');
    const [answers, [code]] = await Promise.all([last.catch(() => undefined), once(child, 'exit')]);
    expect(code).to.equal(0);
    // Those that had come before the signal are answered; who comes later finds no service.
    for (const answer of answers ?? []) expect(answer.status).to.be.oneOf([200, 503]);
    for (const line of log) expect(JSON.parse(line)).to.have.property('level');
  });

  it('finishes accepted requests when all of its processes get a signal, as by Ctrl-C', async () => {
    const { child, url, log } = await start(['--batch', '1']);
    const form = new FormData();
    for (let i = 0; i < 20; i++) form.append('photo', new Blob([new Uint8Array(photo)]));
    const answering = fetch(`${url}/caption`, { method: 'POST', body: form });
    while (!/captioner_photos_running 1/.test(await (await fetch(`${url}/metrics`)).text()));
    process.kill(-child.pid!, 'SIGINT');
    const [answer, [code]] = await Promise.all([answering, once(child, 'exit')]);
    const { images } = (await answer.json()) as { images: { captions?: unknown[] }[] };
    expect(images.filter(({ captions }) => captions?.length === 1)).to.have.length(20);
    expect(code).to.equal(0);
    expect(log.join('\n')).not.to.include('ended unexpectedly');
  });

  it('leaves no process behind when it is killed', async () => {
    const { child } = await start(['--workers', '2']);
    child.kill('SIGKILL');
    await once(child, 'close'); // all that hold its output open have ended
  });

  it('reads keys from the environment', async () => {
    const { child, url } = await start([], { CAPTIONER_API_KEYS: 'one,two' });
    expect((await caption(url)).status).to.equal(401);
    expect((await caption(url, { authorization: 'Bearer two' })).status).to.equal(200);
    child.kill('SIGINT');
    expect((await once(child, 'exit'))[0]).to.equal(0);
  });

  it('says in one line why it cannot listen', async () => {
    const { child: first, url } = await start();
    const second = run(['--port', new URL(url).port]);
    const [stderr, [code]] = await Promise.all([text(second.stderr), once(second, 'exit')]);
    expect(code).to.equal(1);
    expect(stderr).to.match(/^captioner: Port \d+ of 127\.0\.0\.1 is already in use\. Choose another with --port\.\n$/);
    first.kill('SIGTERM');
    await once(first, 'exit');
    const third = run(['--workers', 'many']);
    expect(await text(third.stderr)).to.match(/--workers/);
  });

  for (const [what, args, complaint] of [
    ['a checkpoint', ['--checkpoint', '/nowhere/at/all'], /There is no checkpoint in \/nowhere\/at\/all/],
    ['an encoder', ['--encoder', '/nowhere/encoder.onnx'], /There is no file \/nowhere\/encoder\.onnx\./],
    ['an address', ['--host', '192.0.2.1'], /This machine does not have the address 192\.0\.2\.1/],
    ['a list of proxies', ['--trust-proxy', 'somebody'], /--trust-proxy .*expected none, a number/],
  ] as const) {
    it(`ends with a clear line, before it listens, without ${what}`, async () => {
      const child = run(['--port', '0', '--workers', '1', ...args]);
      const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
      expect(code).to.equal(1);
      expect(stderr).to.match(complaint);
      expect(stderr).not.to.match(/listening|unexpected/);
    });
  }

  it('warns that everyone can use it if it listens on the network without a key', async () => {
    const warned = async (env: NodeJS.ProcessEnv) => {
      const child = run(['--port', '0', '--workers', '1', '--host', '0.0.0.0'], env);
      const said: string[] = [];
      const stopped = once(child, 'exit');
      for await (const line of createInterface({ input: child.stderr })) {
        said.push(line);
        // The warning, where there is one, is the line after the address.
        if (said.length > 1 && said.at(-2)!.includes('listening')) child.kill('SIGTERM');
        else if (line.includes('listening')) setTimeout(() => child.kill('SIGTERM'), 2000);
      }
      await stopped;
      return said.join('\n');
    };
    expect(await warned({})).to.include('everyone on the network can use it');
    expect(await warned({ CAPTIONER_API_KEYS: 'one' })).not.to.include('everyone');
  });

  it('reads config files of former versions', async () => {
    const config = path.join(folder, 'old.json');
    fs.writeFileSync(config, JSON.stringify({ batchDelay: 2, trustProxy: false, rateLimit: 120 }));
    const { child } = await start(['--config', config]);
    child.kill('SIGTERM');
    expect((await once(child, 'exit'))[0]).to.equal(0);
  });
});
