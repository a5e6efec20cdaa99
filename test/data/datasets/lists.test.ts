import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openDataset } from '../../../lib/data/datasets/datasets.js';
import type { Manifest } from '../../../lib/data/datasets/manifest.js';
import { summarise } from '../../../lib/data/datasets/summary.js';

let folder: string;
beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
afterEach(() => fs.rmSync(folder, { recursive: true }));

function write(files: Record<string, string | Uint8Array>): void {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), content);
  }
}
const photos = (...names: string[]) => Object.fromEntries(names.map((name) => [name, '']));
const open = (name = '', options = {}) => openDataset(path.join(folder, name), options);
const captionsOf = ({ photos }: Manifest) => Object.fromEntries(photos.map(({ id, captions }) => [id, captions]));
const messages = ({ problems }: Manifest) =>
  problems.map(({ line, message }) => (line === undefined ? message : `${line}: ${message}`));
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it was opened'),
    (error: unknown) => (error as Error).message,
  );

const two = { 'a.jpg': ['a dog', 'a brown dog'], 'b.jpg': ['a cat'] };

describe('common kinds of lists', () => {
  const lists: Record<string, [files: Record<string, string>, open: string, problems?: string[]]> = {
    "Hugging Face's metadata.csv": [
      {
        'data/metadata.csv': 'file_name,text\na.jpg,a dog\na.jpg,a brown dog\nb.jpg,a cat\n',
        ...photos('data/a.jpg', 'data/b.jpg'),
      },
      'data',
    ],
    "Hugging Face's metadata.jsonl": [
      {
        'data/metadata.jsonl':
          '{"file_name": "a.jpg", "text": ["a dog", "a brown dog"]}\n{"file_name": "b.jpg", "text": "a cat"}',
        ...photos('data/a.jpg', 'data/b.jpg'),
      },
      'data',
    ],
    'what captioner caption --jsonl wrote': [
      {
        'list.jsonl':
          '{"file":"a.jpg","captions":[{"caption":"a dog","probability":0.1},{"caption":"a brown dog","confidence":null}]}\n' +
          '{"file":"b.jpg","captions":[{"caption":"a cat","probability":0.3}]}\n',
        ...photos('a.jpg', 'b.jpg'),
      },
      'list.jsonl',
    ],
    "Kaggle's captions.txt, with Images/ beside": [
      {
        'captions.txt': 'image,caption\na.jpg,a dog\na.jpg,a brown dog\nb.jpg,a cat\n',
        ...photos('Images/a.jpg', 'Images/b.jpg'),
      },
      '',
    ],
    "Flickr30k's results.csv": [
      {
        'results.csv': 'image_name| comment_number| comment\na.jpg| 0| a dog\na.jpg| 1| a brown dog\nb.jpg| 0| a cat\n',
        ...photos('flickr30k_images/a.jpg', 'flickr30k_images/b.jpg'),
      },
      'results.csv',
      ['the column "comment_number" is not used'],
    ],
    'tabs between columns': [
      { 'list.tsv': 'image\tcaption\na.jpg\ta dog\na.jpg\ta brown dog\nb.jpg\ta cat\n', ...photos('a.jpg', 'b.jpg') },
      'list.tsv',
    ],
    'several caption columns': [
      { 'list.csv': 'image,caption_1,caption_2\na.jpg,a dog,a brown dog\nb.jpg,a cat,\n', ...photos('a.jpg', 'b.jpg') },
      'list.csv',
    ],
    'a column that comes twice': [
      { 'list.csv': 'file,caption,caption\na.jpg,a dog,a brown dog\nb.jpg,a cat,\n', ...photos('a.jpg', 'b.jpg') },
      'list.csv',
    ],
    "BLIP's JSON": [
      {
        'list.json':
          '[{"image": "a.jpg", "caption": ["a dog", "a brown dog"]}, {"image": "b.jpg", "caption": "a cat"}]',
        ...photos('a.jpg', 'b.jpg'),
      },
      'list.json',
    ],
    "neuraltalk2's JSON": [
      {
        'list.json':
          '[{"file_path": "a.jpg", "captions": ["a dog", "a brown dog"], "id": 3}, {"file_path": "b.jpg", "captions": ["a cat"], "id": 4}]',
        ...photos('a.jpg', 'b.jpg'),
      },
      'list.json',
      ['the field "id" is not used'],
    ],
    'JSON of captions by file': [
      { 'list.json': '{"a.jpg": ["a dog", "a brown dog"], "b.jpg": "a cat"}', ...photos('a.jpg', 'b.jpg') },
      'list.json',
    ],
    'paths of Windows': [
      {
        'list.csv': 'file,caption\nsub\\a.jpg,a dog\nsub\\a.jpg,a brown dog\nC:\\Users\\me\\sub\\b.jpg,a cat\n',
        ...photos('sub/a.jpg', 'sub/b.jpg'),
      },
      'list.csv',
    ],
  };
  for (const [kind, [files, list, problems = []]] of Object.entries(lists)) {
    it(`are read: ${kind}`, async () => {
      write(files);
      const manifest = await open(list);
      const base = (id: string) => id.replace(/^sub\//, '');
      expect(
        Object.fromEntries(Object.entries(captionsOf(manifest)).map(([id, texts]) => [base(id), texts])),
      ).to.deep.equal(two);
      for (const { file } of manifest.photos) expect(fs.existsSync(file), file).to.equal(true);
      expect(messages(manifest)).to.deep.equal(problems);
    });
  }

  it("are joined if Hugging Face's splits are folders", async () => {
    write({
      'train/metadata.csv': 'file_name,text\na.jpg,a dog\n',
      'validation/metadata.csv': 'file_name,text\na.jpg,a cat\n',
      ...photos('train/a.jpg', 'validation/a.jpg'),
    });
    const { photos: found } = await open();
    expect(found.map(({ id, split, captions }) => [id, split, captions[0]])).to.deep.equal([
      ['train/a.jpg', 'train', 'a dog'],
      ['validation/a.jpg', 'dev', 'a cat'],
    ]);
  });

  it('always report a problem if captions were dropped', async () => {
    write({ 'list.csv': 'file,caption,legend,notes\na.jpg,a dog,ein Hund,old\n', ...photos('a.jpg') });
    expect(summarise(await open('list.csv')).problems.map(({ message }) => message)).to.deep.equal([
      'the columns "legend" and "notes" are not used',
    ]);
    write({ 'list.jsonl': '{"file": "a.jpg", "legend": "a dog"}' });
    expect(messages(await open('list.jsonl'))).to.deep.equal(['the field "legend" is not used']);
  });

  it('list the known column names if a header has none of them', async () => {
    write({ 'list.csv': 'picture no,words\n1,a dog\n' });
    expect(await failure(open('list.csv'))).to.match(/begins with "picture no,words".*file_name/);
  });

  it('do not mistake names of object properties for splits', async () => {
    const rows = ['constructor', '__proto__', 'toString'].map((split) => `a.jpg,a dog,${split}`);
    write({ 'list.csv': ['file,caption,split', ...rows, 'a.jpg,a dog,Training'].join('\n'), ...photos('a.jpg') });
    const manifest = await open('list.csv');
    expect(messages(manifest)).to.deep.equal([
      "2: split 'constructor' is not one of train, dev, test",
      "3: split '__proto__' is not one of train, dev, test",
      "4: split 'toString' is not one of train, dev, test",
    ]);
    expect(manifest.photos[0].split).to.equal('train');
  });

  it('may have HTML entities in their captions', async () => {
    write({
      'list.csv': 'file,caption\na.jpg,&quot;caf&eacute;&quot; &amp; a man&#39;s dog &#x1F415; AT&T &nosuch;\n',
      ...photos('a.jpg'),
    });
    expect(captionsOf(await open('list.csv'))['a.jpg']).to.deep.equal(['"café" & a man\'s dog 🐕 AT&T &nosuch;']);
  });
});

describe('quotes in lists', () => {
  it('are reported at the line where they open; captions of several lines are read', async () => {
    write({
      'list.csv': 'file,caption\na.jpg,"two\nlines"\nb.jpg,"open\nc.jpg,"whole, again"\nd.jpg,plain\n',
      ...photos('a.jpg', 'b.jpg', 'c.jpg', 'd.jpg'),
    });
    const manifest = await open('list.csv');
    expect(captionsOf(manifest)).to.deep.equal({
      'a.jpg': ['two\nlines'],
      'c.jpg': ['whole, again'],
      'd.jpg': ['plain'],
    });
    expect(messages(manifest)).to.deep.equal(['4: an unclosed quote, or a quote inside a field']);
  });

  it('do not join rows: a quote that closes several rows later counts as unclosed', async () => {
    write({
      'list.csv': 'file,caption\na.jpg,"open\nb.jpg,two\nc.jpg,three"\nd.jpg,four\n',
      ...photos('a.jpg', 'b.jpg', 'c.jpg', 'd.jpg'),
    });
    const manifest = await open('list.csv');
    expect(messages(manifest)[0]).to.match(/^2: an unclosed quote/);
    expect(captionsOf(manifest)).to.include.keys('b.jpg', 'd.jpg');
  });
});

describe('names of photos', () => {
  it('are equal in composed and decomposed form', async () => {
    const [nfc, nfd] = ['Café/Zürich é.jpg'.normalize('NFC'), 'Café/Zürich é.jpg'.normalize('NFD')];
    expect(nfc).to.not.equal(nfd);
    write({ 'list.csv': `file,caption\n${nfc},a dog\n`, [nfd]: '' });
    const { photos: found } = await open('list.csv');
    expect(found[0].id).to.equal(nfc);
    expect(fs.existsSync(found[0].file)).to.equal(true);
    write({ 'list.csv': `file,caption\n${nfd},a dog\n` });
    expect((await open('list.csv')).photos[0].id).to.equal(nfc);
  });
});

describe('the encoding of a list', () => {
  // Bytes of "file,caption\na.jpg,…" in each encoding, as Python's codecs write them.
  const head = Buffer.from('file,caption\na.jpg,a dog\na.jpg,');
  const encodings: [label: string, title: RegExp, bytes: Buffer, caption: string][] = [
    ['latin1', /Latin-1/, Buffer.from([0x63, 0x61, 0x66, 0xe9]), 'café'],
    ['windows-1252', /Windows-1252/, Buffer.from([0x93, 0x63, 0x61, 0x66, 0xe9, 0x94]), '“café”'],
    ['shift_jis', /Shift-JIS/, Buffer.from([0x8c, 0xa2, 0x82, 0xaa, 0x91, 0x96, 0x82, 0xe9]), '犬が走る'],
    ['gb18030', /GB 18030/, Buffer.from([0xb9, 0xb7, 0xd4, 0xda, 0xb2, 0xdd, 0xb5, 0xd8]), '狗在草地'],
    ['euc-kr', /EUC-KR/, Buffer.from([0xb0, 0xb3, 0xb0, 0xa1]), '개가'],
    ['windows-1251', /Windows-1251/, Buffer.from([0xf1, 0xee, 0xe1, 0xe0, 0xea, 0xe0]), 'собака'],
  ];
  for (const [label, title, bytes, caption] of encodings) {
    it(`is reported if it is not UTF-8, and used if it is given: ${label}`, async () => {
      write({ 'list.csv': Buffer.concat([head, bytes, Buffer.from('\n')]), ...photos('a.jpg') });
      const message = await failure(open('list.csv'));
      expect(message)
        .to.match(/is not UTF-8 text: line 3, /)
        .and.match(title)
        .and.contain(`--encoding ${label}`);
      expect(captionsOf(await open('list.csv', { encoding: label }))['a.jpg']).to.deep.equal(['a dog', caption]);
    });
  }

  it('is UTF-16 with a byte order mark, and is reported without one', async () => {
    const text = 'file,caption\na.jpg,café\n';
    write({ 'list.csv': Buffer.from(`\uFEFF${text}`, 'utf16le'), ...photos('a.jpg') });
    expect(captionsOf(await open('list.csv'))).to.deep.equal({ 'a.jpg': ['café'] });
    write({ 'list.csv': Buffer.from(text, 'utf16le') });
    const message = await failure(open('list.csv'));
    expect(message).to.match(/UTF-16 \(little endian\).*--encoding utf-16le/);
    expect(captionsOf(await open('list.csv', { encoding: 'utf-16le' }))).to.deep.equal({ 'a.jpg': ['café'] });
  });

  // Latin-1 and UTF-16 without a byte order mark, of which the first is not UTF-8 and the second is, but not JSON.
  const texts: Record<string, [file: string, text: string]> = {
    'a JSON list': ['list.json', JSON.stringify([{ image: 'a.jpg', caption: 'café' }])],
    'JSON lines': ['list.jsonl', `${JSON.stringify({ file: 'a.jpg', caption: 'café' })}\n`],
    'COCO captions': [
      'captions_own.json',
      JSON.stringify({ images: [{ id: 1, file_name: 'a.jpg' }], annotations: [{ image_id: 1, caption: 'café' }] }),
    ],
    "Karpathy's splits": [
      'dataset_own.json',
      JSON.stringify({ images: [{ filename: 'a.jpg', split: 'train', sentences: [{ raw: 'café' }] }] }),
    ],
    'the captions of Flickr8k': ['Flickr8k.token.txt', 'a.jpg#0\tcafé\n'],
  };
  for (const [kind, [file, text]] of Object.entries(texts)) {
    for (const encoding of ['latin1', 'utf16le'] as const) {
      it(`can be given for ${kind}: ${encoding}`, async () => {
        // The folder of Flickr8k, a file of any other.
        const [list, place] = file.endsWith('.txt') ? ['images/a.jpg', '.'] : ['a.jpg', file];
        write({ [file]: Buffer.from(text, encoding), ...photos(list) });
        const label = encoding === 'latin1' ? 'latin1' : 'utf-16le';
        expect(captionsOf(await open(place, { encoding: label }))).to.deep.equal({ 'a.jpg': ['café'] });
        if (encoding === 'latin1')
          expect(await failure(open(place)))
            .to.contain('is not UTF-8 text')
            .and.contain('--encoding latin1');
        // A byte order mark names UTF-16.
        if (encoding === 'utf16le') {
          write({ [file]: Buffer.from(`\uFEFF${text}`, encoding) });
          expect(captionsOf(await open(place))).to.deep.equal({ 'a.jpg': ['café'] });
        }
      });
    }
  }

  it('must have a known name', async () => {
    write({ 'list.csv': 'file\na.jpg\n', ...photos('a.jpg') });
    expect(await failure(open('list.csv', { encoding: 'klingon' }))).to.match(/Unknown encoding 'klingon': utf-8/);
  });
});
