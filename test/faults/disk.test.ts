import { expect } from 'chai';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { downloadDataset } from '../../lib/data/datasets/dataset-download.js';
import { download } from '../../lib/files/download.js';
import { extractFeatures } from '../../lib/data/features/extraction.js';
import { HistogramEncoder } from '../../lib/data/features/histogram-encoder.js';
import type { PublishedDataset } from '../../lib/data/datasets/published-datasets.js';
import type { CaptionerError } from '../../lib/errors.js';
import { loadCheckpoint, saveCheckpoint } from '../../lib/model/checkpoint/checkpoint.js';
import { Random } from '../../lib/random.js';
import { trainCaptioner } from '../../lib/train/decoder/captioner-training.js';
import { ScriptedServer, serve } from '../files/server.js';
import { zipOf } from '../files/zip-files.js';
import { tinyCheckpoint } from '../fixtures/tiny-checkpoint.js';
import { smallDecoder, smallTraining, twoScenes } from '../fixtures/two-scenes.js';
import { smallDisk, type SmallDisk } from './small-disk.js';

const samples = path.resolve('data/samples');
const photos = Array.from({ length: 40 }, (_, i) => ({
  id: `${i}.jpg`,
  file: path.join(samples, i % 2 ? 'cat.jpg' : 'coffee.jpg'),
}));
const extract = (folder: string) =>
  extractFeatures({ manifest: { photos }, encoder: new HistogramEncoder(), folder, config: { batchSize: 4 } });

async function failure(work: () => unknown): Promise<CaptionerError> {
  try {
    await work();
  } catch (error) {
    expect(error).to.have.property('name', 'CaptionerError');
    return error as CaptionerError;
  }
  return expect.fail('it did not fail');
}

let scratch: string;
beforeEach(() => (scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
afterEach(() => fs.rmSync(scratch, { recursive: true }));

describe('a disk', function () {
  this.timeout(240_000).slow(10_000);
  let disk: SmallDisk;
  beforeEach(function () {
    const made = smallDisk(24);
    if (!made) {
      console.log('      NOT CHECKED: full and read-only disks, which take the rights to mount one');
      return this.skip();
    }
    disk = made;
  });
  afterEach(() => disk?.remove());
  const at = (name: string) => path.join(disk.folder, name);
  const full =
    /can't be written: the disk is full\. Everything written so far is kept: free some space and run the same command again\./;

  describe('that is full', () => {
    it('stops an extraction, which resumes to the same result when there is room', async () => {
      const error = await failure(() => extract(at('features')));
      expect(error.message).to.match(full).and.contain(at('features'));
      disk.resize(400);
      expect(await extract(at('features'))).to.deep.include({ stored: 40, skipped: [] });
      await extract(path.join(scratch, 'features'));
      for (const name of ['features.bin', 'index.jsonl']) {
        expect(
          fs
            .readFileSync(path.join(at('features'), name))
            .equals(fs.readFileSync(path.join(scratch, 'features', name))),
          name,
        ).to.be.true;
      }
    });

    it('stops a download, which is resumed when there is room', async () => {
      const server = new ScriptedServer();
      await server.start();
      try {
        const random = new Random(2);
        const body = Buffer.from(Uint8Array.from({ length: 100_000 }, () => random.integer(256)));
        server.answers = [serve(body, { etag: '"one"' })];
        const get = () => download({ url: `${server.url}/x`, file: at('net.onnx'), bytes: body.length });
        const error = await failure(get);
        expect(error.code).to.equal('download');
        expect(error.message).to.match(full);
        expect(fs.existsSync(at('net.onnx'))).to.be.false;
        disk.resize(400);
        await get();
        expect(fs.readFileSync(at('net.onnx')).equals(body)).to.be.true;
        expect(server.seen.at(-1)!.range).to.match(/^bytes=\d+-$/);
      } finally {
        await server.stop();
      }
    });

    it('stops unpacking, and does not show an incomplete data set', async () => {
      fs.mkdirSync(path.join(scratch, 'mirror'));
      const content = { 'photos/a.txt': 'a'.repeat(20_000), 'photos/b.txt': 'b'.repeat(60_000) };
      fs.writeFileSync(path.join(scratch, 'mirror', 'a.zip'), await zipOf(content));
      const dataset: PublishedDataset = {
        ...{ name: 'tiny', title: '', licence: '', homepage: '', folder: 'tiny' },
        archives: [{ path: 'a.zip', makes: ['photos'], unpacked: 0 }],
      };
      const get = () => downloadDataset(dataset, { folder: disk.folder, mirror: path.join(scratch, 'mirror') });
      const error = await failure(get);
      expect(error.code).to.equal('download');
      expect(error.message).to.match(full);
      expect(fs.readdirSync(at('tiny'), { recursive: true })).to.deep.equal(['.download']);
      disk.resize(400);
      await get();
      expect(fs.readdirSync(at('tiny'), { recursive: true })).to.have.members([
        'photos',
        'photos/a.txt',
        'photos/b.txt',
      ]);
    });

    it('does not destroy the existing checkpoint', async () => {
      disk.resize(200);
      saveCheckpoint(at('checkpoint'), tinyCheckpoint(1));
      const larger = tinyCheckpoint(2, { hiddenSize: 200, embeddingSize: 100 });
      const error = await failure(() => saveCheckpoint(at('checkpoint'), larger));
      expect(error.message).to.match(full).and.contain(at('checkpoint'));
      expect(loadCheckpoint(at('checkpoint')).config.trained.steps).to.equal(1);
      expect(fs.readdirSync(disk.folder)).to.deep.equal(['checkpoint']);
    });

    it('stops training, which resumes to the same weights when there is room', async () => {
      // Room for the first checkpoints, but not for two of them and the next one.
      disk.resize(100);
      const train = (out: string, resume = true) =>
        trainCaptioner({
          ...twoScenes(),
          out,
          decoder: smallDecoder,
          training: { ...smallTraining, epochs: 3 },
          resume,
        });
      let error: CaptionerError | undefined;
      for (let size = 100; !error && size > 16; size -= 12) {
        fs.rmSync(at('run'), { recursive: true, force: true });
        disk.resize(size);
        error = await train(at('run')).then(
          () => undefined,
          (reason: unknown) => reason as CaptionerError,
        );
      }
      expect(error).to.have.property('name', 'CaptionerError');
      expect(error!.message).to.match(full);
      disk.resize(2000);
      await train(at('run'));
      await train(path.join(scratch, 'run'));
      const weights = (run: string) => fs.readFileSync(path.join(run, 'last', 'decoder.safetensors'));
      expect(weights(at('run')).equals(weights(path.join(scratch, 'run')))).to.be.true;
    });
  });

  describe('that is read-only', () => {
    it('is named by every writer', async () => {
      disk.resize(400);
      await extract(at('features'));
      disk.readOnly(true);
      const message = (place: string) => new RegExp(`${place}.* can't be written: the disk is read-only\\.`);
      expect((await failure(() => extract(at('features')))).message).to.match(message('features'));
      expect((await failure(() => extract(at('new')))).message).to.match(message('new'));
      expect((await failure(() => saveCheckpoint(at('checkpoint'), tinyCheckpoint()))).message).to.match(
        message('checkpoint'),
      );
      const url = 'http://127.0.0.1:9/x';
      expect((await failure(() => download({ url, file: at('net.onnx') }, { attempts: 1 }))).message).to.match(
        message('net.onnx'),
      );
      const train = () =>
        trainCaptioner({ ...twoScenes(), out: at('run'), decoder: smallDecoder, training: smallTraining });
      expect((await failure(train)).message).to.match(message('run'));
    });
  });
});

describe('a limit on the size of files', function () {
  this.timeout(120_000).slow(20_000);

  it('stops an extraction as a full disk does', async function () {
    if (process.platform === 'win32') return this.skip();
    const script = fileURLToPath(new URL('extract-samples.ts', import.meta.url));
    const run = (limit: string) =>
      new Promise<string>((resolve) => {
        const line = `trap '' XFSZ; ulimit -f ${limit}; exec "$0" --import tsx "$@"`;
        const child = spawn('sh', [
          '-c',
          line,
          process.execPath,
          script,
          path.join(scratch, 'features'),
          JSON.stringify(photos),
        ]);
        let text = '';
        child.stdout.on('data', (part) => (text += String(part)));
        child.stderr.on('data', (part) => (text += String(part)));
        child.on('close', () => resolve(text));
      });
    // 40 rows of 972 bytes; sh counts in blocks of 512.
    expect(await run('40')).to.match(
      /features can't be written: the file has reached the maximum size\..*free some space/,
    );
    expect(await run('unlimited')).to.equal('stored');
    await extract(path.join(scratch, 'whole'));
    const bytes = (name: string) => fs.readFileSync(path.join(scratch, name, 'features.bin'));
    expect(bytes('features').equals(bytes('whole'))).to.be.true;
  });
});
