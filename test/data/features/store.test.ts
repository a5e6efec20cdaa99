import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { FeatureWriter } from '../../../lib/data/features/writer.js';
import { type EncoderIdentity } from '../../../lib/data/features/encoder-identity.js';
import { openFeatures, readSkipped, storeFiles } from '../../../lib/data/features/store.js';
import type { Precision } from '../../../lib/data/features/row-codec.js';
import type { CaptionerError } from '../../../lib/errors.js';
import { Random } from '../../../lib/random.js';

const encoder: EncoderIdentity = { name: 'tiny', sha256: 'ab'.repeat(32), dimension: 5 };
const ids = ['a.jpg', 'b/ö "quoted".jpg', 'c\n.jpg', 'd.jpg', 'e.jpg'];
const random = new Random(2);
const features = Float32Array.from({ length: 25 }, () => random.normal());
const row = (i: number) => features.subarray(5 * i, 5 * i + 5);

describe('a feature store', () => {
  let folder: string;
  beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  afterEach(() => fs.rmSync(folder, { recursive: true }));

  /** Writes rows in batches of the given sizes. */
  function writeRows(batches: readonly number[], precision: Precision = 'fp32', into = folder): void {
    const writer = FeatureWriter.open(into, encoder, precision);
    let next = writer.count().photos;
    for (const size of batches) {
      writer.append(ids.slice(next, next + size), features.slice(5 * next, 5 * (next + size)));
      next += size;
    }
    writer.close(true);
  }

  const file = (name: keyof typeof storeFiles) => path.join(folder, storeFiles[name]);
  const contents = (of = folder) =>
    Object.fromEntries(fs.readdirSync(of).map((name) => [name, fs.readFileSync(path.join(of, name), 'latin1')]));

  function failure(call: () => unknown): CaptionerError {
    try {
      call();
    } catch (error) {
      return error as CaptionerError;
    }
    return expect.fail('it did not fail');
  }

  it('returns stored features by id', () => {
    writeRows([2, 3]);
    const store = openFeatures(folder);
    expect(store).to.deep.include({ dimension: 5, encoder, precision: 'fp32', ids });
    expect([...store.read('d.jpg')]).to.deep.equal([...row(3)]);
    const into = new Float32Array(12).fill(9);
    for (const [i, id] of ids.entries()) {
      expect(store.has(id)).to.be.true;
      expect(store.read(id, into, 6)).to.equal(into);
      expect([...into]).to.deep.equal([9, 9, 9, 9, 9, 9, ...row(i), 9]);
    }
    expect(store.has('f.jpg')).to.be.false;
    const error = failure(() => store.read('f.jpg'));
    expect(error.code).to.equal('not-found');
    expect(error.message).to.contain('f.jpg');
    store.close();
  });

  it('keeps three digits in half the space as fp16', () => {
    writeRows([5], 'fp16');
    expect(fs.statSync(file('rows')).size).to.equal(5 * 5 * 2);
    const store = openFeatures(folder);
    for (const [i, id] of ids.entries()) {
      store.read(id).forEach((value, j) => expect(value).to.be.closeTo(row(i)[j], 2 ** -11 * Math.abs(row(i)[j])));
    }
    store.close();
  });

  it('keeps numbers up to the limits of fp16', () => {
    const writer = FeatureWriter.open(folder, encoder, 'fp16');
    const limits = [65504, -65504, 2 ** -24, 0, 1 + 2 ** -10];
    writer.append(['limits'], Float32Array.from(limits));
    for (const bad of [65520, NaN, -Infinity]) {
      expect(failure(() => writer.append(['bad'], Float32Array.from([1, 2, bad, 4, 5]))).code).to.equal('numeric');
    }
    writer.close(true);
    const store = openFeatures(folder);
    expect([...store.read('limits')]).to.deep.equal(limits);
    expect(store.has('bad')).to.be.false;
    store.close();
  });

  for (const precision of ['fp32', 'fp16'] as const) {
    it(`ends the same wherever a run was killed (${precision})`, () => {
      const whole = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
      writeRows([2, 2, 1], precision, whole);
      const [rows, index] = [storeFiles.rows, storeFiles.index].map((name) => fs.readFileSync(path.join(whole, name)));
      const meta = fs.readFileSync(path.join(whole, storeFiles.meta));
      const rowSize = rows.length / 5;
      const lineEnds = [0, ...[...index.keys()].filter((i) => index[i] === 0x0a).map((i) => i + 1)];
      // A batch is written as its rows, then its lines: every state between.
      const states: [number, number][] = [];
      for (const [from, to] of [
        [0, 2],
        [2, 4],
        [4, 5],
      ] as const) {
        // prettier-ignore
        for (let size = from * rowSize; size <= to * rowSize; size++) states.push([size, lineEnds[from]]);
        for (let size = lineEnds[from]; size <= lineEnds[to]; size++) states.push([to * rowSize, size]);
      }
      for (const [rowBytes, indexBytes] of states) {
        fs.writeFileSync(file('meta'), meta);
        fs.writeFileSync(file('rows'), rows.subarray(0, rowBytes));
        fs.writeFileSync(file('index'), index.subarray(0, indexBytes));
        fs.writeFileSync(file('lock'), '999999999');
        const writer = FeatureWriter.open(folder, encoder, precision);
        const done = writer.count().photos;
        expect(done, 'only unfinished rows are lost').to.equal(lineEnds.findLastIndex((end) => end <= indexBytes));
        writer.append(ids.slice(done), features.slice(5 * done));
        writer.close(true);
        expect(contents()).to.deep.equal(contents(whole));
      }
      fs.rmSync(whole, { recursive: true });
    });
  }

  it('names an unfinished end, and is repaired by the next writer', () => {
    writeRows([4]);
    fs.appendFileSync(file('rows'), Buffer.alloc(7));
    expect(failure(() => openFeatures(folder))).to.include({ code: 'corrupt' });
    expect(failure(() => openFeatures(folder)).message).to.contain('unfinished');
    writeRows([1]);
    expect(openFeatures(folder).ids).to.deep.equal(ids);
  });

  it('names a store that was cut short', () => {
    writeRows([5]);
    fs.truncateSync(file('rows'), 4 * 5 * 4);
    const error = failure(() => openFeatures(folder));
    expect(error.code).to.equal('corrupt');
    expect(error.message).to.contain('5 rows of 20 bytes').and.contain('80 bytes');
  });

  it('names a row whose bytes have changed, and computes it again', () => {
    writeRows([5]);
    const bytes = fs.readFileSync(file('rows'));
    bytes[4 * 20 + 3] ^= 1;
    fs.writeFileSync(file('rows'), bytes);
    const store = openFeatures(folder);
    expect([...store.read('a.jpg')]).to.deep.equal([...row(0)]);
    const error = failure(() => store.read('e.jpg'));
    expect(error.code).to.equal('corrupt');
    expect(error.message).to.contain('Row 4 (e.jpg)');
    store.close();
    writeRows([1]);
    expect([...openFeatures(folder).read('e.jpg')]).to.deep.equal([...row(4)]);
  });

  it('names damaged lines, doubles and a damaged meta.json', () => {
    writeRows([5]);
    const [index, meta] = [fs.readFileSync(file('index'), 'utf8'), fs.readFileSync(file('meta'), 'utf8')];
    fs.writeFileSync(file('index'), index.replace('"a.jpg"', '"a.jpg'));
    expect(failure(() => openFeatures(folder)).message).to.contain('Line 1 of');
    fs.writeFileSync(file('index'), index.replace('d.jpg', 'a.jpg'));
    expect(failure(() => openFeatures(folder)).message).to.contain('lists a.jpg twice');
    fs.writeFileSync(file('index'), index);
    for (const bad of ['{', meta.replace('"version": 1', '"version": 2'), meta.replace('fp32', 'fp64')]) {
      fs.writeFileSync(file('meta'), bad);
      expect(failure(() => openFeatures(folder))).to.include({ code: 'corrupt' });
    }
    fs.rmSync(file('meta'));
    expect(failure(() => openFeatures(folder))).to.include({ code: 'not-found' });
  });

  it('refuses features of another encoder or precision, naming the field', () => {
    writeRows([1]);
    const before = contents();
    const attempts: [EncoderIdentity, Precision, string][] = [
      [{ ...encoder, name: 'other' }, 'fp32', 'encoder.name tiny, not other'],
      [{ ...encoder, sha256: 'cd'.repeat(32) }, 'fp32', 'encoder.sha256 abab'],
      [{ ...encoder, dimension: 6 }, 'fp32', 'encoder.dimension 5, not 6'],
      [encoder, 'fp16', 'precision fp32, not fp16'],
    ];
    for (const [identity, precision, message] of attempts) {
      const error = failure(() => FeatureWriter.open(folder, identity, precision));
      expect(error.code).to.equal('mismatch');
      expect(error.message).to.contain(message);
    }
    expect(contents()).to.deep.equal(before);
  });

  it('leaves a folder of other things alone', () => {
    fs.writeFileSync(path.join(folder, 'holiday.jpg'), '');
    const error = failure(() => FeatureWriter.open(folder, encoder, 'fp32'));
    expect(error.code).to.equal('bad-input');
    expect(error.message).to.contain('holiday.jpg');
    expect(fs.readdirSync(folder)).to.deep.equal(['holiday.jpg']);
  });

  it('has one writer at a time; a dead one does not count', () => {
    const first = FeatureWriter.open(folder, encoder, 'fp32');
    expect(failure(() => FeatureWriter.open(folder, encoder, 'fp32'))).to.include({ code: 'bad-input' });
    first.close(true);
    // Process 1 is always there.
    fs.writeFileSync(file('lock'), '1');
    expect(failure(() => FeatureWriter.open(folder, encoder, 'fp32'))).to.include({ code: 'bad-input' });
    fs.writeFileSync(file('lock'), '999999999');
    FeatureWriter.open(folder, encoder, 'fp32').close(true);
    expect(fs.existsSync(file('lock'))).to.be.false;
  });

  it('lists skipped photos until they are stored or gone', () => {
    let writer = FeatureWriter.open(folder, encoder, 'fp32');
    writer.skip('bad.jpg', 'is empty');
    writer.skip('worse.jpg', 'is not a photo');
    writer.skip('gone.jpg', 'is missing');
    writer.close(true);
    fs.appendFileSync(file('skipped'), '{"id": "cut sho');
    writer = FeatureWriter.open(folder, encoder, 'fp32');
    writer.skip('bad.jpg', 'is empty');
    writer.append(['worse.jpg'], row(0));
    expect(readSkipped(folder).map(({ id }) => id)).to.deep.equal(['bad.jpg', 'worse.jpg', 'gone.jpg']);
    writer.close(true);
    expect(readSkipped(folder)).to.deep.equal([{ id: 'bad.jpg', reason: 'is empty' }]);
  });
});
