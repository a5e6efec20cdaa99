import { CaptionerError } from '../../errors.js';
import { silent, type ProgressReporter } from '../../progress.js';
import { Random } from '../../random.js';
import { tokenize } from '../../text/tokenizer.js';
import type { Manifest, Photo } from './manifest.js';

/** Options of {@link pairCaptions}. */
export interface PairingOptions {
  /** Minimum cosine similarity of a photo's captions and a text, in [0, 1]. Default 0.28. */
  readonly minSimilarity?: number;
  /** Maximum number of captions that one photo gets. Default 40. */
  readonly mostPerPhoto?: number;
  readonly seed?: number;
  readonly progress?: ProgressReporter;
  readonly signal?: AbortSignal;
}

/** Captions of one image that is not available. Each text is one of them. */
export type CaptionGroup = readonly string[];

/** Photos with the captions that were found for them. */
export interface Pairing {
  /** The data set. Its train photos have the captions assigned to them after their own. */
  readonly manifest: Manifest;
  /** Captions that were assigned to a photo. */
  readonly placed: number;
  /** Total number of captions. */
  readonly given: number;
}

/** Number of candidate photos for a text: the most similar ones. */
const candidates = 3;
/** Similarity that a candidate needs, relative to the best. */
const nearlyBest = 0.85;
/** Words that say nothing about a photo. */
const stopWords = new Set(
  'a an the of is are on in at with and to his her it its there this that some by for from be being as their he she who which has have while up two'.split(
    ' ',
  ),
);

/**
 * Assigns captions of unavailable images to the train photos that they fit best, so that a decoder
 * can learn language from more text than there are photos. Each caption goes to a photo whose own
 * captions are most similar, by the cosine of TF-IDF vectors. It may be wrong about that photo, so
 * a decoder is pretrained on the result and then trained on the data set itself.
 *
 * Captions that also belong to a dev or test photo are left out.
 *
 * @throws CaptionerError `bad-input`: no train photo has a caption. Also the reason with which
 *   `signal` was aborted.
 */
export function pairCaptions(
  manifest: Manifest,
  groups: readonly CaptionGroup[],
  { minSimilarity = 0.28, mostPerPhoto = 40, seed = 1, progress = silent, signal }: PairingOptions = {},
): Pairing {
  const train = manifest.photos.filter(({ split, captions }) => split === 'train' && captions.length > 0);
  if (train.length === 0) throw new CaptionerError('bad-input', `${manifest.name} has no train photos with captions.`);
  const evaluated = manifest.photos.filter(({ split }) => split === 'dev' || split === 'test');
  const held = new Set(evaluated.flatMap(({ captions }) => captions.map(plain)));
  const random = new Random(seed);

  progress.start('Reading captions', train.length + groups.length, 'images');
  const photoWords = train.map(({ captions }) => wordShares(captions));
  progress.update(train.length);
  const groupWords = groups.map((captions) => wordShares(captions));
  const weight = inverseFrequencies([...photoWords, ...groupWords]);
  const photos = photoWords.map((shares) => unitVector(shares, weight));
  const postings = new Map<string, { photo: number; value: number }[]>();
  photos.forEach((vector, photo) => {
    for (const [word, value] of vector) {
      const list = postings.get(word);
      if (list) list.push({ photo, value });
      else postings.set(word, [{ photo, value }]);
    }
  });

  const added: string[][] = train.map(() => []);
  const scores = new Float64Array(train.length);
  groups.forEach((captions, g) => {
    if (g % 500 === 0) {
      signal?.throwIfAborted();
      progress.update(train.length + g);
    }
    scores.fill(0);
    for (const [word, value] of unitVector(groupWords[g], weight)) {
      for (const posting of postings.get(word) ?? []) scores[posting.photo] += value * posting.value;
    }
    const best = mostSimilar(scores, candidates);
    const least = Math.max(minSimilarity, nearlyBest * scores[best[0]]);
    const fitting = best.filter((photo) => scores[photo] >= least);
    if (fitting.length === 0) return;
    for (const caption of captions) {
      if (!held.has(plain(caption))) added[fitting[random.integer(fitting.length)]].push(caption.trim());
    }
  });
  progress.stop();

  const given = new Map(train.map((photo, i) => [photo, random.shuffle(added[i]).slice(0, mostPerPhoto)]));
  const withGiven = (photo: Photo): Photo => ({
    ...photo,
    captions: [...photo.captions, ...(given.get(photo) ?? [])],
  });
  return {
    manifest: { ...manifest, photos: manifest.photos.map(withGiven) },
    placed: [...given.values()].reduce((sum, captions) => sum + captions.length, 0),
    given: groups.reduce((sum, captions) => sum + captions.length, 0),
  };
}

const plain = (caption: string) => caption.trim().toLowerCase();

/** The share of captions that contain each word. */
function wordShares(captions: readonly string[]): Map<string, number> {
  const shares = new Map<string, number>();
  for (const caption of captions) {
    for (const word of new Set(tokenize(caption))) {
      if (!stopWords.has(word)) shares.set(word, (shares.get(word) ?? 0) + 1 / captions.length);
    }
  }
  return shares;
}

/** ln(N / df) of each word that occurs for more than one image. */
function inverseFrequencies(images: readonly ReadonlyMap<string, number>[]): Map<string, number> {
  const frequencies = new Map<string, number>();
  for (const shares of images)
    for (const word of shares.keys()) frequencies.set(word, (frequencies.get(word) ?? 0) + 1);
  const common = [...frequencies].filter(([, count]) => count > 1);
  return new Map(common.map(([word, count]) => [word, Math.log(images.length / count)]));
}

/** The TF-IDF vector of an image's captions, normalised to length 1. */
function unitVector(shares: ReadonlyMap<string, number>, weight: ReadonlyMap<string, number>): [string, number][] {
  const vector = [...shares].flatMap(([word, share]): [string, number][] => {
    const idf = weight.get(word);
    return idf === undefined ? [] : [[word, Math.sqrt(share) * idf]];
  });
  const norm = Math.hypot(...vector.map(([, value]) => value));
  return norm === 0 ? [] : vector.map(([word, value]) => [word, value / norm]);
}

/** The indices of the `count` greatest scores, the greatest first. */
function mostSimilar(scores: Float64Array, count: number): number[] {
  const best: number[] = [];
  for (let i = 0; i < scores.length; i++) {
    if (best.length === count && scores[i] <= scores[best[count - 1]]) continue;
    const at = best.findIndex((other) => scores[i] > scores[other]);
    best.splice(at < 0 ? best.length : at, 0, i);
    if (best.length > count) best.pop();
  }
  return best;
}
