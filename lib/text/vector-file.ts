import fs from 'node:fs';
import { CaptionerError } from '../errors.js';
import { temporaryName } from '../files/temporary-name.js';

/**
 * Word vectors as a compact file from which single rows are read. Numbers are in the machine's order: the file is a cache.
 *
 *     magic "CAPTVEC1", dimension u32, words u32, bytes of the text u32, 12 bytes unused
 *     matrix   float32 [words, dimension]
 *     starts   u32 [words + 1]   where each word starts in the text; words are sorted by UTF-16 code units
 *     row      u32 [words]       the row of each word
 *     text     the words, UTF-8, one behind the other
 */
const magic = 'CAPTVEC1';
const headerBytes = 32;
const rowsPerWrite = 1000;

/** A word and its vector. */
export type WordVector = readonly [word: string, vector: ArrayLike<number>];

/**
 * Writes a vector file, all or nothing. For a word that occurs twice, lookups find the first
 * vector.
 * @throws CaptionerError `corrupt` if the vectors differ in length or hold something that is not a
 *   finite number.
 */
export async function writeVectorFile(target: string, vectors: AsyncIterable<WordVector>): Promise<void> {
  const temporary = temporaryName(target);
  const file = fs.openSync(temporary, 'w');
  try {
    const words: string[] = [];
    let dimension = 0;
    let position = headerBytes;
    let block = new Float32Array(0); // rows to be written together
    let filled = 0;
    const flush = () => {
      position += fs.writeSync(file, block, 0, 4 * filled, position);
      filled = 0;
    };
    for await (const [word, vector] of vectors) {
      if (!words.length) {
        dimension = vector.length;
        block = new Float32Array(dimension * rowsPerWrite);
      }
      if (vector.length !== dimension || !dimension) {
        throw new CaptionerError('corrupt', `The vector of '${word}' has ${vector.length} numbers, not ${dimension}.`);
      }
      for (let i = 0; i < dimension; i++) {
        if (!Number.isFinite(vector[i])) {
          throw new CaptionerError('corrupt', `The vector of '${word}' holds something that is not a finite number.`);
        }
        block[filled++] = vector[i];
      }
      words.push(word);
      if (filled === block.length) flush();
    }
    flush();
    writeIndex(file, position, words, dimension);
    fs.fsyncSync(file);
    fs.closeSync(file);
    fs.renameSync(temporary, target);
  } catch (error) {
    fs.closeSync(file);
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

function writeIndex(file: number, position: number, words: readonly string[], dimension: number): void {
  const rows = Uint32Array.from(words, (_, i) => i).sort((a, b) =>
    words[a] === words[b] ? a - b : words[a] < words[b] ? -1 : 1,
  );
  const texts = Array.from(rows, (row) => Buffer.from(words[row]));
  const starts = new Uint32Array(words.length + 1);
  texts.forEach((text, i) => (starts[i + 1] = starts[i] + text.length));
  const header = Buffer.alloc(headerBytes);
  header.write(magic);
  [dimension, words.length, starts[words.length]].forEach((n, i) => header.writeUInt32LE(n, 8 + 4 * i));
  for (const part of [starts, rows, Buffer.concat(texts)]) {
    fs.writeSync(file, part, 0, part.byteLength, position);
    position += part.byteLength;
  }
  fs.writeSync(file, header, 0, headerBytes, 0);
}

/** Word vectors on disk: only the words are in memory, and no JavaScript string for each of them. */
export class VectorFile {
  private constructor(
    private readonly file: string,
    /** Numbers in each vector. */
    readonly dimension: number,
    /** Words that have a vector. */
    readonly size: number,
    private readonly starts: Uint32Array,
    private readonly rows: Uint32Array,
    private readonly text: Buffer,
  ) {}

  /**
   * Opens a vector file for reading.
   * @throws CaptionerError `corrupt` if it is not a vector file, or is cut short.
   */
  static open(file: string): VectorFile {
    const handle = fs.openSync(file, 'r');
    try {
      const header = Buffer.alloc(headerBytes);
      fs.readSync(handle, header, 0, headerBytes, 0);
      const [dimension, words, textBytes] = [0, 1, 2].map((i) => header.readUInt32LE(8 + 4 * i));
      let position = headerBytes + 4 * dimension * words;
      const size = position + 4 * (2 * words + 1) + textBytes;
      if (header.toString('latin1', 0, 8) !== magic || fs.fstatSync(handle).size !== size) {
        throw new CaptionerError('corrupt', `${file} holds no word vectors, or is truncated. Delete it.`);
      }
      const read = <B extends NodeJS.ArrayBufferView>(part: B): B => {
        position += fs.readSync(handle, part, 0, part.byteLength, position);
        return part;
      };
      const starts = read(new Uint32Array(words + 1));
      return new VectorFile(
        file,
        dimension,
        words,
        starts,
        read(new Uint32Array(words)),
        read(Buffer.alloc(textBytes)),
      );
    } finally {
      fs.closeSync(handle);
    }
  }

  /** The row of a word, or -1. */
  private find(word: string): number {
    let [low, high] = [0, this.size];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.word(middle) < word) low = middle + 1;
      else high = middle;
    }
    return low < this.size && this.word(low) === word ? this.rows[low] : -1;
  }

  private word(i: number): string {
    return this.text.toString('utf8', this.starts[i], this.starts[i + 1]);
  }

  /** The vector of each word, `undefined` for one that has none. */
  read(words: readonly string[]): (Float32Array | undefined)[] {
    const handle = fs.openSync(this.file, 'r');
    try {
      return words.map((word) => {
        const row = this.find(word);
        if (row < 0) return undefined;
        const vector = new Float32Array(this.dimension);
        fs.readSync(handle, vector, 0, vector.byteLength, headerBytes + row * vector.byteLength);
        return vector;
      });
    } finally {
      fs.closeSync(handle);
    }
  }
}
