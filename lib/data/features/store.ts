import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import * as z from 'zod';
import { CaptionerError } from '../../errors.js';
import { differingPreparation, EncoderIdentity } from './encoder-identity.js';
import { separateViews } from './random-views.js';
import { decodeRow, precisions, rowBytes, type Precision } from './row-codec.js';

/**
 * A feature store: the features of a data set's photos, in a folder.
 *
 * - `meta.json`: version of the format, encoder with the preparation of its photos, precision and
 *   dimension; the path of the encoder's file, if it is not in the registry.
 * - `features.bin`: one row per photo, little-endian fp32 or fp16. Further rows hold random views
 *   of photos.
 * - `index.jsonl`: one line per row, `{"id": "photo.jpg", "crc32": "0f3c…"}`, written after the
 *   row. `photo.jpg#2` is the second view of `photo.jpg`.
 * - `skipped.jsonl`: photos that could not be decoded, `{"id": …, "reason": …}`.
 *
 * The files only grow, and rows are written before their lines: a killed process leaves whole rows
 * and at most one unfinished end.
 */
export const storeFiles = {
  meta: 'meta.json',
  rows: 'features.bin',
  index: 'index.jsonl',
  skipped: 'skipped.jsonl',
  lock: 'lock',
} as const;

const StoreMeta = z.object({
  format: z.literal('captioner-features'),
  version: z.literal(1),
  encoder: EncoderIdentity,
  precision: z.enum(precisions),
  /** Path of the encoder's file, if it is not in the registry. */
  encoderFile: z.string().optional(),
});
export type StoreMeta = z.output<typeof StoreMeta>;

/** Features by photo, read from disk on demand. */
export interface FeatureStore {
  /** Length of a row. */
  readonly dimension: number;
  readonly encoder: EncoderIdentity;
  /** Path of the encoder's file when the features were extracted, if it is not in the registry. */
  readonly encoderFile?: string | undefined;
  readonly precision: Precision;
  /** Ids of the photos, in the order of the rows. */
  readonly ids: readonly string[];
  /** Ids of random views of these photos, which have rows as well (see `viewId`). */
  readonly randomViews: readonly string[];
  /** Whether a photo has features here. */
  has(id: string): boolean;
  /**
   * The features of a photo or a random view.
   * @param into receives them, from `offset` on. Default: a new array.
   * @throws CaptionerError `not-found`: the store does not have this photo. `corrupt`: its row is
   *   damaged.
   */
  read(id: string, into?: Float32Array, offset?: number): Float32Array;
  /** Closes the files. */
  close(): void;
}

/**
 * Reads the features of photos or random views into one array.
 * @param rows of the array; those after the last photo are zeros. Default: one for each id.
 * @returns [rows, D], row-major.
 * @throws CaptionerError as `FeatureStore.read` does.
 */
export function readRows(
  features: Pick<FeatureStore, 'dimension' | 'read'>,
  ids: readonly string[],
  rows = ids.length,
): Float32Array {
  const D = features.dimension;
  const values = new Float32Array(rows * D);
  ids.forEach((id, row) => features.read(id, values, row * D));
  return values;
}

/** A photo without features, and the reason. */
export interface SkippedPhoto {
  readonly id: string;
  readonly reason: string;
}

/**
 * Opens the feature store in `folder` for reading.
 * @throws CaptionerError `not-found`: there is none. `corrupt`: its files do not fit together, or
 *   are damaged.
 */
export function openFeatures(folder: string): FeatureStore {
  const meta = readMeta(folder);
  const bytes = rowBytes(meta.precision, meta.encoder.dimension);
  const { entries, unfinished, damage } = readIndex(folder);
  if (damage) throw new CaptionerError('corrupt', `${damage} Running captioner extract again repairs it.`);
  const size = statSync(path.join(folder, storeFiles.rows), { throwIfNoEntry: false })?.size ?? 0;
  if (size < entries.length * bytes) {
    throw new CaptionerError(
      'corrupt',
      `The feature store ${folder} is damaged: ${entries.length} rows of ${bytes} bytes are listed, but ${storeFiles.rows} has ` +
        `${size} bytes. Running captioner extract again repairs it.`,
    );
  }
  if (unfinished || size > entries.length * bytes) {
    throw new CaptionerError(
      'corrupt',
      `The feature store ${folder} ends in an unfinished row: extraction is still running, or was stopped. ` +
        'Running captioner extract again finishes it.',
    );
  }
  return new FeatureFolder(folder, meta, entries);
}

/** The first field in which two identities differ, with both values; undefined if they match. */
export function differingField(
  a: Pick<FeatureStore, 'precision' | 'encoder'>,
  b: Pick<FeatureStore, 'precision' | 'encoder'>,
): { readonly field: string; readonly a: string; readonly b: string } | undefined {
  const fieldsOf = ({ precision, encoder }: typeof a) => {
    const { name, dimension, sha256 } = encoder;
    const network = { 'encoder.name': name, 'encoder.dimension': `${dimension}`, 'encoder.sha256': sha256 };
    return { precision, ...network, 'encoder.int8': encoder.int8 ?? 'fp32' };
  };
  const wanted: Record<string, string> = fieldsOf(b);
  const other = Object.entries(fieldsOf(a)).find(([field, value]) => value !== wanted[field]);
  if (other) return { field: other[0], a: other[1], b: wanted[other[0]] };
  const prepared = differingPreparation(a.encoder, b.encoder);
  return prepared && { field: `encoder.${prepared.what}`, a: prepared.a, b: prepared.b };
}

class FeatureFolder implements FeatureStore {
  readonly dimension: number;
  readonly encoder: EncoderIdentity;
  readonly encoderFile: string | undefined;
  readonly precision: Precision;
  readonly ids: readonly string[];
  readonly randomViews: readonly string[];
  private readonly rowOf = new Map<string, number>();
  private readonly checksums: Uint32Array;
  private readonly descriptor: number;
  private readonly row: Buffer;

  constructor(
    private readonly folder: string,
    meta: StoreMeta,
    entries: readonly IndexEntry[],
  ) {
    this.encoder = meta.encoder;
    this.encoderFile = meta.encoderFile;
    this.dimension = meta.encoder.dimension;
    this.precision = meta.precision;
    entries.forEach(({ id }, row) => this.rowOf.set(id, row));
    const { photos, randomViews } = separateViews(this.rowOf.keys(), (id) => this.has(id));
    this.ids = photos;
    this.randomViews = randomViews;
    this.checksums = Uint32Array.from(entries, ({ checksum }) => checksum);
    this.row = Buffer.allocUnsafeSlow(rowBytes(meta.precision, this.dimension));
    this.descriptor = openSync(path.join(folder, storeFiles.rows), 'r');
  }

  /** Whether a photo has features here. */
  has(id: string): boolean {
    return this.rowOf.has(id);
  }

  read(id: string, into = new Float32Array(this.dimension), offset = 0): Float32Array {
    const row = this.rowOf.get(id);
    if (row === undefined) {
      throw new CaptionerError(
        'not-found',
        `The feature store ${this.folder} has no photo ${id}. Run captioner extract on the data set it belongs to.`,
      );
    }
    const read = readSync(this.descriptor, this.row, 0, this.row.length, row * this.row.length);
    if (read !== this.row.length || crc32(this.row) !== this.checksums[row]) {
      throw new CaptionerError(
        'corrupt',
        `Row ${row} (${id}) of the feature store ${this.folder} is damaged. Delete the folder and extract again.`,
      );
    }
    decodeRow(this.row, this.precision, into, offset, this.dimension);
    return into;
  }

  /** Closes the files. */
  close(): void {
    closeSync(this.descriptor);
  }
}

/** A row's photo, and the checksum of its bytes. */
export interface IndexEntry {
  readonly id: string;
  readonly checksum: number;
}

/** Reads a store's meta.json. Throws `not-found` or `corrupt`. */
export function readMeta(folder: string): StoreMeta {
  const file = path.join(folder, storeFiles.meta);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CaptionerError(
      'not-found',
      `There is no feature store in ${folder} (no ${storeFiles.meta}). Run captioner extract to create one.`,
      { cause: error },
    );
  }
  try {
    return StoreMeta.parse(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error).replaceAll(/\s*\n\s*/g, ' ') : String(error);
    throw new CaptionerError('corrupt', `${file} is damaged or of another version (${reason}).`, { cause: error });
  }
}

/** The line for a row in a store's index. */
export function indexLine({ id, checksum }: IndexEntry): string {
  return `${JSON.stringify({ id, crc32: checksum.toString(16).padStart(8, '0') })}\n`;
}

/** A store's index: its rows, and the state of its end. */
export interface StoreIndex {
  readonly entries: readonly IndexEntry[];
  /** Whether an unfinished line follows the entries. */
  readonly unfinished: boolean;
  /** The fault of the line after the entries, if it is not an entry or repeats a photo. */
  readonly damage?: string;
}

/** Reads a store's index as far as it can be trusted. */
export function readIndex(folder: string): StoreIndex {
  const file = path.join(folder, storeFiles.index);
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [''];
  const unfinished = lines.pop() !== '';
  const entries: IndexEntry[] = [];
  const seen = new Set<string>();
  for (const [i, line] of lines.entries()) {
    const entry = parseEntry(line);
    if (!entry) return { entries, unfinished, damage: `Line ${i + 1} of ${file} is damaged.` };
    if (seen.has(entry.id)) return { entries, unfinished, damage: `${file} lists ${entry.id} twice.` };
    seen.add(entry.id);
    entries.push(entry);
  }
  return { entries, unfinished };
}

function parseEntry(line: string): IndexEntry | undefined {
  try {
    const { id, crc32: checksum } = JSON.parse(line) as { id: unknown; crc32: unknown };
    if (typeof id !== 'string' || typeof checksum !== 'string' || !/^[0-9a-f]{8}$/.test(checksum)) return undefined;
    return { id, checksum: Number.parseInt(checksum, 16) };
  } catch {
    return undefined;
  }
}

/**
 * The photos of a store that could not be decoded. Unreadable lines, which a killed process may
 * leave, are skipped.
 */
export function readSkipped(folder: string): SkippedPhoto[] {
  const file = path.join(folder, storeFiles.skipped);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.flatMap((line) => {
    try {
      return [z.object({ id: z.string(), reason: z.string() }).parse(JSON.parse(line))];
    } catch {
      return [];
    }
  });
}
