import * as z from 'zod';
import { Normalisation } from '../../config.js';
import { CaptionerError } from '../../errors.js';
import { concatBytes, utf8 } from '../../files/bytes.js';

const Triple = z.tuple([z.number(), z.number(), z.number()]);

/**
 * The metadata of an encoder's ONNX file. A file with metadata needs no head detached, no detection
 * and no registry. Its input is `input` [N, 3, inputSize, inputSize] for any N and its output
 * `features` [N, dimension]. If `map` is true, it also has the map before pooling, `map` [N, C, h,
 * w].
 */
export const EncoderMetadata = z.object({
  /** The name recorded with features. */
  name: z.string().min(1),
  /** Width and height of its photos. */
  inputSize: z.int().min(1),
  /** Photos are normalised as (x / 255 - mean) / std, for red, green and blue. */
  mean: Triple,
  std: Triple,
  /** Length of a feature vector. */
  dimension: z.int().min(1),
  /** Whether it has the output `map`. */
  map: z.boolean().default(false),
  /**
   * The origin of a network in 8 bits: the SHA-256 of the file that it was converted from, the number of photos that it was calibrated on,
   * and the normalisation if that is part of the network's identity. Its input is bytes [N, inputSize, inputSize, 3], which it normalises itself.
   */
  int8: z.object({ network: z.string(), photos: z.int(), normalisation: Normalisation.optional() }).optional(),
});
export type EncoderMetadata = z.output<typeof EncoderMetadata>;

/** An encoder's file, and the facts about it that need no look at its graph. */
export interface EncoderSource {
  /** Its path, or another name for messages. */
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly name: string;
  /** Facts from the registry or the metadata of the file. */
  readonly known?: Normalisation &
    Pick<EncoderMetadata, 'dimension' | 'inputSize' | 'int8'> & { readonly map?: boolean };
  /** Whether it has the inputs and outputs of `encoderValues`, and no head. */
  readonly headless: boolean;
  /** Whether it is a file of the registry. */
  readonly registered: boolean;
}

/** Names of such a file's input and outputs. */
export const encoderValues = { input: 'input', features: 'features', map: 'map' } as const;

const key = 'captioner.encoder';

/**
 * Writes metadata into an ONNX file, replacing earlier metadata and keeping all other bytes. They
 * are an entry of its `metadata_props`, which ONNX Runtime and other tools display.
 */
export function writeEncoderMetadata(bytes: Uint8Array, metadata: z.input<typeof EncoderMetadata>): Uint8Array {
  const kept = fieldsOf(bytes)
    .filter((field) => entryOf(field)?.key !== key)
    .map(({ whole }) => whole);
  const entry = concatBytes([textField(1, key), textField(2, JSON.stringify(EncoderMetadata.parse(metadata)))]);
  return concatBytes([...kept, delimited(metadataProps, entry)]);
}

/**
 * Reads the metadata of an encoder's file; undefined if it has none. Only the dozen or so outermost
 * fields of the file are read, which takes no noticeable time and no library.
 *
 * @param file its name, for messages.
 * @throws CaptionerError `corrupt`: the metadata do not match {@link EncoderMetadata}.
 */
export function readEncoderMetadata(bytes: Uint8Array, file: string): EncoderMetadata | undefined {
  const entry = fieldsOf(bytes)
    .map(entryOf)
    .findLast((candidate) => candidate?.key === key);
  if (!entry) return undefined;
  let problem: string;
  try {
    const result = EncoderMetadata.safeParse(JSON.parse(entry.value));
    if (result.success) return result.data;
    problem = result.error.issues.map((issue) => [issue.path.join('.'), issue.message].join(': ')).join('; ');
  } catch (error) {
    problem = (error as Error).message;
  }
  throw new CaptionerError('corrupt', `The metadata of ${file} (${key}) can't be used: ${problem}.`);
}

/** `ModelProto.metadata_props`, a list of entries of key and value. */
const metadataProps = 14;

/** A field of a message of protocol buffers: https://protobuf.dev/programming-guides/encoding/ */
interface Field {
  readonly id: number;
  /** Tag and content. */
  readonly whole: Uint8Array;
  /** The content of a field with a length. */
  readonly content?: Uint8Array;
}

/**
 * The fields of a message up to the first that is not a field. The loader reports the fault in a
 * damaged file.
 */
function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; at < bytes.length; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    return NaN;
  };
  while (at < bytes.length) {
    const start = at;
    const tag = varint();
    const kind = tag % 8;
    let length = { 1: 8, 5: 4 }[kind];
    if (kind === 0) varint();
    if (kind === 2) length = varint();
    if (kind !== 0 && !(length! <= bytes.length - at)) break;
    const content = kind === 2 ? bytes.subarray(at, at + length!) : undefined;
    at += length ?? 0;
    fields.push({ id: Math.floor(tag / 8), whole: bytes.subarray(start, at), ...(content && { content }) });
  }
  return fields;
}

/** The key and value of a field that is an entry of `metadata_props`. */
function entryOf({ id, content }: Field): { key: string; value: string } | undefined {
  if (id !== metadataProps || !content) return undefined;
  const parts = fieldsOf(content);
  const text = (part: number) => new TextDecoder().decode(parts.find((field) => field.id === part)?.content);
  return { key: text(1), value: text(2) };
}

const textField = (id: number, text: string) => delimited(id, utf8(text));

function delimited(id: number, content: Uint8Array): Uint8Array {
  const head = [id * 8 + 2];
  let rest = content.length;
  for (; rest > 127; rest = Math.floor(rest / 128)) head.push((rest % 128) + 128);
  return concatBytes([Uint8Array.from([...head, rest]), content]);
}
