import { countNgrams } from './ngrams.js';

/** The variety of captions. Shares are in [0, 1]. */
export interface Diversity {
  /** Share of distinct captions. */
  readonly distinctCaptions: number;
  /** Share of distinct words: distinct-1 (Li et al. 2016). */
  readonly 'distinct-1': number;
  /** Share of distinct word pairs: distinct-2. */
  readonly 'distinct-2': number;
  /**
   * Share of captions that do not occur in the training set. Undefined if the training captions are
   * unknown.
   */
  readonly novel?: number;
  /** Number of distinct words. */
  readonly words: number;
  /** Share of the vocabulary in use. Undefined if the vocabulary is unknown. */
  readonly vocabulary?: number;
  /** Mean number of words per caption. */
  readonly length: number;
  /** The most frequent captions and their numbers of photos, at most five. */
  readonly frequent: readonly (readonly [caption: string, photos: number])[];
}

/**
 * Measures the variety of captions.
 *
 * @param captions as words, see `ptbTokenize`.
 * @param training the training captions, as words.
 * @param vocabularySize size of the vocabulary without special tokens.
 */
export function diversity(
  captions: readonly (readonly string[])[],
  { training, vocabularySize }: { training?: Iterable<readonly string[]>; vocabularySize?: number } = {},
): Diversity {
  const [words, pairs] = [new Map<string, number>(), new Map<string, number>()];
  const texts = new Map<string, number>();
  for (const caption of captions) {
    const [unigrams, bigrams] = countNgrams(caption, 2);
    for (const [word, count] of unigrams) words.set(word, (words.get(word) ?? 0) + count);
    for (const [pair, count] of bigrams) pairs.set(pair, (pairs.get(pair) ?? 0) + count);
    const text = caption.join(' ');
    texts.set(text, (texts.get(text) ?? 0) + 1);
  }
  const known = training && new Set([...training].map((caption) => caption.join(' ')));
  const total = captions.reduce((sum, { length }) => sum + length, 0);
  return {
    distinctCaptions: share(texts.size, captions.length),
    'distinct-1': share(words.size, sum(words)),
    'distinct-2': share(pairs.size, sum(pairs)),
    ...(known && {
      novel: share(captions.filter((caption) => !known.has(caption.join(' '))).length, captions.length),
    }),
    words: words.size,
    ...(vocabularySize && { vocabulary: words.size / vocabularySize }),
    length: share(total, captions.length),
    frequent: [...texts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, 5),
  };
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

/** part / whole, or 0 if the whole is empty. */
function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
