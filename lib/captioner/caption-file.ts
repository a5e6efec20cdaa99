import { createHash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { Caption, CaptionedPhoto } from './captioner.js';
import { defaultCheckpoint } from './shipped-models.js';
import type { InferenceConfig, SearchConfig } from '../config.js';
import { viewsOf } from '../data/features/encoder-identity.js';
import { acquireLock } from '../files/lock.js';
import { resolveSearch } from '../search/search-config.js';
import { CaptionerError, explainFileError } from '../errors.js';
import { writeAll } from '../files/text-file.js';
import { findCheckpoint, loadCheckpoint } from '../model/checkpoint/checkpoint.js';
import { encodeSafetensors } from '../files/safetensors.js';

/**
 * A key of everything that captions depend on besides the photo (encoder, vocabulary and weights of
 * the captioners, and the search), as twelve hexadecimal digits.
 * @param checkpoints as `Captioner.load` takes them.
 * @throws CaptionerError as `loadCheckpoint` does; `bad-option` of the search.
 */
export function captionKey(
  checkpoints: string | readonly string[] = defaultCheckpoint(),
  search: Partial<SearchConfig> = {},
  { precision = 'fp32' }: Partial<InferenceConfig> = {},
  minConfidence = 0,
): string {
  const { samples, ...resolved } = resolveSearch(search);
  const hash = createHash('sha256').update(JSON.stringify(resolved));
  if (resolved.method === 'consensus') hash.update(`samples ${samples}`);
  if (precision !== 'fp32') hash.update(precision);
  if (minConfidence > 0) hash.update(`confidence ${minConfidence}`);
  for (const folder of [checkpoints].flat()) {
    const { config, vocabulary, weights } = loadCheckpoint(findCheckpoint(folder));
    const { normalisation } = config.encoder;
    const views = viewsOf(config.encoder);
    // Defaults are left out, so that keys of earlier versions stay the same.
    hash
      .update(
        JSON.stringify([
          ...[config.encoder.sha256, config.decoder, vocabulary.words],
          ...(views === 'one' ? [] : [views]),
          ...(normalisation ? [normalisation] : []),
          ...(config.search ? [config.search] : []),
        ]),
      )
      .update(encodeSafetensors(weights));
  }
  return hash.digest('hex').slice(0, 12);
}

/** Whether to withhold a caption because its confidence is below the minimum. */
export function isWithheld({ confidence }: Pick<Caption, 'confidence'>, minConfidence = 0): boolean {
  return confidence !== null && confidence < minConfidence;
}

/**
 * The result of a photo as JSON: `{file, captions: [{caption, logProbability, probability,
 * confidence}]}`, or `{file, error: {code, message}}`. A withheld caption is null, with the
 * `reason`.
 */
export function captionRecord({ file, captions, error }: CaptionedPhoto, minConfidence = 0): object {
  if (error) return { file, error: { code: error.code, message: error.message } };
  return {
    file,
    captions: captions.map((each) => {
      const { caption, logProbability, probability, confidence } = each;
      if (!isWithheld(each, minConfidence)) return { caption, logProbability, probability, confidence };
      const reason = `confidence ${confidence!.toFixed(2)} is below ${minConfidence}`;
      return { caption: null, confidence, reason };
    }),
  };
}

/** A line of a caption file. */
interface Line {
  readonly file: string;
  readonly key: string;
  readonly stamp?: string;
  readonly error?: { readonly message: string };
}

/**
 * Captions as JSON lines in a file that only grows: `{"file", "captions": [{"caption",
 * "logProbability", "probability"}], "key"}`, or `{"file", "error", "key"}`. A photo with captions
 * of the same key is not captioned again unless its file was replaced (`stamp` is its size and
 * modification time). The same call therefore completes a run that was stopped or killed. Failed
 * photos are tried again.
 */
export class CaptionFile {
  /**
   * Stamp of the file that the captions of each photo belong to; undefined if the line has none.
   */
  private readonly done = new Map<string, string | undefined>();
  private readonly failed = new Map<string, string>();
  private bytes = 0;
  private addedLines = 0;

  private constructor(
    private readonly place: string,
    private readonly key: string,
    private readonly descriptor: number,
    private readonly unlock: () => void,
    private readonly minConfidence: number,
  ) {}

  /**
   * Creates the file, or opens it and removes a last line that a killed process left unfinished.
   * @param key of {@link captionKey}.
   * @param minConfidence captions below it are withheld.
   * @throws CaptionerError `bad-input`: it cannot be written, holds other things, or another
   *   process is writing it.
   */
  static open(place: string, key: string, minConfidence = 0): CaptionFile {
    let unlock: (() => void) | undefined;
    try {
      mkdirSync(path.dirname(path.resolve(place)), { recursive: true });
      unlock = acquireLock(`${place}.lock`, `writing to ${place}`);
      const file = new CaptionFile(place, key, openSync(place, existsSync(place) ? 'r+' : 'w+'), unlock, minConfidence);
      file.readLines();
      return file;
    } catch (error) {
      unlock?.();
      throw explainFileError(error, place);
    }
  }

  /** Photos that have captions with this key. */
  get size(): number {
    return this.done.size;
  }

  /** Number of these that were added since the file was opened. */
  get added(): number {
    return this.addedLines;
  }

  /** Whether a photo has captions that belong to its current file. */
  has(photo: string): boolean {
    const captioned = this.done.get(photo);
    return captioned === undefined ? this.done.has(photo) : captioned === stampOf(photo);
  }

  /** Appends the result of a photo. */
  add(photo: CaptionedPhoto): void {
    const { file, error } = photo;
    if (error) {
      // It failed again with the same error, which the file already has.
      if (this.failed.get(file) === error.message) return;
      this.failed.set(file, error.message);
    }
    const stamp = stampOf(file);
    this.append({ ...captionRecord(photo, this.minConfidence), ...(stamp !== undefined && { stamp }), key: this.key });
    if (error) return;
    this.done.set(file, stamp);
    this.addedLines++;
  }

  /** Closes the file. */
  close(): void {
    try {
      fsyncSync(this.descriptor);
    } finally {
      closeSync(this.descriptor);
      this.unlock();
    }
  }

  private append(line: object): void {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    try {
      writeAll(this.descriptor, bytes, this.bytes);
    } catch (error) {
      throw explainFileError(error, this.place);
    }
    this.bytes += bytes.length;
  }

  /** Reads line by line, as the file may be larger than memory. */
  private readLines(): void {
    const chunk = Buffer.alloc(2 ** 16);
    const decoder = new StringDecoder('utf8');
    let rest = '';
    let number = 0;
    for (let at = 0, read = 0; (read = readSync(this.descriptor, chunk, 0, chunk.length, at)) > 0; at += read) {
      const lines = (rest + decoder.write(chunk.subarray(0, read))).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.note(line, ++number);
    }
    ftruncateSync(this.descriptor, this.bytes);
  }

  private note(text: string, number: number): void {
    this.bytes += Buffer.byteLength(text) + 1;
    let line: Line;
    try {
      line = JSON.parse(text) as Line;
      if (typeof line.file !== 'string' || typeof line.key !== 'string') throw new Error('no file, or no key');
    } catch (cause) {
      throw new CaptionerError(
        'bad-input',
        `Line ${number} of ${this.place} was not written by captioner caption --out. Name another file, or delete that line.`,
        { cause },
      );
    }
    if (line.key !== this.key) return;
    if (line.error) this.failed.set(line.file, line.error.message);
    else this.done.set(line.file, line.stamp);
  }
}

/**
 * Size and modification time of a photo's file, which detect that it was replaced; undefined if
 * there is no such file.
 */
function stampOf(file: string): string | undefined {
  try {
    const { size, mtimeMs } = statSync(file);
    return `${size} ${Math.round(mtimeMs)}`;
  } catch {
    return undefined;
  }
}
