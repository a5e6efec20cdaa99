import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import protobuf from 'protobufjs/light.js';
import { CaptionerError } from '../../lib/errors.js';
import { messages } from '../../lib/onnx/protobuf.js';
import { WireFormat, type Fields, type Messages } from '../../lib/onnx/wire.js';
import { Random } from '../../lib/random.js';

/** The same table in protobufjs, an independent implementation. */
function oracle(table: Messages) {
  const typed = (field: Messages[string][string]) =>
    field[0] === 'repeated'
      ? { rule: 'repeated', type: field[1], id: field[2], options: { packed: field[3] === 'packed' } }
      : { type: field[0], id: field[1] };
  const nested = Object.entries(table).map(([message, fields]) => [
    message,
    { fields: Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, typed(field)])) },
  ]);
  const root = protobuf.Root.fromJSON({ nested: Object.fromEntries(nested) } as protobuf.INamespace);
  return (message: string) => root.lookupType(message);
}

/** Integers as texts, and bytes as lists: the form in which both implementations can be compared. */
const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return Array.from(value, String);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
  }
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : value;
};

const sample: Messages = {
  Outer: {
    count: ['int64', 1],
    small: ['int32', 2],
    natural: ['uint64', 3],
    text: ['string', 4],
    raw: ['bytes', 5],
    half: ['float', 6],
    real: ['double', 7],
    inner: ['Inner', 8],
    list: ['repeated', 'Inner', 9],
    numbers: ['repeated', 'int64', 10],
    packed: ['repeated', 'int64', 11, 'packed'],
    floats: ['repeated', 'float', 12, 'packed'],
    far: ['string', 5000],
  },
  Inner: { name: ['string', 1], values: ['repeated', 'int32', 2, 'packed'], outer: ['Outer', 3] },
};

describe('messages of protocol buffers', () => {
  const wire = new WireFormat(sample);
  const theirs = oracle(sample);
  const decodedByThem = (bytes: Uint8Array) =>
    plain(theirs('Outer').toObject(theirs('Outer').decode(bytes), { longs: String, bytes: Array }));
  const largest = 2n ** 63n - 1n;

  const integers = [0, 1, 127, 128, 300, 2 ** 31, 2 ** 49 - 1, 2 ** 49, 2 ** 53 - 1, 2n ** 53n + 1n, largest];
  const signed = [...integers, ...integers.slice(1).map((n) => -n), -(2n ** 63n)];
  const draw = (random: Random, depth = 0): Fields => {
    const pick = <T>(items: readonly T[]) => items[random.integer(items.length)];
    const list = <T>(item: () => T) => Array.from({ length: random.integer(4) }, item);
    const text = () => pick(['', 'a', 'Zürich', '日本語', '😀 and 🚀', 'x'.repeat(200)]);
    const small = () => random.integer(2 ** 31) - 2 ** 30;
    const inner = (): Fields => ({
      name: text(),
      values: list(small),
      ...(depth < 2 && random.uniform() < 0.5 && { outer: draw(random, depth + 1) }),
    });
    const all: Fields = {
      ...{ count: pick(signed), small: small(), natural: pick([...integers, 2n ** 64n - 1n]), text: text() },
      ...{ raw: Uint8Array.from(list(() => random.integer(256))), half: Math.fround(random.uniform()) },
      ...{ real: random.uniform(), inner: inner(), list: list(inner), numbers: list(() => pick(signed)) },
      ...{ packed: list(() => pick(signed)), floats: list(() => Math.fround(random.uniform())), far: text() },
    };
    return Object.fromEntries(Object.entries(all).filter(() => random.uniform() < 0.8));
  };
  const withoutEmptyLists = (fields: Fields): Fields =>
    Object.fromEntries(
      Object.entries(fields).flatMap(([name, value]): [string, unknown][] => {
        if (Array.isArray(value)) {
          return value.length ? [[name, value.map((each) => (isMessage(each) ? withoutEmptyLists(each) : each))]] : [];
        }
        return [[name, isMessage(value) ? withoutEmptyLists(value) : value]];
      }),
    );
  const isMessage = (value: unknown): value is Fields =>
    typeof value === 'object' && value !== null && !(value instanceof Uint8Array);

  it('are read by protobufjs as they were, and back', () => {
    const random = new Random(1);
    for (let round = 0; round < 300; round++) {
      const message = withoutEmptyLists(draw(random));
      const bytes = wire.encode('Outer', message);
      expect(decodedByThem(bytes)).to.deep.equal(plain(message));
      expect(wire.decode('Outer', bytes)).to.deep.equal(message);
    }
  });

  it('are read from what protobufjs writes: in another order, with lists packed otherwise', () => {
    const written = theirs('Outer')
      .encode(theirs('Outer').fromObject({ numbers: ['-1', '9223372036854775807'], count: '-9223372036854775808' }))
      .finish();
    expect(wire.decode('Outer', written)).to.deep.equal({ numbers: [-1, largest], count: -(2n ** 63n) });
    const unpacked = new WireFormat({ Outer: { packed: ['repeated', 'int64', 11] } });
    const packed = new WireFormat({ Outer: { packed: ['repeated', 'int64', 11, 'packed'] } });
    const values = { packed: [1, -2, 300] };
    expect(packed.decode('Outer', unpacked.encode('Outer', values))).to.deep.equal(values);
    expect(unpacked.decode('Outer', packed.encode('Outer', values))).to.deep.equal(values);
  });

  it('lose fields that are unknown, of every wire type', () => {
    const known = new WireFormat({ Outer: { text: ['string', 4] } });
    const bytes = wire.encode('Outer', { count: -1, raw: Uint8Array.of(1, 2), half: 1, real: 2, text: 'kept' });
    expect(known.decode('Outer', bytes)).to.deep.equal({ text: 'kept' });
  });

  it('are refused when cut short anywhere but between two fields, and when a field has another type', () => {
    const message = { count: 2 ** 40, text: 'a text', inner: { name: 'inner', values: [1, 2, 3] }, real: 0.5 };
    const bytes = wire.encode('Outer', message);
    const whole = [1, 2, 3, 4].map((fields) => {
      return wire.encode('Outer', Object.fromEntries(Object.entries(message).slice(0, fields))).length;
    });
    const between = new Set([0, ...whole, bytes.length - wire.encode('Outer', { inner: message.inner }).length]);
    for (let length = 1; length < bytes.length; length++) {
      const read = () => wire.decode('Outer', bytes.subarray(0, length));
      if (!between.has(length))
        expect(read, `${length} bytes`).to.throw(CaptionerError).with.property('code', 'corrupt');
    }
    const other = new WireFormat({ Outer: { count: ['string', 1] } }).encode('Outer', { count: 'text' });
    expect(() => wire.decode('Outer', other)).to.throw(CaptionerError, 'malformed');
    expect(() => wire.decode('Outer', new Uint8Array(20).fill(255))).to.throw(CaptionerError);
  });

  it('keep an ONNX file: protobufjs reads the same from it after reading and writing', () => {
    const [ours, oracleOf] = [new WireFormat(messages), oracle(messages)('ModelProto')];
    for (const file of ['decoder.onnx', 'encoder.int8.onnx']) {
      const bytes = readFileSync(`checkpoints/default/${file}`);
      const again = ours.encode('ModelProto', ours.decode('ModelProto', bytes));
      const read = (data: Uint8Array) => oracleOf.toObject(oracleOf.decode(data), { longs: String, bytes: String });
      expect(JSON.stringify(read(again)) === JSON.stringify(read(bytes)), file).to.equal(true);
    }
  });
});
