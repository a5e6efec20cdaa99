import { expect } from 'chai';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  downloadDataset,
  missingArchives,
  type DatasetDownloadOptions,
} from '../../../lib/data/datasets/dataset-download.js';
import { openDataset } from '../../../lib/data/datasets/datasets.js';
import {
  publishedDataset,
  publishedDatasets,
  type PublishedArchive,
  type PublishedDataset,
} from '../../../lib/data/datasets/published-datasets.js';
import type { CaptionerError } from '../../../lib/errors.js';
import { Random } from '../../../lib/random.js';
import { ScriptedServer, serve, status } from '../../files/server.js';
import { zipOf } from '../../files/zip-files.js';

const random = new Random(4);
const noise = (length: number) => Buffer.from(Uint8Array.from({ length }, () => random.integer(256)));

describe('the download of a data set', function () {
  this.timeout(60_000);
  let folder: string;
  let server: ScriptedServer;
  let waits: number[];
  let captions: Buffer;
  let photos: Buffer;
  before(async () => {
    captions = await zipOf({
      'captions/Flickr8k.token.txt': 'never unpacked',
      'Flickr8k.token.txt': 'a.jpg#0\ta dog\nb.jpg#0\ta cat\n',
      'readme.txt': 'x',
    });
    photos = await zipOf(
      { 'photos/': '', 'photos/a.jpg': noise(60_000), 'photos/b.jpg': noise(60_000), '__MACOSX/photos/._a.jpg': 'x' },
      false,
    );
  });
  beforeEach(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    waits = [];
    server = new ScriptedServer();
    await server.start();
  });
  afterEach(async () => {
    await server.stop();
    fs.rmSync(folder, { recursive: true });
  });

  const at = (...names: string[]) => path.join(folder, ...names);
  const archive = (name: string, makes: string[], more: Partial<PublishedArchive> = {}): PublishedArchive => ({
    ...{ path: `tiny/${name}`, url: `${server.url}/${name}`, makes, unpacked: 1000 },
    ...more,
  });
  const dataset = (more: Partial<PublishedArchive> = {}): PublishedDataset => ({
    ...{ name: 'tiny', title: 'tiny', licence: 'none', homepage: 'https://example.org', folder: 'tiny' },
    archives: [archive('text.zip', ['Flickr8k.token.txt']), archive('photos.zip', ['photos'], more)],
  });
  const get = (more: Partial<PublishedArchive> = {}, options: DatasetDownloadOptions = {}) =>
    downloadDataset(dataset(more), {
      folder,
      mirror: '',
      wait: (milliseconds) => Promise.resolve(waits.push(milliseconds)),
      ...options,
    });
  async function failure(promise: Promise<unknown>): Promise<CaptionerError> {
    return await promise.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => error as CaptionerError,
    );
  }
  /** Files in its folder, including hidden ones. */
  const there = () => (fs.readdirSync(at('tiny'), { recursive: true }) as string[]).sort();
  const whole = ['Flickr8k.token.txt', 'photos', 'photos/a.jpg', 'photos/b.jpg'];
  const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex');

  it('unpacks its own files, and leaves no archive', async () => {
    server.answers = [serve(captions), serve(photos)];
    const stages: string[] = [];
    const progress = { start: (task: string) => stages.push(task), update: () => undefined, stop: () => undefined };
    const outcome = await get({ md5: md5(photos), bytes: photos.length }, { progress });
    expect(outcome).to.deep.equal({ folder: at('tiny'), unpacked: ['text.zip', 'photos.zip'] });
    expect(there()).to.deep.equal(whole);
    expect(stages.filter((stage, i) => stage !== stages[i - 1])).to.deep.equal([
      'Downloading text.zip',
      'Unpacking text.zip',
      'Downloading photos.zip',
      'Unpacking photos.zip',
    ]);
    expect(await get()).to.deep.include({ unpacked: [] });
    expect(server.seen).to.have.length(2);
  });

  it('resumes at the point where the connection or another run was cut', async () => {
    const etag = '"one"';
    server.answers = [
      serve(captions),
      serve(photos, { etag, cutAfter: 50_000 }),
      serve(photos, { etag, cutAfter: 30_000 }),
      status(404),
    ];
    expect((await failure(get())).message).to.contain('404');
    expect(there()).to.include('Flickr8k.token.txt').and.not.include('photos');
    server.answers = [serve(photos, { etag })];
    await get();
    expect(there()).to.deep.equal(whole);
    expect(server.seen.map(({ range }) => range)).to.deep.equal([
      undefined,
      undefined,
      'bytes=50000-',
      'bytes=80000-',
      'bytes=80000-',
    ]);
  });

  it('begins again if the file changed or the server does not support ranges', async () => {
    const older = Buffer.from(photos).reverse();
    server.answers = [
      serve(captions),
      serve(older, { etag: '"old"', cutAfter: 50_000 }),
      serve(photos, { etag: '"new"', cutAfter: 60_000 }),
      serve(photos, { etag: '"new"', ignoreRange: true }),
    ];
    await get();
    expect(there()).to.deep.equal(whole);
  });

  it('waits while the server is busy, for the requested time', async () => {
    server.answers = [status(429, { 'retry-after': '3' }), serve(captions), status(503), serve(photos)];
    await get();
    expect(waits).to.deep.equal([3000, 1000]);
    expect(there()).to.deep.equal(whole);
  });

  it('does not believe a wrong length', async () => {
    // Announces more than it has, cuts, and has no more to give: in the end that is an error, not a data set.
    const liar = (
      request: Parameters<ReturnType<typeof serve>>[0],
      response: Parameters<ReturnType<typeof serve>>[1],
    ) => {
      serve(photos, { length: photos.length + 10, cutAfter: photos.length, ignoreRange: true })(request, response);
    };
    server.answers = [serve(captions), liar];
    expect(await failure(get({}, { attempts: 3 }))).to.include({ code: 'download' });
    expect(there()).to.not.include('photos');
    // Announces less than there is: what is cut off is found by the archive itself, and nothing of it is left.
    server.answers = [serve(photos.subarray(0, -5))];
    const error = await failure(get());
    expect(error.code).to.equal('corrupt');
    expect(error.message).to.contain('photos.zip').and.contain('deleted');
    expect(there()).to.not.include('photos').and.not.include('.download/tiny/photos.zip');
    server.answers = [serve(photos)];
    await get();
    expect(there()).to.deep.equal(whole);
  });

  it('refuses an archive with another checksum, and one with damage inside', async () => {
    const damaged = Buffer.from(photos);
    damaged[photos.indexOf('photos/b.jpg') + 5000] ^= 1;
    server.answers = [serve(captions), serve(damaged)];
    const other = await failure(get({ md5: md5(photos) }));
    expect(other.message).to.contain('MD5').and.contain(md5(photos));
    const error = await failure(get());
    expect(error.message).to.contain('checksum of photos/b.jpg').and.contain('deleted');
    server.answers = [serve(await zipOf({ 'other/a.jpg': 'x' }))];
    expect((await failure(get())).message).to.contain('does not hold photos');
    server.answers = [serve(Buffer.from('<html>Not here</html>'))];
    expect((await failure(get())).message).to.contain('not a zip archive');
    expect(there()).to.not.include('photos');
  });

  it('shows nothing before it is whole, and is finished after a stop at any moment', async () => {
    server.answers = [serve(captions), serve(photos)];
    for (const stopAt of [
      'Downloading text.zip',
      'Unpacking text.zip',
      'Downloading photos.zip',
      'Unpacking photos.zip',
    ]) {
      const controller = new AbortController();
      let stage = '';
      const progress = {
        start: (task: string) => (stage = task),
        update: () => {
          if (stage === stopAt) controller.abort();
          if (stage.endsWith('photos.zip')) expect(fs.existsSync(at('tiny/photos'))).to.be.false;
        },
        stop: () => undefined,
      };
      server.answers =
        missingArchives(dataset(), folder).length === 2 ? [serve(captions), serve(photos)] : [serve(photos)];
      const outcome = await get({}, { progress, signal: controller.signal }).then(
        () => undefined,
        (error: unknown) => error as CaptionerError,
      );
      // A file of a few bytes may have been whole before it could be stopped.
      if (outcome) expect(outcome.code).to.equal('interrupted');
    }
    server.answers = [serve(photos)];
    await get();
    expect(there()).to.deep.equal(whole);
  });

  it('replaces what a killed run left behind', async () => {
    fs.mkdirSync(at('tiny/.download/unpacking/photos'), { recursive: true });
    fs.writeFileSync(at('tiny/.download/unpacking/photos/a.jpg'), 'half');
    fs.writeFileSync(at('tiny/.download/lock'), '999999999');
    server.answers = [serve(captions), serve(photos)];
    await get();
    expect(there()).to.deep.equal(whole);
    expect(fs.statSync(at('tiny/photos/a.jpg')).size).to.equal(60_000);
  });

  it('refuses a folder that another process is downloading to', async () => {
    fs.mkdirSync(at('tiny/.download'), { recursive: true });
    fs.writeFileSync(at('tiny/.download/lock'), '1');
    server.answers = [serve(captions)];
    expect((await failure(get())).message)
      .to.contain('Another process')
      .and.contain(at('tiny/.download/lock'));
    expect(server.seen).to.deep.equal([]);
  });

  it('uses archives of a mirror, and keeps them there', async () => {
    fs.mkdirSync(at('mirror/tiny'), { recursive: true });
    fs.writeFileSync(at('mirror/tiny/text.zip'), captions);
    fs.writeFileSync(at('mirror/photos.zip'), photos);
    await get({}, { mirror: at('mirror') });
    expect(there()).to.deep.equal(whole);
    expect(fs.existsSync(at('mirror/photos.zip'))).to.be.true;
    expect(server.seen).to.deep.equal([]);
    fs.rmSync(at('tiny'), { recursive: true });
    server.answers = [status(404), serve(captions), serve(photos)];
    await get({}, { mirror: `${server.url}/mirror/`, keepArchives: true });
    expect(server.seen.map((seen) => seen.path)).to.deep.equal([
      '/mirror/tiny/text.zip',
      '/mirror/text.zip',
      '/mirror/tiny/photos.zip',
    ]);
    expect(there()).to.include('.download/tiny/photos.zip');
  });

  it('reports a full disk before it begins', async () => {
    server.answers = [serve(captions), serve(photos)];
    const error = await failure(get({ bytes: 3e9, unpacked: 4e9 }, { freeSpace: () => Promise.resolve(6.5e9) }));
    expect(error.code).to.equal('download');
    expect(error.message).to.contain('photos.zip needs 7.0 GB').and.contain('there are 6.5 GB');
    expect(server.seen).to.have.length(1);
  });
});

describe('the published data sets', () => {
  it('have a licence, an origin and files to unpack', () => {
    for (const { archives, licence, homepage } of publishedDatasets) {
      expect(licence).to.match(/Cite:/);
      expect(homepage).to.match(/^https:/);
      for (const { url, makes, sha256, md5, path: place } of archives) {
        expect(url, place).to.match(/^https?:.*\.zip$/);
        expect(makes).to.not.be.empty;
        // Plain http needs a checksum.
        if (url!.startsWith('http:')) expect(sha256, place).to.match(/^[0-9a-f]{64}$/);
        if (md5 !== undefined) expect(md5).to.match(/^[0-9a-f]{32}$/);
      }
    }
    expect(() => publishedDataset('flick8k')).to.throw("did you mean 'flickr8k'");
  });

  it('are found by openDataset under the same names once they are unpacked', async () => {
    const [before, folder] = [process.cwd(), fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))];
    const mirror = process.env.CAPTIONER_MIRROR;
    delete process.env.CAPTIONER_MIRROR;
    try {
      process.chdir(folder);
      for (const { name } of publishedDatasets) {
        const error = await failureOf(openDataset(name));
        expect(error.message).to.contain(`captioner download ${name}`);
      }
      fs.mkdirSync('data/coco2014/val2014', { recursive: true });
      fs.writeFileSync('data/coco2014/val2014/a.jpg', '');
      const image = { filepath: 'val2014', filename: 'a.jpg', split: 'test', sentences: [{ raw: 'a dog' }] };
      fs.writeFileSync('data/coco2014/dataset_coco.json', JSON.stringify({ images: [image], dataset: 'coco' }));
      expect((await openDataset('coco')).photos).to.have.length(1);
    } finally {
      process.chdir(before);
      if (mirror !== undefined) process.env.CAPTIONER_MIRROR = mirror;
      fs.rmSync(folder, { recursive: true });
    }
  });

  async function failureOf(promise: Promise<unknown>): Promise<CaptionerError> {
    return await promise.then(
      () => expect.fail('it was opened'),
      (error: unknown) => error as CaptionerError,
    );
  }
});
