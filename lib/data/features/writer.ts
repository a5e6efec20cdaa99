import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
} from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { CaptionerError, explainFileError } from '../../errors.js';
import { replaceFile } from '../../files/folder.js';
import { writeAll } from '../../files/text-file.js';
import { plainIdentity, type EncoderIdentity } from './encoder-identity.js';
import {
  differingField,
  indexLine,
  readIndex,
  readMeta,
  readSkipped,
  storeFiles,
  type SkippedPhoto,
  type StoreMeta,
} from './store.js';
import { acquireLock } from '../../files/lock.js';
import { separateViews } from './random-views.js';
import { encodeRows, rowBytes, type Precision } from './row-codec.js';

/**
 * Rows written between two fsyncs, which a power cut may lose. A killed process loses none of them.
 */
const rowsBetweenSyncs = 1024;

/** Appends to the feature store in a folder, continuing an earlier run however it ended. */
export class FeatureWriter {
  private readonly rowBytes: number;
  private readonly stored = new Set<string>();
  private readonly skippedNow = new Map<string, string>();
  private readonly skippedOnDisk = new Map<string, string>();
  private indexBytes = 0;
  private unsynced = 0;

  private constructor(
    private readonly folder: string,
    private readonly meta: StoreMeta,
    private readonly rows: number,
    private readonly index: number,
    private readonly unlock: () => void,
  ) {
    this.rowBytes = rowBytes(meta.precision, meta.encoder.dimension);
  }

  /**
   * Creates the store, or opens it and removes what an interrupted run left unfinished.
   * @param encoderFile path of the encoder's file, if it is not in the registry.
   *
   * @throws CaptionerError `mismatch`: its features have another encoder, other views or another
   *   precision. `bad-input`: the folder holds other things, or another process is writing there.
   *   `corrupt`: it cannot be repaired.
   */
  static open(folder: string, encoder: EncoderIdentity, precision: Precision, encoderFile?: string): FeatureWriter {
    const meta: StoreMeta = {
      format: 'captioner-features',
      version: 1,
      encoder: plainIdentity(encoder),
      precision,
      ...(encoderFile !== undefined && { encoderFile }),
    };
    try {
      return FeatureWriter.openStore(folder, meta);
    } catch (error) {
      throw explainFileError(error, folder);
    }
  }

  private static openStore(folder: string, meta: StoreMeta): FeatureWriter {
    mkdirSync(folder, { recursive: true });
    const isStore = existsSync(path.join(folder, storeFiles.meta));
    if (!isStore) refuseForeignFiles(folder);
    const unlock = acquireLock(path.join(folder, storeFiles.lock), `writing to ${folder}`);
    try {
      const found = isStore ? readMeta(folder) : undefined;
      if (found) refuseOtherFeatures(folder, found, meta);
      if (!found || (meta.encoderFile ?? found.encoderFile) !== found.encoderFile) {
        replaceFile(path.join(folder, storeFiles.meta), `${JSON.stringify(meta, null, 2)}\n`);
      }
      const open = (file: string) =>
        openSync(path.join(folder, file), existsSync(path.join(folder, file)) ? 'r+' : 'w+');
      const writer = new FeatureWriter(folder, meta, open(storeFiles.rows), open(storeFiles.index), unlock);
      writer.repair();
      return writer;
    } catch (error) {
      unlock();
      throw error;
    }
  }

  /** Number of photos with a row, and of random views of them. */
  count(): { readonly photos: number; readonly randomViews: number } {
    const { photos, randomViews } = separateViews(this.stored, (id) => this.has(id));
    return { photos: photos.length, randomViews: randomViews.length };
  }

  has(id: string): boolean {
    return this.stored.has(id);
  }

  /**
   * Appends a row for each photo.
   * @param features [ids.length, dimension]
   * @throws CaptionerError `numeric` for numbers that cannot be stored; `bad-input` if the disk is
   *   full.
   */
  append(ids: readonly string[], features: Float32Array): void {
    if (features.length !== ids.length * this.meta.encoder.dimension) {
      throw new CaptionerError(
        'mismatch',
        `Got ${features.length} numbers for ${ids.length} photos; expected ${this.meta.encoder.dimension} for each.`,
      );
    }
    const bytes = encodeRows(features, this.meta.precision);
    const lines = ids.map((id, i) =>
      indexLine({ id, checksum: crc32(bytes.subarray(i * this.rowBytes, (i + 1) * this.rowBytes)) }),
    );
    const text = Buffer.from(lines.join(''));
    // The rows come first: a line of the index promises that its row is present.
    try {
      writeAll(this.rows, bytes, this.stored.size * this.rowBytes);
      writeAll(this.index, text, this.indexBytes);
    } catch (error) {
      throw explainFileError(error, this.folder);
    }
    this.indexBytes += text.length;
    for (const id of ids) this.stored.add(id);
    this.unsynced += ids.length;
    if (this.unsynced >= rowsBetweenSyncs) this.sync();
  }

  /** Records that a photo could not be decoded. */
  skip(id: string, reason: string): void {
    this.skippedNow.set(id, reason);
    if (this.skippedOnDisk.get(id) === reason) return;
    this.skippedOnDisk.set(id, reason);
    appendFileSync(path.join(this.folder, storeFiles.skipped), skippedLine(id, reason));
  }

  /**
   * Closes the store.
   * @param complete whether every photo was tried. Photos that earlier runs skipped and this one
   *   did not are then forgotten.
   */
  close(complete: boolean): void {
    try {
      const forgotten = [...this.skippedOnDisk.keys()].filter(
        (id) => this.stored.has(id) || (complete && !this.skippedNow.has(id)),
      );
      if (forgotten.length) {
        for (const id of forgotten) this.skippedOnDisk.delete(id);
        this.rewriteSkipped();
      }
      this.sync();
    } finally {
      closeSync(this.rows);
      closeSync(this.index);
      this.unlock();
    }
  }

  private sync(): void {
    fsyncSync(this.rows);
    fsyncSync(this.index);
    this.unsynced = 0;
  }

  private rewriteSkipped(): void {
    const lines = [...this.skippedOnDisk].map(([id, reason]) => skippedLine(id, reason));
    replaceFile(path.join(this.folder, storeFiles.skipped), lines.join(''));
  }

  /** Truncates rows and index after the last whole row that has a whole line. */
  private repair(): void {
    const { entries } = readIndex(this.folder);
    const { size } = fstatSync(this.rows);
    let whole = Math.min(entries.length, Math.floor(size / this.rowBytes));
    // A power cut can leave a line without its row, so only rows with a matching checksum are trusted.
    const row = Buffer.allocUnsafe(this.rowBytes);
    const first = Math.max(0, whole - 2 * rowsBetweenSyncs);
    for (let i = first; i < whole; i++) {
      readSync(this.rows, row, 0, row.length, i * row.length);
      if (crc32(row) !== entries[i].checksum) whole = i;
    }
    this.indexBytes = Buffer.byteLength(entries.slice(0, whole).map(indexLine).join(''));
    ftruncateSync(this.rows, whole * this.rowBytes);
    ftruncateSync(this.index, this.indexBytes);
    for (const { id } of entries.slice(0, whole)) this.stored.add(id);
    for (const { id, reason } of readSkipped(this.folder)) this.skippedOnDisk.set(id, reason);
    if (existsSync(path.join(this.folder, storeFiles.skipped))) this.rewriteSkipped();
  }
}

function skippedLine(id: string, reason: string): string {
  return `${JSON.stringify({ id, reason } satisfies SkippedPhoto)}\n`;
}

function refuseForeignFiles(folder: string): void {
  const ours: string[] = [...Object.values(storeFiles), `${storeFiles.meta}.part`];
  const foreign = readdirSync(folder).find((file) => !ours.includes(file) && !file.startsWith(`${storeFiles.lock}.`));
  if (foreign !== undefined) {
    throw new CaptionerError(
      'bad-input',
      `${folder} is not a feature store and holds other files (${foreign}). Choose a new or an empty folder for the features.`,
    );
  }
}

function refuseOtherFeatures(folder: string, found: StoreMeta, wanted: StoreMeta): void {
  const other = differingField(found, wanted);
  if (!other) return;
  throw new CaptionerError(
    'mismatch',
    `The features in ${folder} have ${other.field} ${other.a}, not ${other.b}. Choose another folder, or repeat the former options.`,
  );
}
