import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { Captioner, resolveSearch, type Caption } from '../../lib/index.js';
import { ServiceError } from '../../serve/errors.js';
import { CaptionPool, type PoolObserver, type PoolOptions } from '../../serve/pool/pool.js';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

const search = resolveSearch({});

/** Ids of the processes that a process has started. */
function childrenOf(pid: number): number[] {
  const tasks = fs.readdirSync(`/proc/${pid}/task`);
  return tasks.flatMap((task) =>
    fs.readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  ); // prettier-ignore
}

describe('CaptionPool', function () {
  this.timeout(600_000).slow(10_000);
  let folder: string;
  let photos: Buffer[];
  let truth: string[];
  let pool: CaptionPool | undefined;

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(path.join(folder, 'tiny'));
    photos = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        colouredPhoto([(i * 97) % 256, (i * 41) % 256, (i * 173) % 256], { seed: i }),
      ),
    );
    truth = await captionsOf(path.join(folder, 'tiny'));
  });
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });
  afterEach(async () => {
    await pool?.close();
    pool = undefined;
  });

  /** The library's own captions of the photos. */
  async function captionsOf(checkpoint: string): Promise<string[]> {
    const captioner = await Captioner.load(checkpoint);
    const found = await captioner.caption(photos.map((bytes) => ({ file: 'photo', bytes })));
    await captioner.release();
    return found.map(({ captions }) => captions[0].caption);
  }

  const start = async (options: Partial<PoolOptions> = {}): Promise<CaptionPool> => {
    pool = new CaptionPool({
      checkpoint: path.join(folder, 'tiny'),
      workers: 2,
      threads: 1,
      batch: 4,
      queue: 1000,
      timeout: 300,
      limits: { maxPixels: 1e6 },
      explanations: 8,
      ...options,
    });
    await ready(pool);
    return pool;
  };
  const ready = async (some: CaptionPool) => {
    while (!some.status.ready) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const order = (bytes: Buffer) => ({ bytes, search });
  const said = (result: readonly Caption[] | ServiceError) =>
    result instanceof ServiceError ? `${result.status} ${result.code}` : result[0].caption;
  const all = async (found: Promise<readonly Caption[] | ServiceError>[]) => (await Promise.all(found)).map(said);
  const failure = async (action: () => unknown): Promise<ServiceError> => {
    try {
      await action();
    } catch (error) {
      return error as ServiceError;
    }
    throw new Error('It did not fail.');
  };

  it('gives the captions of the library, with waiting photos in batches', async () => {
    const sizes: number[] = [];
    const some = await start({ workers: 1, batch: 8, observer: { batchStarted: (count) => sizes.push(count) } });
    expect(await all(some.caption(photos.map(order)))).to.deep.equal(truth);
    expect(sizes.reduce((sum, size) => sum + size)).to.equal(photos.length);
    expect(Math.max(...sizes)).to.equal(8);
    expect(some.status).to.include({ waiting: 0, running: 0 });
  });

  it('computes in the given precision', async () => {
    const logs: number[] = [];
    for (const precision of ['fp32', 'int8'] as const) {
      const some = await start({ workers: 1, precision });
      const found = await some.caption([order(photos[0])])[0];
      const captioner = await Captioner.load(path.join(folder, 'tiny'), { precision });
      const [{ captions }] = await captioner.caption([{ file: 'photo', bytes: photos[0] }]);
      await captioner.release();
      if (found instanceof ServiceError) throw found;
      expect(found[0].logProbability).to.be.closeTo(captions[0].logProbability, 1e-4);
      logs.push(found[0].logProbability);
      await some.close();
    }
    expect(logs[0]).not.to.equal(logs[1]);
  });

  it('gives a photo to an idle worker at once, and those that arrive meanwhile to the next as one batch', async () => {
    const sizes: number[] = [];
    const some = await start({ workers: 1, batch: 50, observer: { batchStarted: (n) => sizes.push(n) } });
    const found = photos.map((photo) => some.caption([order(photo)])[0]);
    expect(some.status).to.include({ running: 1, waiting: photos.length - 1 });
    expect(await all(found)).to.deep.equal(truth);
    expect(sizes).to.deep.equal([1, photos.length - 1]);
  });

  it('batches photos of the same search, and runs slow searches alone', async () => {
    const sizes: number[] = [];
    const some = await start({ workers: 1, batch: 50, observer: { batchStarted: (n) => sizes.push(n) } });
    const searches = [{}, { beam: 2 }, { beam: 10, maxLength: 50 }].map((options) => resolveSearch(options));
    const found = searches.flatMap((chosen) =>
      [0, 1, 2].map((i) => some.caption([{ bytes: photos[i], search: chosen }])[0]),
    );
    const said = await all(found);
    expect(said.slice(0, 3)).to.deep.equal(truth.slice(0, 3));
    expect(said.filter((text) => /^\d/.test(text))).to.deep.equal([]);
    // The first photo, the two others of its search, those with a beam of 2, and one by one the others.
    expect(sizes).to.deep.equal([1, 2, 3, 1, 1, 1]);
  });

  it('counts a slow search as several photos, and explanations separately', async () => {
    const some = await start({ workers: 1, queue: 10, explanations: 1, batch: 1 });
    const slow = resolveSearch({ beam: 10, maxLength: 30 }); // 300 words, the price of 5 captions
    const first = some.caption([order(photos[0])]);
    const accepted = [0, 1].map(() => some.caption([{ bytes: photos[1], search: slow }])[0]);
    const error = await failure(() => some.caption([order(photos[2])]));
    expect(error).to.include({ status: 503, code: 'busy' });
    // Explanations do not wait behind that limit, but have their own.
    const explained = some.explain(order(photos[0]));
    expect(await failure(() => some.explain(order(photos[1])))).to.include({ status: 503, code: 'busy' });
    expect(await all([...first, ...accepted])).to.have.length(3);
    expect((await explained).captions[0].caption).to.equal(truth[0]);
  });

  it('loses no photo and gives no wrong answer when a worker is killed during a batch', async () => {
    let kills = 0;
    const troubles: string[] = [];
    const observer: Partial<PoolObserver> = {
      batchStarted: (count, worker) => {
        if (count > 1 && kills < 3) {
          kills++;
          void worker.stop();
        }
      },
      trouble: ({ message }) => troubles.push(message),
    };
    const some = await start({ observer });
    expect(await all(some.caption(photos.map(order)))).to.deep.equal(truth);
    expect(kills).to.equal(3);
    expect(troubles.filter((message) => message.includes('ended unexpectedly'))).to.have.length(3);
    // The dead are replaced.
    while (some.status.workers < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('gives up on a photo whose worker dies twice, but not on the others of its batch', async () => {
    // First all are taken together, then each alone, the first photo before the others.
    let deaths = 2;
    const some = await start({
      workers: 1,
      batch: 50,
      observer: {
        batchStarted: (_count, worker) => {
          if (deaths-- > 0) void worker.stop();
        },
      },
    });
    const found = some.caption(photos.slice(0, 6).map(order));
    const said = await all(found);
    expect(said[0]).to.equal('500 worker-died');
    expect(said.slice(1)).to.deep.equal(truth.slice(1, 6));
  });

  it('refuses a whole request when the queue is full, and says when to try again', async () => {
    const some = await start({ workers: 1, queue: 10 });
    const accepted = some.caption(photos.slice(0, 8).map(order));
    const error = await failure(() => some.caption(photos.map(order)));
    expect(error).to.include({ status: 503, code: 'busy' });
    expect(error.retryAfter).to.be.within(1, 60);
    expect(await all(accepted)).to.deep.equal(truth.slice(0, 8));
    expect(await all(some.caption(photos.slice(0, 8).map(order)))).to.deep.equal(truth.slice(0, 8));
  });

  it('answers with a timeout and keeps running', async () => {
    const some = await start({ workers: 1, timeout: 0.001, batch: 1 });
    const said = await all(some.caption(photos.map(order)));
    expect(said.filter((text) => text === '504 timeout')).to.have.length.above(10);
    expect(some.status.waiting).to.equal(0);
  });

  it('forgets the photos of a client that has left', async () => {
    let batches = 0;
    const some = await start({ workers: 1, batch: 1, observer: { batchStarted: () => batches++ } });
    const leaving = new AbortController();
    const left = some.caption(photos.map(order), leaving.signal);
    const staying = some.caption([order(photos[3])]);
    leaving.abort();
    expect(await all(staying)).to.deep.equal([truth[3]]);
    expect(new Set(await all(left))).to.deep.equal(new Set(['499 cancelled']));
    expect(batches).to.be.at.most(2);
    expect(await all(some.caption([order(photos[1])], AbortSignal.abort()))).to.deep.equal(['499 cancelled']);
  });

  it('switches to another checkpoint without losing a photo', async () => {
    const checkpoint = path.join(folder, 'changing');
    await saveTinyCaptioner(checkpoint);
    const some = await start({ checkpoint, batch: 1 });
    const before = some.caption(photos.map(order));
    await saveTinyCaptioner(checkpoint, 8);
    const after = await captionsOf(checkpoint);
    expect(after).to.not.deep.equal(truth);
    const reloading = some.reload();
    expect(await failure(() => some.reload())).to.include({ status: 409 });
    const meanwhile = some.caption(photos.map(order));
    await reloading;
    expect(await all(some.caption(photos.map(order)))).to.deep.equal(after);
    for (const [i, text] of (await all([...before, ...meanwhile])).entries()) {
      expect(text).to.be.oneOf([truth[i % 20], after[i % 20]]);
    }
    expect(some.status.workers).to.equal(2);
  });

  for (const [what, file, damage] of [
    ['cut short', 'decoder.safetensors', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ['no JSON', 'config.json', () => Buffer.from('{')],
    ['another network', 'encoder.onnx', (bytes: Buffer) => bytes.subarray(0, bytes.length - 200)],
    [
      'no numbers',
      'decoder.safetensors',
      (bytes: Buffer) => Buffer.concat([bytes.subarray(0, -4000), Buffer.alloc(4000, 255)]),
    ],
  ] as [string, string, (bytes: Buffer) => Buffer][]) {
    it(`keeps the former checkpoint when ${file} of the new one is ${what}`, async () => {
      const checkpoint = path.join(folder, `damaged-${what}`);
      await saveTinyCaptioner(checkpoint);
      const some = await start({ checkpoint });
      const damaged = path.join(checkpoint, file);
      fs.writeFileSync(damaged, damage(fs.readFileSync(damaged)));
      const error = await failure(() => some.reload());
      expect(error).to.have.property('status', 500);
      expect(error.message).to.match(/^The checkpoint was not reloaded; the previous one stays in service\. .{20}/);
      expect(await all(some.caption(photos.map(order)))).to.deep.equal(truth);
    });
  }

  it('never serves two checkpoints at a time: a worker that dies is not replaced by one of another', async () => {
    const checkpoint = path.join(folder, 'mixed');
    await saveTinyCaptioner(checkpoint);
    const troubles: string[] = [];
    let kill = false;
    const observer: Partial<PoolObserver> = {
      batchStarted: (_count, worker) => {
        if (kill) void worker.stop();
        kill = false;
      },
      trouble: ({ message }) => troubles.push(message),
    };
    const some = await start({ checkpoint, batch: 2, observer });
    while (some.status.workers < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await saveTinyCaptioner(checkpoint, 8);
    kill = true;
    expect(await all(some.caption(photos.map(order)))).to.deep.equal(truth);
    while (!troubles.some((message) => message.includes('Reload it')))
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await all(some.caption(photos.map(order)))).to.deep.equal(truth);
    await some.reload();
    expect(await all(some.caption(photos.map(order)))).to.deep.equal(await captionsOf(checkpoint));
  });

  it('uses more threads for a lone photo, and the model it has loaded even after the files were replaced', async () => {
    const checkpoint = path.join(folder, 'replaced');
    await saveTinyCaptioner(checkpoint);
    const some = await start({ checkpoint, threads: 0 });
    const threadsOf = () =>
      process.platform === 'linux' ? Math.max(...childrenOf(process.pid).map((pid) => fs.readdirSync(`/proc/${pid}/task`).length)) : 0; // prettier-ignore
    while (some.status.workers < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    const before = threadsOf();
    for (let i = 0; i < 100; i++) {
      expect(await all(some.caption([order(photos[i % photos.length])]))).to.deep.equal([truth[i % photos.length]]);
    }
    if (process.platform === 'linux' && os.availableParallelism() > 1) expect(threadsOf()).to.be.above(before);
    await some.close();

    const other = await start({ checkpoint, threads: 0 });
    while (other.status.workers < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await saveTinyCaptioner(checkpoint, 8);
    expect(await captionsOf(checkpoint)).not.to.deep.equal(truth);
    for (let i = 0; i < 100; i++) {
      expect(await all(other.caption([order(photos[i % photos.length])]))).to.deep.equal([truth[i % photos.length]]);
    }
  });

  it('says why it cannot start and what to do, and starts when that is done', async function () {
    const checkpoint = path.join(folder, 'late');
    pool = new CaptionPool({
      checkpoint,
      workers: 1,
      threads: 1,
      batch: 4,
      queue: 10,
      timeout: 300,
      limits: { maxPixels: 1e6 },
      explanations: 8,
      observer: { trouble: () => void saveTinyCaptioner(checkpoint) },
    });
    expect(pool.status).to.include({ ready: false });
    expect(await failure(() => pool!.caption([order(photos[0])]))).to.include({ status: 503, code: 'not-ready' });
    while (!pool.status.problem?.includes('missing')) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(pool.status.problem).not.to.include(folder);
    await ready(pool);
    expect(await all(pool.caption([order(photos[0])]))).to.deep.equal([truth[0]]);
  });

  it('finishes accepted photos before it ends, and accepts no more', async () => {
    const some = await start();
    const found = some.caption(photos.map(order));
    const explained = some.explain(order(photos[0]));
    const closing = some.close();
    expect(await failure(() => some.caption([order(photos[0])]))).to.include({ status: 503 });
    await closing;
    expect(await all(found)).to.deep.equal(truth);
    expect((await explained).captions[0].caption).to.equal(truth[0]);
  });

  it('ends even while it is loading', async () => {
    pool = new CaptionPool({
      checkpoint: path.join(folder, 'tiny'),
      workers: 2,
      threads: 1,
      batch: 4,
      queue: 10,
      timeout: 300,
      limits: { maxPixels: 1e6 },
      explanations: 8,
    });
    await pool.close();
    expect(pool.status).to.include({ ready: false, workers: 0 });
  });

  it('keeps a worker free for captions while it explains', async () => {
    const some = await start({ explanations: 40 });
    while (some.status.workers < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    const explanations = Array.from({ length: 40 }, () => some.explain(order(photos[0])));
    const captions = some.caption(photos.slice(0, 4).map(order));
    expect(await all(captions)).to.deep.equal(truth.slice(0, 4));
    expect(some.status.waiting).to.be.above(0);
    const [{ words, occlusion }] = await Promise.all(explanations);
    expect(occlusion.drops).to.have.length(words.length);
  });
});
