import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { ScriptedServer, serve } from '../files/server.js';
import { zipOf } from '../files/zip-files.js';

describe('captioner download', function () {
  this.timeout(240_000).slow(20_000);
  let folder: string;
  let server: ScriptedServer;
  let mirror: string;
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    server = new ScriptedServer();
    await server.start();
    mirror = server.url;
  });
  after(async () => {
    await server.stop();
    fs.rmSync(folder, { recursive: true });
  });
  const at = (...names: string[]) => path.join(folder, ...names);

  /** Runs it, and kills it when `until` says so. */
  function captioner(
    args: string[],
    until?: () => boolean,
  ): Promise<{ code: number | null; stdout: string; stderr: string }> {
    return new Promise((resolve, reject) => {
      const env = { ...process.env, DEBUG: '', CAPTIONER_MIRROR: mirror, CAPTIONER_CACHE: at('cache') };
      const child = spawn(process.execPath, ['--import', 'tsx', 'cli/main.ts', ...args], { env });
      const output = { stdout: '', stderr: '' };
      child.stdout.on('data', (text) => (output.stdout += String(text)));
      child.stderr.on('data', (text) => (output.stderr += String(text)));
      const watch = setInterval(() => until?.() && child.kill('SIGKILL'), 1);
      child.on('error', reject).on('close', (code) => {
        clearInterval(watch);
        resolve({ code, ...output });
      });
    });
  }
  const image = { filepath: 'val2014', filename: 'a.jpg', split: 'test', sentences: [{ raw: 'a dog' }] };
  const list = JSON.stringify({
    images: Array.from({ length: 5000 }, (_, i) => ({ ...image, filename: `${i}.jpg` })),
    dataset: 'coco',
  });

  it('is killed halfway, resumes there, shows the licence, and makes a data set', async () => {
    const archive = await zipOf({ 'dataset_coco.json': list, 'dataset_flickr8k.json': '{}' }, false);
    // The photos are here already.
    for (const name of ['train2014', 'val2014']) fs.mkdirSync(at('data/coco2014', name), { recursive: true });
    for (const name of ['0.jpg', '1.jpg']) fs.writeFileSync(at('data/coco2014/val2014', name), '');
    const part = at('data/coco2014/.download/coco/caption_datasets.zip.part');
    const [half, etag] = [Math.floor(archive.length / 2), '"one"'];
    // Half of it comes, then nothing more.
    server.answers = [
      (_, response) =>
        void response.writeHead(200, { 'content-length': archive.length, etag }).write(archive.subarray(0, half)),
    ];
    const arrived = () => fs.existsSync(part) && fs.statSync(part).size === half;
    expect((await captioner(['download', 'coco', '--to', at('data')], arrived)).code).to.equal(null);
    expect(fs.existsSync(at('data/coco2014/dataset_coco.json'))).to.be.false;

    server.answers = [serve(archive, { etag })];
    const { code, stdout, stderr } = await captioner(['download', 'coco', '--to', at('data'), '--json']);
    expect(code).to.equal(0);
    expect(stderr).to.contain('CC BY 4.0').and.contain('Karpathy');
    expect(JSON.parse(stdout)).to.deep.equal([
      { name: 'coco', place: at('data/coco2014'), fetched: ['caption_datasets.zip'] },
    ]);
    expect(server.seen.at(-1)).to.deep.include({
      path: '/coco/caption_datasets.zip',
      range: `bytes=${half}-`,
      ifRange: etag,
    });
    expect(fs.readdirSync(at('data/coco2014')).sort()).to.deep.equal(['dataset_coco.json', 'train2014', 'val2014']);
    const info = await captioner(['info', at('data/coco2014'), '--json']);
    expect(JSON.parse(info.stdout)).to.deep.include({ name: 'coco-karpathy', photos: 2, captions: 2 });
    const again = await captioner(['download', 'coco', '--to', at('data')]);
    expect(again).to.deep.include({ code: 0, stderr: '', stdout: `coco is in ${at('data/coco2014')} already.\n` });
  });

  it('lists the downloads, and suggests names for misspelt ones', async () => {
    const { stdout } = await captioner(['download']);
    expect(stdout)
      .to.match(/^flickr8k +1\.2 GB +8,091 photos/m)
      .and.match(/^coco2017 +20\.4 GB/m)
      .and.match(/^resnet50 +103 MB/m);
    const rows = JSON.parse((await captioner(['download', '--to', at('data'), '--json'])).stdout) as {
      name: string;
      here: boolean;
    }[];
    expect(rows.find(({ name }) => name === 'coco')!.here).to.be.true;
    expect(rows.find(({ name }) => name === 'coco2017')!.here).to.be.false;
    const { code, stderr } = await captioner(['download', 'flickr8k', 'resnet5']);
    expect(code).to.equal(1);
    expect(stderr).to.match(/^captioner: There is no 'resnet5' to download; did you mean 'resnet50'\?/);
  });

  it('uses a data set of the mirror in place', async () => {
    mirror = at('mirror');
    fs.mkdirSync(at('mirror/data/flickr8k'), { recursive: true });
    const { code, stdout, stderr } = await captioner(['download', 'flickr8k', '--to', at('elsewhere')]);
    expect({ code, stdout, stderr }).to.deep.equal({
      code: 0,
      stdout: `flickr8k is in ${at('mirror/data/flickr8k')} already.\n`,
      stderr: '',
    });
  });
});
