import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import { CaptionerError } from '../../lib/errors.js';
import { portableCrc32 } from '../../lib/files/crc32.js';
import { decodeSafetensors, encodeSafetensors, type Weights } from '../../lib/files/safetensors.js';
import { Random } from '../../lib/random.js';

/** A file put together by hand from a header and the bytes that follow it. */
function file(header: unknown, body: Uint8Array): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, body]);
}

const floats = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer);
const twoByTwo = { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] };

function weights(...entries: [string, number[], Float32Array][]): Weights {
  return new Map(entries.map(([name, shape, data]) => [name, { shape, data }]));
}

describe('safetensors', () => {
  it('reads a file put together by hand from the format’s description', () => {
    // fp16: 1 = 0x3c00, -2 = 0xc000, the smallest subnormal = 0x0001, 65504 = 0x7bff
    const halves = Buffer.from(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff).buffer);
    const header = {
      __metadata__: { made: 'by hand' },
      half: { dtype: 'F16', shape: [4], data_offsets: [16, 24] },
      full: twoByTwo,
    };
    const { weights, metadata } = decodeSafetensors(file(header, Buffer.concat([floats(1, 2, 3, 4), halves])), 'x');
    expect(metadata).to.deep.equal({ made: 'by hand' });
    expect(weights.get('full')).to.deep.equal({ shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
    expect(weights.get('half')!.data).to.deep.equal(Float32Array.of(1, -2, 2 ** -24, 65504));
  });

  it('writes files as the format’s description requires', () => {
    const bytes = encodeSafetensors(weights(['a', [1, 2], Float32Array.of(1, 2)], ['b', [], Float32Array.of(3)]));
    const length = Number(Buffer.from(bytes).readBigUInt64LE(0));
    expect((8 + length) % 8, 'arrays are aligned').to.equal(0);
    const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + length)).toString()) as Record<string, unknown>;
    expect(header.a).to.deep.equal({ dtype: 'F32', shape: [1, 2], data_offsets: [0, 8] });
    expect(header.b).to.deep.equal({ dtype: 'F32', shape: [], data_offsets: [8, 12] });
    expect(Buffer.from(bytes.subarray(8 + length))).to.deep.equal(floats(1, 2, 3));
  });

  it('gives back every bit in fp32, and 11 bits in fp16', () => {
    const random = new Random(1);
    const data = Float32Array.from({ length: 1001 }, () => random.normal());
    const given = weights(['né"e', [7, 143], data], ['empty', [0, 3], new Float32Array(0)]);
    expect(decodeSafetensors(encodeSafetensors(given), 'x').weights).to.deep.equal(given);
    const half = decodeSafetensors(encodeSafetensors(given, 'fp16'), 'x').weights.get('né"e')!.data;
    half.forEach((x, i) => expect(Math.abs(x - data[i])).to.be.at.most(2 ** -11 * Math.abs(data[i]) + 2 ** -25));
  });

  it('rounds matrices to 8 bits by the greatest number of each column, and vectors not at all', () => {
    const random = new Random(2);
    const data = Float32Array.from({ length: 60 * 7 }, (_, i) => random.normal() * 10 ** ((i % 7) - 3));
    const given = weights(
      ['matrix', [60, 7], data],
      ['vector', [7], data.slice(0, 7)],
      ['row', [1, 7], data.slice(0, 7)],
    );
    const bytes = encodeSafetensors(given, 'int8');
    expect(bytes.length).to.be.lessThan(60 * 7 + 4 * 21 + 400);
    const { weights: read } = decodeSafetensors(bytes, 'x');
    expect([...read.keys()].sort()).to.deep.equal([...given.keys()].sort());
    for (const name of ['vector', 'row']) expect(read.get(name)).to.deep.equal(given.get(name));
    for (let column = 0; column < 7; column++) {
      const of = (numbers: Float32Array) => numbers.filter((_, i) => i % 7 === column);
      const step = Math.max(...of(data).map(Math.abs)) / 127;
      const rounded = of(read.get('matrix')!.data);
      of(data).forEach((x, i) => expect(Math.abs(x - rounded[i])).to.be.at.most(step * 0.5001));
    }
    expect(encodeSafetensors(read, 'int8'), 'rounding again changes nothing').to.deep.equal(
      encodeSafetensors(decodeSafetensors(encodeSafetensors(read, 'int8'), 'x').weights, 'int8'),
    );
  });

  it('refuses 8 bits without a scale for each column', () => {
    const header = { matrix: { dtype: 'I8', shape: [2, 2], data_offsets: [0, 4] } };
    expect(() => decodeSafetensors(file(header, Buffer.alloc(4)), 'x')).to.throw(
      CaptionerError,
      /'matrix' has no scale/,
    );
  });

  it('computes the CRC-32 of zlib without zlib, as browsers do', () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7919) >> 3);
    expect(portableCrc32(bytes, 0)).to.equal(crc32(bytes));
    expect(portableCrc32(bytes.subarray(300), portableCrc32(bytes.subarray(0, 300), 0))).to.equal(crc32(bytes));
  });

  it('refuses numbers beyond fp16', () => {
    const given = weights(['big', [1], Float32Array.of(1e5)]);
    expect(() => encodeSafetensors(given, 'fp16')).to.throw(
      CaptionerError,
      /'big' contains 100000, which exceeds the maximum of fp16/,
    );
  });

  it('reads from bytes that begin at an odd address', () => {
    const bytes = encodeSafetensors(weights(['a', [2], Float32Array.of(1, 2)]));
    const odd = new Uint8Array(bytes.length + 1).subarray(1);
    odd.set(bytes);
    expect(decodeSafetensors(odd, 'x').weights.get('a')!.data).to.deep.equal(Float32Array.of(1, 2));
  });

  const four = floats(1, 2, 3, 4);
  const faults: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(0), /it has 0 bytes/],
    ['a file of something else', Buffer.from('{"this": "is some other kind of file"}'), /its header should have/],
    ['a header that is not JSON', file('{oops', four), /its header is not JSON/],
    ['a header that is not an object', file('[]', four), /its header is not an object/],
    ['bytes cut off', file({ w: twoByTwo }, four.subarray(0, 15)), /'w' is truncated/],
    ['bytes too many', file({ w: twoByTwo }, floats(1, 2, 3, 4, 5)), /4 bytes follow its last array/],
    ['a gap', file({ w: { ...twoByTwo, data_offsets: [4, 20] } }, floats(1, 2, 3, 4, 5)), /'w' starts at byte 4/],
    [
      'a wrong size',
      file({ w: { ...twoByTwo, shape: [3, 2] } }, four),
      /'w' of shape \[3, 2\] needs 24 bytes, but has 16/,
    ],
    ['no shape', file({ w: { dtype: 'F32', data_offsets: [0, 16] } }, four), /'w' has no shape/],
    ['a negative shape', file({ w: { ...twoByTwo, shape: [-2, -2] } }, four), /'w' has no shape/],
    ['no offsets', file({ w: { dtype: 'F32', shape: [4] } }, four), /'w' has no data_offsets/],
    ['no dtype', file({ w: null }, four), /'w' has no dtype/],
    ['an unknown type', file({ w: { ...twoByTwo, dtype: 'BF16' } }, four), /'w' has type BF16. Only F32, F16 and I8/],
  ];
  for (const [what, bytes, message] of faults) {
    it(`names the fault and the file: ${what}`, () => {
      expect(() => decodeSafetensors(bytes, 'some.safetensors'))
        .to.throw(CaptionerError, message)
        .with.property('message')
        .that.includes('some.safetensors');
    });
  }
});
