import autocannon, { type Result } from 'autocannon';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { root } from './program.js';

const samples = path.join(root, 'data', 'samples');

/** Seconds per measurement. */
const seconds = Number(process.env.CAPTIONER_BENCH_SECONDS ?? 10);
const clientCounts = [1, 8, 32];

type Precision = 'fp32' | 'int8';

/** A server that takes a photo as the body of POST /caption. */
interface Server {
  readonly url: string;
  readonly child: ChildProcess;
}

/** Load results of one server for a number of clients. Times in milliseconds. */
interface Load {
  readonly clients: number;
  readonly requestsPerSecond: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly failed: number;
}

/**
 * Requests per second and response times of the service, of the same captioner behind a minimal
 * handler in one thread, and of a minimal service with FastAPI and PyTorch, one after another.
 */
export async function benchServe(): Promise<object> {
  const results: Record<string, Load[] | string> = {};
  for (const [name, start] of Object.entries(servers)) {
    const server = await start();
    if (typeof server === 'string') {
      results[name] = `not compared: ${server}`;
      continue;
    }
    try {
      await load(server, 8, Math.min(seconds, 3)); // warm up
      const loads: Load[] = [];
      for (const clients of clientCounts) loads.push(await load(server, clients, seconds));
      results[name] = loads;
    } finally {
      await stop(server);
    }
  }
  const at = (name: string, clients: number) => {
    const loads = results[name];
    return typeof loads === 'string' ? undefined : loads.find((entry) => entry.clients === clients);
  };
  const times = (ours: string, other: string) => {
    const [fast, slow] = [at(ours, 32), at(other, 32)];
    return fast && slow ? Number((fast.requestsPerSecond / slow.requestsPerSecond).toFixed(2)) : undefined;
  };
  /**
   * Ratio of the response times of the service and the plain handler for a single client; 1 is
   * equal.
   */
  const lone = (ours: string, other: string) => {
    const [here, there] = [at(ours, 1), at(other, 1)];
    return here && there ? Number((here.p50 / there.p50).toFixed(2)) : undefined;
  };
  const overOne = (name: string) => Number((at(name, 32)!.p99 / at(name, 1)!.p50).toFixed(1));
  return {
    what: 'POST /caption, sample photos in turn, beam 3: requests/s and response times in milliseconds',
    seconds,
    results,
    throughputAt32Clients: {
      'beside plain, int8': times('captioner', 'plain, int8'),
      'beside plain, fp32': times('captioner', 'plain, fp32'),
      'beside fastapi': times('captioner', 'fastapi'),
      'fp32 beside plain, fp32': times('captioner, fp32', 'plain, fp32'),
    },
    p50OfOneClientOverPlain: {
      int8: lone('captioner', 'plain, int8'),
      fp32: lone('captioner, fp32', 'plain, fp32'),
    },
    p99At32ClientsOverOnePhoto: { int8: overOne('captioner'), fp32: overOne('captioner, fp32') },
  };
}

/** Memory of the service over 50,000 requests (CAPTIONER_BENCH_REQUESTS). None may fail. */
export async function benchSoak(): Promise<object> {
  const requests = Number(process.env.CAPTIONER_BENCH_REQUESTS ?? 50_000);
  const parts = 10;
  const server = await startService('int8');
  if (typeof server === 'string') throw new Error(server);
  try {
    await load(server, 32, 3); // warm up
    const memory = [megabytes(server)];
    let failed = 0;
    for (let part = 0; part < parts; part++) {
      failed += (await load(server, 32, undefined, Math.ceil(requests / parts))).failed;
      memory.push(megabytes(server));
      console.log(`${Math.round((100 * (part + 1)) / parts)} %: ${memory.at(-1)} MB`);
    }
    return { what: `resident memory (MB) over ${requests} requests by 32 clients`, memory, failed };
  } finally {
    await stop(server);
  }
}

const servers: Record<string, () => Promise<Server | string>> = {
  captioner: () => startService('int8'), // the default
  'captioner, fp32': () => startService('fp32'),
  'plain, int8': () => startPlain('int8'),
  'plain, fp32': () => startPlain('fp32'),
  fastapi: () => start(process.env.CAPTIONER_BENCH_PYTHON ?? 'python3', ['bench/peers/fastapi_server.py']),
};

/** The built service (`npm run build`) without a rate limit. */
function startService(precision: Precision): Promise<Server | string> {
  const flags = ['--port', '0', '--rate-limit', '0', '--drain', '0', '--log-level', 'silent', '--precision', precision];
  return start(process.execPath, ['dist/cli/main.js', 'serve', ...flags]);
}

function startPlain(precision: Precision): Promise<Server | string> {
  return start(process.execPath, ['--import', 'tsx', 'bench/peers/plain-server.ts', precision]);
}

/**
 * Starts a server and waits until it captions. @returns the reason as text if it can't be started.
 */
async function start(command: string, args: readonly string[]): Promise<Server | string> {
  const child = spawn(command, args, { cwd: root });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => (complaint += text.toString()));
  const lines = [child.stdout, child.stderr].map((input) => createInterface({ input }));
  const address = new Promise<string>((resolve) => {
    for (const reader of lines) {
      reader.on('line', (line) => {
        const port = /"port": ?(\d+)|listening at http:\/\/[^:]+:(\d+)/.exec(line);
        if (port) resolve(`http://127.0.0.1:${port[1] ?? port[2]}`);
      });
    }
  });
  const ended = Promise.race([once(child, 'error'), once(child, 'close')]).then(() => undefined);
  const url = await Promise.race([address, ended]);
  if (url === undefined) return complaint.trim().split('\n').at(-1) ?? 'it ended';
  const [photo] = photos();
  for (let status = 0; status !== 200;) {
    status = (await fetch(`${url}/caption`, { method: 'POST', body: new Uint8Array(photo) })).status;
    if (status !== 200) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { url, child };
}

async function stop({ child }: Server): Promise<void> {
  child.kill('SIGTERM');
  await once(child, 'close');
}

function photos(): Buffer[] {
  return readdirSync(samples)
    .filter((name) => name.endsWith('.jpg'))
    .map((name) => readFileSync(path.join(samples, name)));
}

async function load({ url }: Server, clients: number, duration?: number, amount?: number): Promise<Load> {
  const times: number[] = [];
  let failed = 0;
  const options = {
    url: `${url}/caption`,
    connections: clients,
    ...(amount === undefined ? { duration } : { amount }),
    timeout: 60,
    requests: photos().map((body) => ({ method: 'POST' as const, headers: { 'content-type': 'image/jpeg' }, body })),
  };
  const { duration: taken, errors } = await new Promise<Result>((resolve, reject) => {
    const run = autocannon(options, (error: Error | null, result) => {
      if (error) reject(error);
      else resolve(result);
    });
    run.on('response', (_client, status, _bytes, time) => {
      times.push(time);
      if (status !== 200) failed++;
    });
  });
  times.sort((a, b) => a - b);
  const percentile = (share: number) => Number((times[Math.ceil(share * times.length) - 1] ?? NaN).toFixed(1));
  return {
    clients,
    requestsPerSecond: Number((times.length / taken).toFixed(1)),
    p50: percentile(0.5),
    p95: percentile(0.95),
    p99: percentile(0.99),
    failed: failed + errors,
  };
}

/** Resident memory of a server and its workers. */
function megabytes({ child }: Server): number {
  const pid = String(child.pid);
  const sizes = execFileSync('ps', ['-o', 'rss=', '-p', pid, '--ppid', pid]).toString().trim().split('\n');
  return Math.round(sizes.reduce((sum, kilobytes) => sum + Number(kilobytes), 0) / 1024);
}
