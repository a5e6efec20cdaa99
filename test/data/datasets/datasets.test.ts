import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openDataset } from '../../../lib/data/datasets/datasets.js';
import { splitPhotos, type Manifest, type Photo } from '../../../lib/data/datasets/manifest.js';
import type { CaptionerError } from '../../../lib/errors.js';

let folder: string;
beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
afterEach(() => fs.rmSync(folder, { recursive: true }));

function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  }
}

const open = (name = '', options = {}) => openDataset(path.join(folder, name), options);

async function failure(promise: Promise<unknown>): Promise<CaptionerError> {
  return await promise.then(
    () => expect.fail('it was opened'),
    (error: unknown) => error as CaptionerError,
  );
}

/** Problems as "line: message". */
const numbered = ({ problems }: Manifest) => problems.map(({ line, message }) => `${line}: ${message}`);
const captionsOf = ({ photos }: Manifest) => Object.fromEntries(photos.map(({ id, captions }) => [id, captions]));

describe('a Flickr8k folder', () => {
  const tokens = [
    'a.jpg#0\tA dog .',
    'a.jpg#1\tA brown dog .',
    'b.jpg#0\tTwo men',
    'c.jpg#0\tA plate of food',
    'd.jpg#0\tIn no split',
  ].join('\n');
  const texts = {
    'Flickr8k.token.txt': tokens,
    'Flickr_8k.trainImages.txt': 'a.jpg\n',
    'Flickr_8k.devImages.txt': 'b.jpg\r\n',
    'Flickr_8k.testImages.txt': 'c.jpg',
  };
  const photosIn = (name: string) =>
    Object.fromEntries(['a', 'b', 'c', 'd'].map((photo) => [`${name}/${photo}.jpg`, 'photo']));

  it('gives photos with captions and splits', async () => {
    write({ ...texts, ...photosIn('images') });
    const manifest = await open();
    expect(manifest.name).to.equal('flickr8k');
    expect(manifest.problems).to.deep.equal([]);
    expect(manifest.photos[0]).to.deep.equal({
      id: 'a.jpg',
      file: path.join(folder, 'images', 'a.jpg'),
      split: 'train',
      captions: ['A dog .', 'A brown dog .'],
    } satisfies Photo);
    expect(manifest.photos.map(({ split }) => split)).to.deep.equal(['train', 'dev', 'test', undefined]);
    expect(manifest.photos[3]).to.not.have.property('split');
  });

  it('may have its photos elsewhere', async () => {
    write({
      ...Object.fromEntries(Object.entries(texts).map(([name, text]) => [`lists/${name}`, text])),
      ...photosIn('x'),
    });
    const manifest = await open('lists', { photos: path.join(folder, 'x') });
    expect(manifest.photos[0].file).to.equal(path.join(folder, 'x', 'a.jpg'));
    expect((await failure(open('lists'))).message).to.contain('There is no folder of photos in');
    expect(await failure(open('x', { photos: folder }))).to.include({ code: 'bad-option' });
  });

  for (const name of ['Flicker8k_Dataset', 'Flickr8k_Dataset', 'Flickr8k_Dataset/Flicker8k_Dataset']) {
    it(`is found as its archives unpack: Flickr8k_text beside ${name}`, async () => {
      const moved = Object.fromEntries(Object.entries(texts).map(([file, text]) => [`Flickr8k_text/${file}`, text]));
      write({ ...moved, ...photosIn(name) });
      const { photos } = await open();
      expect(photos.map(({ file }) => file)).to.deep.equal(
        ['a', 'b', 'c', 'd'].map((photo) => path.join(folder, name, `${photo}.jpg`)),
      );
    });
  }

  it('reports unusable lines by number, and uses the rest', async () => {
    write({
      ...texts,
      ...photosIn('images'),
      'Flickr8k.token.txt': `\uFEFFa.jpg#0\tA dog .\r\n\r\na.jpg#1 A space for a tab\nno number\tA dog\na.jpg.1#0\tNowhere\nb.jpg#0\t  \nb.jpg#0\tTwo men\nb.jpg#0\tTwo men again\n`,
      'Flickr_8k.trainImages.txt': 'a.jpg\nmissing.jpg\na.jpg\n',
      'Flickr_8k.devImages.txt': 'a.jpg\nb.jpg\n',
      'Flickr_8k.testImages.txt': '',
    });
    const manifest = await open();
    expect(captionsOf(manifest)).to.deep.equal({ 'a.jpg': ['A dog .'], 'b.jpg': ['Two men'] });
    expect(numbered(manifest)).to.deep.equal([
      '3: "a.jpg#1 A space for a tab" is not a photo\'s name, # and a number, a tab and a caption',
      '4: "no number\tA dog" is not a photo\'s name, # and a number, a tab and a caption',
      '5: there is no photo a.jpg.1',
      '6: the caption of b.jpg is empty',
      '8: b.jpg#0 already has a caption',
      '2: there is no captioned photo missing.jpg',
      '3: a.jpg is named twice',
      '1: a.jpg is already in train',
    ]);
    expect(manifest.problems.map(({ source }) => path.basename(source)).slice(-2)).to.deep.equal([
      'Flickr_8k.trainImages.txt',
      'Flickr_8k.devImages.txt',
    ]);
  });

  it('names the missing files', async () => {
    write(texts);
    const error = await failure(open());
    expect(error.code).to.equal('not-found');
    expect(error.message).to.contain('images, Images, ').and.contain('Flicker8k_Dataset');
    write({ 'images/other.jpg': '' });
    expect((await failure(open())).message).to.contain('None of the captions');
  });

  it('has 8,091 photos, 40,455 captions and the official splits', async function () {
    const mirror = process.env.CAPTIONER_MIRROR;
    if (!mirror || !fs.existsSync(path.join(mirror, 'data/flickr8k'))) {
      console.log('      NOT CHECKED: the real Flickr8k, which needs CAPTIONER_MIRROR with data/flickr8k');
      return this.skip();
    }
    const manifest = await openDataset('flickr8k');
    expect(manifest.photos).to.have.length(8091);
    expect(manifest.photos.flatMap(({ captions }) => captions)).to.have.length(40455);
    const count = (split?: string) => manifest.photos.filter((photo) => photo.split === split).length;
    expect([count('train'), count('dev'), count('test'), count()]).to.deep.equal([6000, 1000, 1000, 91]);
    expect(manifest.problems.map(({ message }) => message)).to.deep.equal(
      Array.from({ length: 5 }, () => 'there is no photo 2258277193_586949ec62.jpg.1'),
    );
  });
});

describe('a CSV of own photos', () => {
  it('joins the rows of a photo and keeps its split', async () => {
    write({
      'list.csv': 'file,caption,split\na.jpg,a dog,train\nsub/b.jpg,"two men, one bike",val\na.jpg,a "brown" dog,\n',
      'a.jpg': '',
      'sub/b.jpg': '',
    });
    // The quotes in the last line are no CSV quotes: that line is reported, the others are not lost.
    const manifest = await open('list.csv');
    expect(manifest.name).to.equal('list');
    expect(manifest.photos).to.deep.equal([
      { id: 'a.jpg', file: path.join(folder, 'a.jpg'), split: 'train', captions: ['a dog'] },
      { id: 'sub/b.jpg', file: path.join(folder, 'sub/b.jpg'), split: 'dev', captions: ['two men, one bike'] },
    ]);
    expect(numbered(manifest)).to.deep.equal(['4: an unclosed quote, or a quote inside a field']);
    write({ 'list.csv': 'file,caption,split\na.jpg,a dog,\na.jpg,"a ""brown"" dog",test\n' });
    expect((await open('list.csv')).photos[0]).to.deep.include({ split: 'test', captions: ['a dog', 'a "brown" dog'] });
  });

  it('reports unusable rows by number', async () => {
    write({
      'list.csv':
        '\uFEFFcaption;file;split\r\na dog;a.jpg;train\r\n\r\n"a\ndog";a.jpg;train\r\none;two;three;four\r\nnone;nowhere.jpg;train\r\n;a.jpg;train\r\na cat;a.jpg;sometimes\r\na cat;a.jpg;test\r\na cat;;train\r\n',
      'a.jpg': '',
    });
    const manifest = await open('list.csv');
    expect(captionsOf(manifest)).to.deep.equal({ 'a.jpg': ['a dog', 'a\ndog'] });
    expect(numbered(manifest)).to.deep.equal([
      '6: 4 fields instead of 3: a caption with a comma needs "quotes"',
      `7: there is no photo ${path.join(folder, 'nowhere.jpg')}`,
      '8: an empty caption of a.jpg',
      "9: split 'sometimes' is not one of train, dev, test",
      '10: a.jpg is already in train',
      '11: no file',
    ]);
  });

  it('loses only the line of an unclosed quote', async () => {
    write({ 'list.csv': 'file,caption\na.jpg,"a dog\na.jpg,"two, of them"\na.jpg,three\n', 'a.jpg': '' });
    const manifest = await open('list.csv');
    expect(captionsOf(manifest)).to.deep.equal({ 'a.jpg': ['two, of them', 'three'] });
    expect(numbered(manifest)).to.deep.equal(['2: an unclosed quote, or a quote inside a field']);
  });

  it('finds photos in a given folder, and without captions', async () => {
    write({ 'lists/list.csv': 'file\na.jpg\n', 'photos/a.jpg': '' });
    const { photos } = await open('lists/list.csv', { photos: path.join(folder, 'photos') });
    expect(photos).to.deep.equal([{ id: 'a.jpg', file: path.join(folder, 'photos/a.jpg'), captions: [] }]);
    expect((await failure(open('lists/list.csv'))).message).to.contain('None of the 1 photos');
  });

  it('needs a header', async () => {
    write({ 'list.csv': 'a.jpg,a dog\n', 'empty.csv': '' });
    const error = await failure(open('list.csv'));
    expect(error.code).to.equal('bad-input');
    expect(error.message).to.contain('a.jpg,a dog').and.contain('file,caption');
    expect(await failure(open('empty.csv'))).to.include({ code: 'bad-input' });
  });
});

describe('JSON lines of own photos', () => {
  it('join, with one caption or several', async () => {
    write({
      'list.jsonl':
        '{"file": "a.jpg", "caption": "a dog", "split": "dev", "licence": "mine"}\n\n{"file": "a.jpg", "captions": ["a pup", "dogs"]}\n{"file": "b.jpg"}',
      'a.jpg': '',
      'b.jpg': '',
    });
    const manifest = await open('list.jsonl');
    expect(manifest.problems.map(({ message }) => message)).to.deep.equal(['the field "licence" is not used']);
    expect(manifest.photos.map(({ id, split, captions }) => ({ id, split, captions }))).to.deep.equal([
      { id: 'a.jpg', split: 'dev', captions: ['a dog', 'a pup', 'dogs'] },
      { id: 'b.jpg', split: undefined, captions: [] },
    ]);
  });

  it('report unusable lines by number', async () => {
    const lines = ['{"file": "a.jpg"', '[]', '{"caption": "x"}', '{"file": "a.jpg", "caption": 3}'];
    const more = ['{"file": "a.jpg", "captions": [""]}', '{"file": "a.jpg", "split": 1}', '{"file": "a.jpg"}'];
    write({ 'list.jsonl': [...lines, ...more].join('\n'), 'a.jpg': '' });
    const manifest = await open('list.jsonl');
    expect(captionsOf(manifest)).to.deep.equal({ 'a.jpg': [] });
    expect(manifest.problems.map(({ line }) => line)).to.deep.equal([1, 2, 3, 4, 5, 6]);
    expect(numbered(manifest)[1]).to.equal('2: not an object {"file": …}');
  });
});

describe('openDataset', () => {
  it('makes a data set of a folder of photos', async () => {
    write({ 'photos/b.jpg': '', 'photos/deep/a.png': '', 'photos/readme.txt': '' });
    const manifest = await open('photos');
    expect(manifest.name).to.equal('photos');
    expect(captionsOf(manifest)).to.deep.equal({ 'b.jpg': [], 'deep/a.png': [] });
    expect(manifest.photos[1].file).to.equal(path.join(folder, 'photos/deep/a.png'));
  });

  it('says what it needs if it gets something else', async () => {
    write({ 'list.txt': '' });
    expect(await failure(open('list.txt'))).to.include({ code: 'bad-input' });
    expect(await failure(open('missing.csv'))).to.include({ code: 'not-found' });
    expect(await failure(open())).to.include({ code: 'not-found' });
  });
});

describe('splitPhotos', () => {
  const photos = Array.from({ length: 57 }, (_, i): Photo => ({ id: `${i}.jpg`, file: `/${i}.jpg`, captions: [] }));
  const manifest: Manifest = { name: 'mine', photos, problems: [] };
  const splitOf = ({ photos }: Manifest) => new Map(photos.map(({ id, split }) => [id, split]));

  it('gives a tenth to dev and a tenth to test', () => {
    const splits = [...splitOf(splitPhotos(manifest)).values()];
    const count = (split: string) => splits.filter((one) => one === split).length;
    expect([count('train'), count('dev'), count('test')]).to.deep.equal([45, 6, 6]);
    const three = splitPhotos({ ...manifest, photos: photos.slice(0, 3) });
    expect(new Set(splitOf(three).values()).size).to.equal(3);
  });

  it('depends on the seed, not on the order of the photos', () => {
    const reversed = { ...manifest, photos: [...photos].reverse() };
    expect(splitOf(splitPhotos(manifest, 4))).to.deep.equal(new Map([...splitOf(splitPhotos(reversed, 4))].reverse()));
    expect(splitOf(splitPhotos(manifest, 4))).to.not.deep.equal(splitOf(splitPhotos(manifest, 5)));
  });

  it("leaves a data set's own splits alone", () => {
    const own = { ...manifest, photos: [{ ...photos[0], split: 'dev' as const }, ...photos.slice(1)] };
    expect(splitPhotos(own)).to.equal(own);
  });
});
