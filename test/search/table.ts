import type { Stepper } from '../../lib/search/stepper.js';
import { Random } from '../../lib/random.js';
import { Vocabulary } from '../../lib/text/vocabulary.js';

/** Words of the tables below, by their number. */
export const END = 2;
export const [A, B, C] = [4, 5, 6];

/** p of each next word after a caption's prefix ("" at first, "a b" after two words); what is missing has p = 0. */
export type Table = Record<string, Partial<Record<'a' | 'b' | 'c' | '<end>' | '<unk>' | '<pad>' | '<start>', number>>>;

const words = ['<pad>', '<start>', '<end>', '<unk>', 'a', 'b', 'c'];

export interface History {
  readonly photo: number;
  readonly tokens: readonly number[];
}

/** A decoder that looks its probabilities up: `tables[i]` is that of the photos whose feature is [i]. */
export function tableStepper(tables: readonly Table[]): CountingStepper {
  return new CountingStepper(words.length, ({ photo, tokens }) => {
    const next = tables[photo][tokens.map((token) => words[token]).join(' ')] ?? {};
    return words.map((word) => next[word as keyof typeof next] ?? 0);
  });
}

/** The vocabulary of a decoder with `writableWords` words: a, b, c and so on. */
export function vocabularyOf(writableWords: number): Vocabulary {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'].slice(0, writableWords);
  return Vocabulary.build([letters], { minCount: 1, maxSize: 100 });
}

/** A decoder with random probabilities, which depend on photo and prefix alone. */
export function randomStepper(seed: number, writableWords: number, sharpness = 1): CountingStepper {
  return new CountingStepper(4 + writableWords, ({ photo, tokens }) => {
    const random = new Random(seed, photo, tokens.length, ...tokens);
    const weights = Array.from({ length: 4 + writableWords }, () => Math.exp(sharpness * random.normal()));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return weights.map((weight) => weight / sum);
  });
}

/** Counts its calls, and keeps watch over the states that are not disposed. */
export class CountingStepper implements Stepper<readonly History[]> {
  steps = 0;
  rows = 0;
  readonly alive = new Set<readonly History[]>();

  constructor(
    readonly vocabularySize: number,
    readonly probabilities: (history: History) => number[],
  ) {}

  async start(features: Float32Array, rows: number): Promise<readonly History[]> {
    const width = features.length / rows; // the first feature of a photo is its number
    return Promise.resolve(
      this.keep(Array.from({ length: rows }, (_, row) => ({ photo: features[row * width], tokens: [] }))),
    );
  }

  async step(state: readonly History[], tokens: Int32Array) {
    if (!this.alive.has(state)) throw new Error('this state was disposed');
    this.steps++;
    this.rows += tokens.length;
    const next = state.map(({ photo, tokens: before }, row) => ({
      photo,
      tokens: tokens[row] === 1 ? before : [...before, tokens[row]],
    }));
    const logProbabilities = Float32Array.from(next.flatMap(this.probabilities).map(Math.log));
    return Promise.resolve({ logProbabilities, state: this.keep(next) });
  }

  gather(state: readonly History[], rows: Int32Array): readonly History[] {
    if (!this.alive.has(state)) throw new Error('this state was disposed');
    return this.keep(Array.from(rows, (row) => state[row]));
  }

  dispose(state: readonly History[]): void {
    if (!this.alive.delete(state)) throw new Error('this state was disposed twice');
  }

  private keep(state: readonly History[]): readonly History[] {
    this.alive.add(state);
    return state;
  }
}
