import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { Captioner, type PhotoSource } from '../../lib/captioner/captioner.js';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

describe('photos to caption', () => {
  let folder: string;
  let file: string;
  let bytes: Buffer;
  let captioner: Captioner;
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(path.join(folder, 'tiny'));
    bytes = await colouredPhoto([200, 40, 40]);
    file = path.join(folder, 'a photo é.jpg');
    fs.writeFileSync(file, bytes);
    captioner = await Captioner.load(path.join(folder, 'tiny'));
  });
  after(async () => {
    await captioner.release();
    fs.rmSync(folder, { recursive: true });
  });

  it('are paths, file URLs, buffers, blobs and streams', async () => {
    const [{ captions: wanted }] = await captioner.caption([file], { n: 2 });
    expect(wanted).to.have.length(2);
    const sources: PhotoSource[] = [
      pathToFileURL(file),
      pathToFileURL(file).href,
      bytes,
      new Uint8Array(bytes).buffer,
      new Blob([new Uint8Array(bytes)]),
      fs.createReadStream(file),
      Readable.from([bytes.subarray(0, 100), bytes.subarray(100)]),
      new Blob([new Uint8Array(bytes)]).stream(),
      { file: 'named', bytes: new Blob([new Uint8Array(bytes)]) },
    ];
    const found = await captioner.caption(sources, { n: 2 });
    expect(found.map(({ error }) => error?.message)).to.deep.equal(sources.map(() => undefined));
    for (const { captions } of found) expect(captions).to.deep.equal(wanted);
    expect(found.at(-1)!.file).to.equal('named');
    expect(found[2].file).to.equal('photo 3');
  });

  it('may be a single photo, without a list', async () => {
    const [{ captions: wanted }] = await captioner.caption([file]);
    for (const photo of [file, bytes])
      expect((await captioner.caption(photo)).map(({ captions }) => captions)).to.deep.equal([wanted]);
  });

  it('are errors in their places if they are not photos', async () => {
    const wrong = [
      file,
      null,
      bytes,
      5,
      'https://example.org/a.jpg',
      undefined,
      { bytes: 'text' },
      Readable.from(['text']),
      ['a'],
      `a\0b`,
    ];
    const found = await captioner.caption(wrong as PhotoSource[]);
    expect(found.map(({ error }) => error?.code ?? 'fine')).to.deep.equal([
      'fine',
      'bad-input',
      'fine',
      ...Array<string>(6).fill('bad-input'),
      'bad-image',
    ]);
    expect(found[1].error!.message).to.equal(
      'photo 2 is null. A photo is a path, a file URL, a Buffer, a Blob, a stream, or {file, bytes}.',
    );
    expect(found[4].error!.message).to.match(/a web address, which is not fetched/);
    for (const { captions, error } of found) expect(captions).to.have.length(error ? 0 : 1);
  });
});
