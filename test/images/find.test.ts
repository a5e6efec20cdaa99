import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { CaptionerError } from '../../lib/errors.js';
import { findPhotos } from '../../lib/images/find.js';

describe('findPhotos', () => {
  let folder: string;
  const at = (...names: string[]) => names.map((name) => path.join(folder, name));

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const files = ['10.jpg', '9.JPG', 'b/deep/er.webp', 'b/a.png', 'notes.txt', '.hidden.jpg', 'odd [x].jpeg'];
    for (const file of files) {
      fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      fs.writeFileSync(path.join(folder, file), '');
    }
    fs.writeFileSync(path.join(folder, 'photo-without-extension'), '\xff\xd8\xff\xe0 and so on', 'latin1');
    fs.mkdirSync(path.join(folder, 'empty'));
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  it("lists a folder's photos by name, with those of its subfolders, without hidden ones", async () => {
    expect(await findPhotos([folder])).to.deep.equal(
      at('9.JPG', '10.jpg', 'b/a.png', 'b/deep/er.webp', 'odd [x].jpeg', 'photo-without-extension'),
    );
  });

  it('lists the photos that a glob matches', async () => {
    expect(await findPhotos([`${folder}/*.jpg`])).to.deep.equal(at('10.jpg'));
    expect(await findPhotos([`${folder}/{b/**,*}/*.{png,webp}`])).to.deep.equal(at('b/a.png', 'b/deep/er.webp'));
    expect(await findPhotos([`${folder}/*`])).to.not.include(at('notes.txt')[0]);
  });

  it('keeps names and their order, each once', async () => {
    const [text, missing, odd] = at('notes.txt', 'missing.jpg', 'odd [x].jpeg');
    expect(await findPhotos([text, missing, odd, text])).to.deep.equal([text, missing, odd]);
    expect(await findPhotos([odd, folder])).to.have.length(6);
  });

  it('gives relative paths for relative sources', async () => {
    const relative = path.relative('.', path.join(folder, 'b'));
    expect(await findPhotos([relative])).to.deep.equal([
      path.join(relative, 'a.png'),
      path.join(relative, 'deep/er.webp'),
    ]);
  });

  it('names the places without photos', async () => {
    for (const source of at('empty', '*.tiff')) {
      const error = await findPhotos([source]).then(
        () => expect.fail('something was found'),
        (e: unknown) => e as CaptionerError,
      );
      expect(error.code).to.equal('not-found');
      expect(error.message).to.contain(source);
    }
  });
});
