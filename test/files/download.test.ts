import { expect } from 'chai';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { download } from '../../lib/files/download.js';
import type { DownloadOptions, DownloadRequest } from '../../lib/files/transfer.js';
import { fetchFile, sourceOf, type PublishedFile } from '../../lib/files/mirror.js';
import type { CaptionerError } from '../../lib/errors.js';
import { Random } from '../../lib/random.js';
import { ScriptedServer, serve, status } from './server.js';

const random = new Random(9);
const body = Buffer.from(Uint8Array.from({ length: 300_000 }, () => random.integer(256)));
const other = Buffer.from(body).reverse();
const sha256 = createHash('sha256').update(body).digest('hex');
const known = { bytes: body.length, sha256 };

describe('a download', () => {
  let folder: string;
  let server: ScriptedServer;
  let file: string;
  let waits: number[];

  beforeEach(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    file = path.join(folder, 'deep', 'net.onnx');
    waits = [];
    server = new ScriptedServer();
    await server.start();
  });
  afterEach(async () => {
    await server.stop();
    fs.rmSync(folder, { recursive: true });
  });

  const get = (request: Partial<DownloadRequest> = {}, options: DownloadOptions = {}) =>
    download(
      { url: `${server.url}/net.onnx`, file, ...request },
      { wait: (milliseconds) => Promise.resolve(waits.push(milliseconds)), ...options },
    );
  const ranges = () => server.seen.map(({ range }) => range);

  async function failure(promise: Promise<unknown>): Promise<CaptionerError> {
    return await promise.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => error as CaptionerError,
    );
  }

  /** The file is there, whole, and nothing is left over beside it. */
  function expectWhole(): void {
    expect(fs.readFileSync(file).equals(body), 'the same bytes').to.be.true;
    expect(fs.readdirSync(path.dirname(file))).to.deep.equal(['net.onnx']);
  }

  it('arrives whole, with progress in bytes', async () => {
    server.answers = [serve(body)];
    const calls: unknown[] = [];
    const progress = {
      start: (...call: unknown[]) => calls.push(call),
      update: (done: number) => calls.push(done),
      stop: () => calls.push('stop'),
    };
    await get(known, { progress });
    expectWhole();
    expect(calls[0]).to.deep.equal(['Downloading net.onnx', body.length, 'bytes']);
    expect(calls.slice(-2)).to.deep.equal([body.length, 'stop']);
  });

  it('resumes after every lost connection', async () => {
    server.answers = [serve(body, { cutAfter: 100_000 }), serve(body, { cutAfter: 50_000 }), serve(body)];
    await get(known);
    expectWhole();
    expect(ranges()).to.deep.equal([undefined, 'bytes=100000-', 'bytes=150000-']);
    // Something new came each time, so the wait does not grow.
    expect(waits).to.deep.equal([1000, 1000]);
  });

  it('resumes the download of another process', async () => {
    server.answers = [serve(body, { cutAfter: 100_000 }), status(404)];
    expect(await failure(get(known))).to.include({ code: 'download' });
    expect(fs.existsSync(file)).to.be.false;
    expect(fs.statSync(`${file}.part`).size).to.equal(100_000);
    server.answers = [serve(body)];
    await get(known);
    expectWhole();
    expect(ranges().at(-1)).to.equal('bytes=100000-');
  });

  it('begins again if the server ignores ranges', async () => {
    server.answers = [serve(body, { cutAfter: 100_000 }), serve(body, { ignoreRange: true })];
    await get(known);
    expectWhole();
    expect(ranges()).to.deep.equal([undefined, 'bytes=100000-']);
  });

  it('begins again if the file has changed in between, by its ETag', async () => {
    server.answers = [serve(other, { cutAfter: 100_000, etag: '"one"' }), serve(body, { etag: '"two"' })];
    await get();
    expectWhole();
    expect(server.seen[1]).to.include({ range: 'bytes=100000-', ifRange: '"one"' });
  });

  it('begins again if the file has changed in between, by its checksum', async () => {
    server.answers = [serve(other, { cutAfter: 100_000 }), serve(body)];
    await get(known);
    expectWhole();
    expect(ranges()).to.deep.equal([undefined, 'bytes=100000-', undefined]);
  });

  it('does not resume a file that nothing can verify', async () => {
    server.answers = [serve(body, { cutAfter: 100_000 }), serve(body)];
    await get();
    expectWhole();
    expect(ranges()).to.deep.equal([undefined, undefined]);
  });

  it('begins again if the part is larger than the file', async () => {
    fs.mkdirSync(path.dirname(file));
    fs.writeFileSync(`${file}.part`, Buffer.alloc(body.length + 1));
    server.answers = [serve(body)];
    await get({ sha256 });
    expectWhole();
    expect(ranges()).to.deep.equal([`bytes=${body.length + 1}-`, undefined]);
  });

  it('uses a complete part without a request', async () => {
    fs.mkdirSync(path.dirname(file));
    fs.writeFileSync(`${file}.part`, body);
    server.answers = [status(500)];
    await get(known);
    expectWhole();
    expect(server.seen).to.deep.equal([]);
  });

  it('fetches the rest if the server announced and sent too little', async () => {
    server.answers = [serve(body.subarray(0, 1000)), serve(body)];
    await get(known);
    expectWhole();
    expect(ranges()).to.deep.equal([undefined, 'bytes=1000-']);
  });

  it('resumes if the server announced more than it sent', async () => {
    server.answers = [
      (request, response) => {
        serve(body, { length: body.length + 500, cutAfter: body.length })(request, response);
      },
    ];
    await get(known);
    expectWhole();
  });

  it('refuses more bytes than expected', async () => {
    server.answers = [serve(Buffer.concat([body, body]), { chunked: true })];
    const error = await failure(get(known));
    expect(error.code).to.equal('download');
    expect(error.message).to.contain(`more than the expected ${body.length} bytes`);
    expect(fs.readdirSync(path.dirname(file))).to.deep.equal([]);
  });

  it('refuses another file, by its checksum', async () => {
    server.answers = [serve(other)];
    const error = await failure(get(known));
    expect(error.code).to.equal('download');
    expect(error.message).to.contain('SHA-256').and.contain(sha256).and.contain('CAPTIONER_MIRROR');
    expect(fs.readdirSync(path.dirname(file))).to.deep.equal([]);
    expect(server.seen).to.have.length(1);
  });

  it('waits longer each time while the server is busy, or for the requested time', async () => {
    server.answers = [status(503), status(502), status(429, { 'retry-after': '7' }), serve(body)];
    await get(known);
    expectWhole();
    expect(waits).to.deep.equal([1000, 2000, 7000]);
    waits = [];
    server.answers = [status(503, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }), serve(body)];
    await get(known);
    expect(waits[0]).to.be.within(30_000, 60_000);
  });

  it('gives up after several attempts without data', async () => {
    server.answers = [status(503)];
    const error = await failure(get(known, { attempts: 3 }));
    expect(error.code).to.equal('download');
    expect(error.message).to.contain('503').and.contain(server.url);
    expect(server.seen).to.have.length(3);
    server.answers = [serve(body, { ignoreRange: true, cutAfter: 50_000 })];
    expect(await failure(get(known, { attempts: 3 }))).to.include({ code: 'download' });
    expect(server.seen).to.have.length(6);
  });

  it('does not wait for a server that asks for hours', async () => {
    server.answers = [status(503, { 'retry-after': '7200' })];
    expect((await failure(get(known))).message).to.contain('asks to wait 7200 s');
    expect(waits).to.deep.equal([]);
  });

  it('gives up at once if the file or the server does not exist', async () => {
    server.answers = [status(404)];
    const error = await failure(get(known));
    expect(error.code).to.equal('download');
    expect(error.message).to.contain('404').and.contain('/net.onnx');
    expect(server.seen).to.have.length(1);
    const stopped = new ScriptedServer();
    await stopped.start();
    const url = stopped.url;
    await stopped.stop();
    const nowhere = await failure(get({ url }, { attempts: 2 }));
    expect(nowhere.message).to.contain('ECONNREFUSED');
  });

  it('gives up on a connection without data', async () => {
    server.answers = [(_, response) => void response.writeHead(200).write('x'), serve(body)];
    await get(known, { patience: 100 });
    expectWhole();
  });

  it('stops on request and keeps the received part', async () => {
    const controller = new AbortController();
    server.answers = [
      (_, response) => {
        response.writeHead(200, { 'content-length': body.length });
        response.write(body.subarray(0, 1000), () => setTimeout(() => controller.abort(), 30));
      },
    ];
    const error = await failure(get(known, { signal: controller.signal }));
    expect(error.code).to.equal('interrupted');
    expect(fs.statSync(`${file}.part`).size).to.equal(1000);
    server.answers = [serve(body)];
    await get(known);
    expectWhole();
    expect(ranges().at(-1)).to.equal('bytes=1000-');
  });

  it('follows redirects', async () => {
    server.answers = [status(302, { location: '/elsewhere' }), serve(body)];
    await get(known);
    expectWhole();
  });

  it('leaves the unfinished part of another running process alone', async () => {
    fs.mkdirSync(path.dirname(file));
    fs.writeFileSync(`${file}.lock`, '1');
    fs.writeFileSync(`${file}.part`, body.subarray(0, 10));
    server.answers = [serve(body)];
    await get(known);
    expect(fs.readFileSync(file).equals(body)).to.be.true;
    expect(fs.readdirSync(path.dirname(file)).sort()).to.deep.equal(['net.onnx', 'net.onnx.lock', 'net.onnx.part']);
  });

  describe('of a published file', () => {
    const published = (url?: string): PublishedFile => ({ path: 'models/net.onnx', ...known, ...(url && { url }) });
    let cacheFolder: string;
    let mirror: string;
    beforeEach(() => {
      [cacheFolder, mirror] = ['cache', 'mirror'].map((name) => path.join(folder, name));
      fs.mkdirSync(mirror);
    });
    const wait = () => Promise.resolve();
    const put = (name: string, bytes = body) => {
      fs.mkdirSync(path.dirname(path.join(mirror, name)), { recursive: true });
      fs.writeFileSync(path.join(mirror, name), bytes);
      return path.join(mirror, name);
    };

    it('uses a folder as a mirror, by path or by name, without copying', async () => {
      const byName = put('net.onnx');
      expect(await fetchFile([published()], { cacheFolder, mirror })).to.equal(byName);
      const byPath = put('models/net.onnx');
      expect(await fetchFile([published()], { cacheFolder, mirror })).to.equal(byPath);
      expect(sourceOf([published()], { cacheFolder, mirror })).to.include({ from: 'mirror', location: byPath });
      expect(fs.existsSync(cacheFolder)).to.be.false;
    });

    it('names a wrong file of the mirror', async () => {
      put('net.onnx', other);
      const error = await failure(fetchFile([published(server.url)], { cacheFolder, mirror }));
      expect(error.code).to.equal('corrupt');
      expect(error.message).to.contain(path.join(mirror, 'net.onnx'));
    });

    it('accepts either of two forms', async () => {
      const headless = {
        path: 'models/net-features.onnx',
        bytes: other.length,
        sha256: createHash('sha256').update(other).digest('hex'),
      };
      const place = put('models/net-features.onnx', other);
      expect(await fetchFile([published(server.url), headless], { cacheFolder, mirror })).to.equal(place);
      expect(server.seen).to.deep.equal([]);
    });

    it('downloads it once, and again when the cached copy is damaged', async () => {
      server.answers = [serve(body)];
      const file = published(`${server.url}/origin/net.onnx`);
      expect(sourceOf([file], { cacheFolder, mirror })).to.include({ from: 'download', location: file.url });
      const place = await fetchFile([file], { cacheFolder, mirror, wait });
      expect(place).to.equal(path.join(cacheFolder, 'models/net.onnx'));
      expect(await fetchFile([file], { cacheFolder, mirror, wait })).to.equal(place);
      expect(server.seen).to.have.length(1);
      expect(sourceOf([file], { cacheFolder, mirror })).to.include({ from: 'cache', location: place });
      fs.writeFileSync(place, other);
      await fetchFile([file], { cacheFolder, mirror, wait });
      expect(fs.readFileSync(place).equals(body)).to.be.true;
      expect(server.seen).to.have.length(2);
    });

    it('asks a mirror that is a URL first, then the origin', async () => {
      server.answers = [status(404), status(404), serve(body)];
      const file = published(`${server.url}/origin/net.onnx`);
      await fetchFile([file], { cacheFolder, mirror: `${server.url}/mirror/`, wait });
      expect(server.seen.map((one) => one.path)).to.deep.equal([
        '/mirror/models/net.onnx',
        '/mirror/net.onnx',
        '/origin/net.onnx',
      ]);
    });

    it('goes by CAPTIONER_MIRROR and CAPTIONER_CACHE', async () => {
      const before = { ...process.env };
      const place = put('net.onnx');
      try {
        process.env.CAPTIONER_MIRROR = mirror;
        expect(await fetchFile([published()])).to.equal(place);
        process.env.CAPTIONER_MIRROR = '';
        process.env.CAPTIONER_CACHE = cacheFolder;
        server.answers = [serve(body)];
        expect(await fetchFile([published(server.url)])).to.equal(path.join(cacheFolder, 'models/net.onnx'));
        process.env.CAPTIONER_MIRROR = path.join(folder, 'nowhere');
        expect(await failure(fetchFile([published()]))).to.include({ code: 'not-found' });
      } finally {
        process.env = before;
      }
    });
  });
});
