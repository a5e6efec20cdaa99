import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openDataset } from '../../../lib/data/datasets/datasets.js';
import type { Manifest } from '../../../lib/data/datasets/manifest.js';
import { summarise } from '../../../lib/data/datasets/summary.js';
import type { CaptionerError } from '../../../lib/errors.js';

let folder: string;
beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
afterEach(() => fs.rmSync(folder, { recursive: true }));
const at = (...names: string[]) => path.join(folder, ...names);

function write(files: Record<string, unknown>): void {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(at(name)), { recursive: true });
    fs.writeFileSync(at(name), typeof content === 'string' ? content : JSON.stringify(content));
  }
}

async function failure(promise: Promise<unknown>): Promise<CaptionerError> {
  return await promise.then(
    () => expect.fail('it was opened'),
    (error: unknown) => error as CaptionerError,
  );
}

const brief = ({ photos }: Manifest) =>
  photos.map(({ id, split, captions }) => `${id} ${split ?? '-'}: ${captions.join(' | ')}`);
const messages = ({ problems }: Manifest) => problems.map(({ message }) => message);

/** A COCO list with all that the real ones hold beside what is read. */
const coco = (images: [id: number, name: string][], captions: [id: number, caption: string][]) => ({
  info: { description: 'COCO 2014 Dataset', year: 2014 },
  images: images.map(([id, file_name]) => ({ license: 5, file_name, coco_url: 'http://…', height: 640, id })),
  licenses: [{ id: 1, name: 'Attribution' }],
  annotations: captions.map(([image_id, caption], id) => ({ image_id, id, caption })),
});

const train = coco(
  [
    [57870, 'COCO_train2014_000000057870.jpg'],
    [9, 'COCO_train2014_000000000009.jpg'],
  ],
  [
    [9, 'A meal in boxes. '],
    [57870, 'A restaurant\nwith chairs'],
    [9, 'Broccoli'],
  ],
);
const val = coco([[42, 'COCO_val2014_000000000042.jpg']], [[42, 'A dog on shoes']]);
const photos = {
  'train2014/COCO_train2014_000000057870.jpg': '',
  'train2014/COCO_train2014_000000000009.jpg': '',
  'val2014/COCO_val2014_000000000042.jpg': '',
};
const annotations = { 'annotations/captions_train2014.json': train, 'annotations/captions_val2014.json': val };
const expected = [
  'train2014/COCO_train2014_000000057870.jpg train: A restaurant\nwith chairs',
  'train2014/COCO_train2014_000000000009.jpg train: A meal in boxes. | Broccoli',
  'val2014/COCO_val2014_000000000042.jpg dev: A dog on shoes',
];

describe('COCO captions', () => {
  it('are read from their folder, with the official splits', async () => {
    write({ ...annotations, ...photos });
    // For object detection: alike, but not captions.
    write({
      'annotations/instances_val2014.json': { images: [{ id: 42, file_name: 'x' }], annotations: [{ bbox: [] }] },
    });
    const manifest = await openDataset(folder);
    expect(manifest).to.deep.include({ name: 'coco2014', problems: [] });
    expect(brief(manifest)).to.deep.equal(expected);
    expect(manifest.photos[2].file).to.equal(at('val2014/COCO_val2014_000000000042.jpg'));
    expect(brief(await openDataset(at('annotations')))).to.deep.equal(expected);
    expect(brief(await openDataset(at('annotations/captions_val2014.json')))).to.deep.equal(expected.slice(2));
  });

  it('have the same ids in any folder', async () => {
    write(annotations);
    for (const [file, text] of Object.entries(photos)) write({ [`images/${file}`]: text });
    expect(brief(await openDataset(folder))).to.deep.equal(expected);
    fs.renameSync(at('images'), at('elsewhere'));
    expect((await failure(openDataset(folder))).message)
      .to.contain('None of the photos')
      .and.contain(at('images/val2014'));
    expect(brief(await openDataset(folder, { photos: at('elsewhere') }))).to.deep.equal(expected);
    fs.mkdirSync(at('flat'));
    for (const file of Object.keys(photos)) fs.writeFileSync(at('flat', path.basename(file)), '');
    expect(brief(await openDataset(folder, { photos: at('flat') }))).to.deep.equal(expected);
  });

  it('leave out missing photos, and report them once', async () => {
    write({ ...annotations, 'train2014/COCO_train2014_000000000009.jpg': '' });
    const manifest = await openDataset(folder);
    expect(brief(manifest)).to.deep.equal(expected.slice(1, 2));
    expect(messages(manifest)).to.deep.equal([
      `1 of 2 photos are not in ${at('train2014')} (COCO_train2014_000000057870.jpg): they are left out`,
      `none of its 1 photos was found in ${['annotations/val2014', 'annotations/images/val2014', 'val2014', 'images/val2014', 'annotations', 'annotations/images', '', 'images'].map((name) => path.join(folder, name)).join(', ')}`,
    ]);
  });

  it('leave out unusable entries, and name them', async () => {
    const list = coco([[1, 'a.jpg'], [2, 'b.jpg'], [1, 'c.jpg'], [3, 'd.jpg']], [[1, 'a dog'], [1, ' '], [7, 'nobody'], [3, '']]); // prettier-ignore
    const odd = {
      ...list,
      images: [...list.images, { id: 9 }, 'x'],
      annotations: [...list.annotations, { image_id: 2, caption: null }],
    };
    write({ 'mine.json': odd, 'a.jpg': '', 'b.jpg': '', 'd.jpg': '' });
    const manifest = await openDataset(at('mine.json'));
    expect(manifest.name).to.equal('mine');
    expect(brief(manifest)).to.deep.equal(['a.jpg -: a dog']);
    const found = messages(manifest);
    expect(found.slice(0, 2)).to.deep.equal([
      'two images have the id 1',
      'images[4].file_name: Invalid input: expected string, received undefined',
    ]);
    expect(found.slice(2)).to.deep.equal([
      'images[5]: Invalid input: expected object, received string',
      'an empty caption of a.jpg',
      'a caption of the image 7, which is not listed',
      'an empty caption of d.jpg',
      'annotations[4].caption: Invalid input: expected string, received null',
      '2 photos have no caption (b.jpg, d.jpg): they are left out',
    ]);
  });

  it('may be photos without captions', async () => {
    const { images } = val;
    write({ 'image_info_test2014.json': { images, categories: [] }, 'test2014/COCO_val2014_000000000042.jpg': '' });
    const { photos } = await openDataset(at('image_info_test2014.json'));
    expect(photos).to.have.length(1);
    expect(photos[0]).to.deep.include({ split: 'test', captions: [] });
  });

  it('report a file of another format', async () => {
    const text = JSON.stringify(train);
    write({
      'captions_train2014.json': text.slice(0, -200),
      'other.json': { a: 1 },
      'list.json': '[1]',
      'captions_x.json': '{"file_name": 1}',
    });
    const cut = await failure(openDataset(at('captions_train2014.json')));
    expect(cut.code).to.equal('bad-input');
    expect(cut.message).to.contain('captions_train2014.json is not a complete JSON file').and.contain('truncated');
    for (const name of ['other.json', 'list.json']) {
      expect((await failure(openDataset(at(name)))).message, name).to.match(/holds neither .* nor COCO captions/);
    }
    expect((await failure(openDataset(at('captions_x.json')))).message).to.contain('no list "images"');
  });

  it('of twenty thousand photos are read in one go', async () => {
    const count = 20_000;
    const name = (i: number) => `COCO_train2014_${String(i).padStart(12, '0')}.jpg`;
    const ids = Array.from({ length: count }, (_, i) => i);
    write({
      'captions_train2014.json': coco(
        ids.map((i) => [i, name(i)]),
        ids.flatMap((i) =>
          Array.from({ length: 5 }, (_, k): [number, string] => [i, `a photo of thing ${i} number ${k}`]),
        ),
      ),
    });
    fs.mkdirSync(at('train2014'));
    for (const i of ids) fs.writeFileSync(at('train2014', name(i)), '');
    const manifest = await openDataset(folder);
    expect(manifest.problems).to.deep.equal([]);
    expect(manifest.photos).to.have.length(count);
    expect(manifest.photos.at(-1)!.captions).to.have.length(5);
  });
});

describe("Karpathy's splits", () => {
  const image = (filename: string, split: string, raw: string[], filepath?: string) => ({
    ...(filepath && { filepath }),
    filename,
    split,
    sentids: [1],
    imgid: 0,
    sentences: raw.map((text) => ({ tokens: text.toLowerCase().split(' '), raw: text, imgid: 0, sentid: 1 })),
    cocoid: 9,
  });
  const list = {
    images: [
      image('COCO_val2014_000000000042.jpg', 'restval', ['A dog.', 'Shoes'], 'val2014'),
      image('COCO_val2014_000000000073.jpg', 'val', ['A bike'], 'val2014'),
      image('COCO_train2014_000000000009.jpg', 'train', ['A meal'], 'train2014'),
      image('COCO_val2014_000000000074.jpg', 'test', ['A street'], 'val2014'),
    ],
    dataset: 'coco',
  };
  const lines = [
    'val2014/COCO_val2014_000000000042.jpg train: A dog. | Shoes',
    'val2014/COCO_val2014_000000000073.jpg dev: A bike',
    'train2014/COCO_train2014_000000000009.jpg train: A meal',
    'val2014/COCO_val2014_000000000074.jpg test: A street',
  ];

  it('of COCO go before the official ones; restval is for training', async () => {
    write({ ...annotations, 'dataset_coco.json': list });
    for (const { filepath, filename } of list.images) write({ [`${filepath}/${filename}`]: '' });
    const manifest = await openDataset(folder);
    expect(manifest).to.deep.include({ name: 'coco-karpathy', problems: [] });
    expect(brief(manifest)).to.deep.equal(lines);
    expect(summarise(manifest).splits).to.deep.equal({
      train: { photos: 2, captions: 3 },
      dev: { photos: 1, captions: 1 },
      test: { photos: 1, captions: 1 },
    });
    expect((await openDataset(at('annotations'))).name).to.equal('coco2014');
  });

  it('find their photos in one folder, too, and miss some', async () => {
    write({
      'lists/dataset_coco.json': list,
      'all/COCO_val2014_000000000042.jpg': '',
      'all/COCO_train2014_000000000009.jpg': '',
    });
    const manifest = await openDataset(at('lists/dataset_coco.json'), { photos: at('all') });
    expect(brief(manifest)).to.deep.equal([lines[0], lines[2]]);
    expect(manifest.photos[0].file).to.equal(at('all/COCO_val2014_000000000042.jpg'));
    expect(messages(manifest)[0]).to.match(/^2 of 4 photos are not in .*all/);
    const error = await failure(openDataset(at('lists/dataset_coco.json')));
    expect(error.code).to.equal('not-found');
    expect(error.message).to.contain('None of the 4 photos').and.contain(at('images'));
  });

  it('of Flickr8k and Flickr30k have ids as their own lists have', async () => {
    const images = [image('1.jpg', 'train', ['a man']), image('2.jpg', 'val', ['a boy'])];
    write({
      'a/dataset_flickr8k.json': { images, dataset: 'flickr8k' },
      'a/Flicker8k_Dataset/1.jpg': '',
      'a/Flicker8k_Dataset/2.jpg': '',
      'b/dataset_flickr30k.json': { images, dataset: 'flickr30k' },
      'b/flickr30k-images/1.jpg': '',
      'b/flickr30k-images/2.jpg': '',
    });
    for (const place of ['a', 'b'])
      expect(brief(await openDataset(at(place)))).to.deep.equal(['1.jpg train: a man', '2.jpg dev: a boy']);
    write({ 'a/dataset_flickr30k.json': { images, dataset: 'flickr30k' } });
    expect((await failure(openDataset(at('a')))).message)
      .to.contain('several data sets')
      .and.contain('dataset_flickr30k.json');
  });

  it('leave out unusable entries, and name them', async () => {
    const images = [
      image('1.jpg', 'train', ['a man', ' ']),
      image('1.jpg', 'train', ['again']),
      image('2.jpg', 'sometimes', ['a boy']),
      image('3.jpg', 'test', []),
      { filename: '4.jpg', split: 'test', sentences: [{ tokens: ['from', 'tokens'] }] },
      { filename: '5.jpg', split: 'test' },
    ];
    write({ 'dataset_mine.json': { images }, '1.jpg': '', '4.jpg': '' });
    const manifest = await openDataset(at('dataset_mine.json'));
    expect(brief(manifest)).to.deep.equal(['1.jpg train: a man', '4.jpg test: from tokens']);
    expect(messages(manifest)).to.deep.equal([
      '1 empty captions of 1.jpg',
      '1.jpg is listed twice',
      "the split 'sometimes' of 2.jpg is not one of train, restval, val, test",
      '3.jpg has no caption',
      'images[5].sentences: Invalid input: expected array, received undefined',
    ]);
  });
});
