import {
  delimited,
  eight,
  four,
  malformed,
  narrow,
  prefixed,
  Reader,
  sizeOfText,
  sizeOfVarint,
  varint,
  Writer,
  type Int64,
} from './wire-bytes.js';

/**
 * The wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding/), read and written by a table of messages. It
 * keeps all 64 bits of integers, and views the bytes of a file instead of copying them: nearly all of an ONNX file is weights.
 */

/** A field: its type (a scalar or the name of a message) and number. Repeated numbers are written packed only where it says so. */
export type Field =
  readonly [type: string, id: number] | readonly [rule: 'repeated', type: string, id: number, packed?: 'packed'];

/** Fields by name, for each message by name. */
export type Messages = Readonly<Record<string, Readonly<Record<string, Field>>>>;

/** A message: its fields by name. */
export type Fields = Record<string, unknown>;

const wireTypes: Readonly<Record<string, number>> = {
  ...{ int32: varint, int64: varint, uint64: varint },
  ...{ double: eight, float: four, string: delimited, bytes: delimited },
};

interface Layout {
  readonly name: string;
  readonly type: string;
  readonly repeated: boolean;
  readonly packed: boolean;
  /** The wire type of one value. */
  readonly wire: number;
  /** The tag that is written. */
  readonly tag: number;
}

/** Reads and writes the messages of a table. */
export class WireFormat {
  /** Layouts by message, in the order of the fields. */
  private readonly layouts: ReadonlyMap<string, readonly Layout[]>;
  private readonly byId: ReadonlyMap<string, ReadonlyMap<number, Layout>>;

  constructor(messages: Messages) {
    const layouts = Object.entries(messages).map(
      ([message, fields]) => [message, Object.entries(fields).map(([name, field]) => layoutOf(name, field))] as const,
    );
    this.layouts = new Map(layouts);
    this.byId = new Map(
      layouts.map(([name, fields]) => [name, new Map(fields.map((field) => [field.tag >>> 3, field]))]),
    );
  }

  /**
   * Reads a message. Fields that it lacks are absent; unknown fields are skipped. Bytes are views.
   * @throws CaptionerError `corrupt`: the bytes are cut short or malformed.
   */
  decode(message: string, bytes: Uint8Array): Fields {
    const reader = new Reader(bytes);
    return this.read(message, reader, bytes.length);
  }

  /** Writes a message. Undefined fields and empty lists are left out. */
  encode(message: string, fields: Fields): Uint8Array {
    const sizes: number[] = [];
    const writer = new Writer(this.measure(message, fields, sizes), sizes);
    this.write(message, fields, writer);
    return writer.bytes;
  }

  private read(message: string, reader: Reader, end: number): Fields {
    const byId = this.byId.get(message)!;
    const fields: Fields = {};
    while (reader.at < end) {
      const tag = reader.length();
      const [wire, field] = [tag & 7, byId.get(tag >>> 3)];
      if (!field) {
        reader.skip(wire);
        continue;
      }
      if (!field.repeated) {
        if (wire !== field.wire) throw malformed();
        fields[field.name] = this.readValue(field.type, reader);
        continue;
      }
      const values = (fields[field.name] ??= []) as unknown[];
      if (wire === field.wire) values.push(this.readValue(field.type, reader));
      else if (wire !== delimited) throw malformed();
      else for (const last = reader.end(); reader.at < last;) values.push(this.readValue(field.type, reader));
    }
    if (reader.at > end) throw malformed();
    return fields;
  }

  private readValue(type: string, reader: Reader): unknown {
    switch (type) {
      case 'int32':
        return reader.int32();
      case 'int64':
        return reader.signed();
      case 'uint64':
        return narrow(reader.varint());
      case 'float':
        return reader.float();
      case 'double':
        return reader.double();
      case 'bytes':
        return reader.view();
      case 'string':
        return reader.text();
      default:
        return this.read(type, reader, reader.end());
    }
  }

  /** The length of a message. Appends the length of each message in it and of each text and packed list, in the order of writing. */
  private measure(message: string, fields: Fields, sizes: number[]): number {
    let total = 0;
    for (const { name, type, repeated, packed, tag } of this.layouts.get(message)!) {
      const value = fields[name];
      if (value === undefined || value === null) continue;
      const values = repeated ? (value as readonly unknown[]) : [value];
      if (values.length === 0) continue;
      const head = sizeOfVarint(tag);
      const slot = packed ? sizes.push(0) - 1 : -1;
      let size = 0;
      for (const each of values) size += this.measureValue(type, each, sizes) + (packed ? 0 : head);
      if (packed) sizes[slot] = size;
      total += packed ? head + sizeOfVarint(size) + size : size;
    }
    return total;
  }

  private measureValue(type: string, value: unknown, sizes: number[]): number {
    const wire = wireTypes[type];
    if (wire === varint) return sizeOfVarint(value as Int64);
    if (wire === eight) return 8;
    if (wire === four) return 4;
    if (type === 'bytes') return prefixed((value as Uint8Array).length);
    const slot = sizes.push(0) - 1;
    sizes[slot] = type === 'string' ? sizeOfText(value as string) : this.measure(type, value as Fields, sizes);
    return prefixed(sizes[slot]);
  }

  private write(message: string, fields: Fields, writer: Writer): void {
    for (const { name, type, repeated, packed, tag } of this.layouts.get(message)!) {
      const value = fields[name];
      if (value === undefined || value === null) continue;
      const values = repeated ? (value as readonly unknown[]) : [value];
      if (values.length === 0) continue;
      if (packed) {
        writer.varint(tag);
        writer.varint(writer.nextSize());
      }
      for (const each of values) {
        if (!packed) writer.varint(tag);
        this.writeValue(type, each, writer);
      }
    }
  }

  private writeValue(type: string, value: unknown, writer: Writer): void {
    if (wireTypes[type] === varint) writer.varint(value as Int64);
    else if (type === 'float') writer.float(value as number);
    else if (type === 'double') writer.double(value as number);
    else if (type === 'bytes') writer.view(value as Uint8Array);
    else {
      const size = writer.nextSize();
      writer.varint(size);
      if (type === 'string') writer.text(value as string, size);
      else this.write(type, value as Fields, writer);
    }
  }
}

function layoutOf(name: string, field: Field): Layout {
  const repeated = field[0] === 'repeated';
  const [type, id] = repeated ? [field[1] as string, field[2]!] : [field[0], field[1] as number];
  const packed = field[3] === 'packed';
  const wire = wireTypes[type] ?? delimited;
  return { name, type, repeated, packed, wire, tag: id * 8 + (packed ? delimited : wire) };
}
