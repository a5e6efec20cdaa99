import { countNgrams } from './ngrams.js';

/** How varied captions are. Shares are in [0, 1]. */
export interface Diversity {
  /** Different captions, of all. */
  readonly distinctCaptions: number;
  /** Different words, of all words: distinct-1 (Li et al. 2016). */
  readonly 'distinct-1': number;
  /** Different pairs of neighbouring words, of all pairs. */
  readonly 'distinct-2': number;
  /** Captions that no photo has that the captioner learned from, of all; undefined where these are not known. */
  readonly novel?: number;
  /** Different words. */
  readonly words: number;
  /** Different words, of those that the captioner could have written; undefined where its vocabulary is not known. */
  readonly vocabulary?: number;
  /** Mean words of a caption. */
  readonly length: number;
  /** The most frequent captions with the number of photos that have them, at most five. */
  readonly frequent: readonly (readonly [caption: string, photos: number])[];
}

/**
 * @param captions as words, see `ptbTokenize`.
 * @param training the captions that were learned from, as words.
 * @param vocabularySize words that could have been written, special ones not counted.
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

/** Nothing of nothing is 0. */
function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
