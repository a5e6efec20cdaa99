import type { VocabularyConfig } from '../config.js';
import { CaptionerError } from '../errors.js';
import { areWrittenTogether } from './scripts.js';

const specials = ['<pad>', '<start>', '<end>', '<unk>'] as const;

/** The share of the words in the captions that a vocabulary covers. */
export interface Coverage {
  /** Share of the words of the captions that have an id, in [0, 1]. */
  readonly share: number;
  /** Words of the captions, counting repeats. */
  readonly tokens: number;
  /** Words of the captions without an id, counting repeats; each becomes `<unk>`. */
  readonly unknown: number;
}

/**
 * A vocabulary as stored in `vocab.json`. `counts` parallels `words`, including the four special
 * tokens.
 */
export interface VocabularyJson {
  readonly words: readonly string[];
  readonly counts: readonly number[];
}

/**
 * The words a captioner knows, numbered. `<pad> <start> <end> <unk>` are 0 to 3; the words of the
 * captions follow, most frequent first. Equally frequent words are sorted by character code, so the
 * order of the captions does not matter.
 */
export class Vocabulary {
  static readonly PAD = 0;
  static readonly START = 1;
  static readonly END = 2;
  static readonly UNK = 3;
  /** Number of special tokens: `<pad>`, `<start>`, `<end>` and `<unk>`. */
  static readonly SPECIALS = specials.length;

  private readonly ids: ReadonlyMap<string, number>;

  private constructor(
    /** The word of each id. */
    readonly words: readonly string[],
    /**
     * Count of each word. `<start>` and `<end>` count the captions, `<unk>` counts all words left
     * out.
     */
    readonly counts: readonly number[],
  ) {
    this.ids = new Map(words.map((word, id) => [word, id]));
  }

  /**
   * Builds a vocabulary from tokenized captions.
   * @param captions the words of each caption; see `tokenize`.
   * @param config `maxSize` includes the four special tokens: it is the maximum of {@link size}.
   */
  static build(captions: Iterable<readonly string[]>, config: VocabularyConfig): Vocabulary {
    const seen = countWords(captions);
    const kept = [...seen.counts]
      .filter(([word, count]) => count >= config.minCount && !(specials as readonly string[]).includes(word))
      .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
      .slice(0, Math.max(0, config.maxSize - specials.length));
    const known = kept.reduce((sum, [, count]) => sum + count, 0);
    return new Vocabulary(
      [...specials, ...kept.map(([word]) => word)],
      [0, seen.captions, seen.captions, seen.tokens - known, ...kept.map(([, count]) => count)],
    );
  }

  /** Number of words, including the four special tokens. */
  get size(): number {
    return this.words.length;
  }

  get coverage(): Coverage {
    const unknown = this.counts[Vocabulary.UNK];
    const tokens = this.counts.slice(Vocabulary.UNK).reduce((sum, count) => sum + count, 0);
    return { share: tokens ? 1 - unknown / tokens : 1, tokens, unknown };
  }

  /** Whether a word is in the vocabulary. */
  has(word: string): boolean {
    return this.ids.has(word);
  }

  /** The id of a word, or that of `<unk>` for a word outside the vocabulary. */
  id(word: string): number {
    return this.ids.get(word) ?? Vocabulary.UNK;
  }

  /**
   * The ids of a caption's words, without `<start>` and `<end>`.
   * @param substitute returns a known word for an unknown one; see `nearestKnownWord` of the word
   *   vectors.
   */
  encode(tokens: readonly string[], substitute?: (word: string) => string | undefined): number[] {
    return tokens.map((word) => this.ids.get(word) ?? this.id(substitute?.(word) ?? word));
  }

  /**
   * The caption of `ids` up to the first `<end>`, as readable text. Special tokens are left out;
   * clitics (man's, don't) and words of scripts without spaces are joined.
   * @param options.unknown whether to write `<unk>`, for searches that allow it.
   * @throws CaptionerError `mismatch` for an id outside the vocabulary.
   */
  decode(ids: Iterable<number>, { unknown = false } = {}): string {
    let caption = '';
    for (const id of ids) {
      if (id === Vocabulary.END) break;
      const word = this.words[id];
      if (word === undefined) {
        throw new CaptionerError(
          'mismatch',
          `There is no word ${id} in this vocabulary of ${this.size} words: it belongs to another captioner.`,
        );
      }
      if (id < specials.length && !(unknown && id === Vocabulary.UNK)) continue;
      const joined = /^('(s|m|d|re|ve|ll)|n't)$/.test(word) || areWrittenTogether(caption, word);
      caption += caption && !joined ? ` ${word}` : word;
    }
    return caption;
  }

  /** The vocabulary as stored in `vocab.json`. */
  toJSON(): VocabularyJson {
    return { words: this.words, counts: this.counts };
  }

  /**
   * Restores a vocabulary from its JSON form.
   * @throws CaptionerError `corrupt` if `json` is not a vocabulary.
   */
  static fromJSON(json: unknown): Vocabulary {
    const { words, counts } = (json ?? {}) as Partial<VocabularyJson>;
    const problem = vocabularyProblem(words, counts);
    if (problem) throw new CaptionerError('corrupt', `This is not a vocabulary of captioner: ${problem}.`);
    return new Vocabulary([...words!], [...counts!]);
  }
}

/** The words of `captions` that `vocabulary` left out, with their counts, most frequent first. */
export function droppedWords(
  captions: Iterable<readonly string[]>,
  vocabulary: Vocabulary,
): (readonly [word: string, count: number])[] {
  return [...countWords(captions).counts]
    .filter(([word]) => !vocabulary.has(word))
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}

function countWords(captions: Iterable<readonly string[]>) {
  const counts = new Map<string, number>();
  const seen = { counts, captions: 0, tokens: 0 };
  for (const caption of captions) {
    seen.captions++;
    seen.tokens += caption.length;
    for (const word of caption) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return seen;
}

function vocabularyProblem(words: unknown, counts: unknown): string | undefined {
  if (!Array.isArray(words) || !words.every((word) => typeof word === 'string' && word !== '')) {
    return '"words" is not a list of words';
  }
  if (specials.some((word, id) => words[id] !== word)) return `"words" must begin with ${specials.join(' ')}`;
  if (new Set(words).size !== words.length) {
    return `"${words.find((word, id) => words.indexOf(word) !== id) as string}" is in "words" twice`;
  }
  if (!Array.isArray(counts) || counts.length !== words.length) return '"counts" must have a number for each word';
  if (!counts.every((count) => Number.isSafeInteger(count) && count >= 0))
    return '"counts" holds something that is not a count';
  return undefined;
}
