import type { FeatureStore } from '../data/features/store.js';
import type { Random } from '../random.js';
import type { Diversity } from './diversity.js';
import type { CaptionScorer } from './scorer.js';

/** A check for a silent failure. */
export interface Check {
  readonly name: 'same-caption' | 'shuffled-features' | 'unknown-words' | 'feature-statistics';
  readonly alarm: boolean;
  /** The measured value. */
  readonly value: number;
  /** Limit beyond which the check raises an alarm. */
  readonly threshold: number;
  /** The numbers behind the value, by name. */
  readonly details: Readonly<Record<string, number>>;
  /** The result as a sentence. An alarm also says what to do. */
  readonly message: string;
}

/**
 * Alarm limits. In brackets: the value of a sound captioner (MobileNetV2 on the dev and test photos
 * of Flickr8k) and, where tried, of a fault.
 */
export const alarmThresholds = {
  /** Share of photos with the most frequent caption (.015). */
  sameCaption: 0.1,
  /**
   * CIDEr with the features of other photos, as a share of CIDEr (.14: the words that all captions
   * share).
   */
  shuffledFeatures: 0.6,
  /** Share of the references' words outside the vocabulary (.02). */
  unknownWords: 0.15,
  /**
   * Mean distance between the mean of a feature and its mean over the training photos, in standard
   * deviations, beyond chance (.01; after fine-tuning the encoder .10; pixels in 0 to 1 without
   * normalisation .30, in -1 to 1 .19, in 0 to 255 1.6). Swapped red and blue give .13 and are not
   * detected.
   */
  featureShift: 0.15,
  /** Minimum and maximum of mean |z| over the features (.77; pixels in 0 to 255 1.9). */
  absoluteZ: [0.3, 1.5],
} as const;

/** Fewer photos with the same caption are never an alarm. */
const fewCaptions = 5;

/** Means over fewer photos are not reliable. */
const fewPhotos = 20;

/** Checks that captions differ between photos. */
export function checkSameCaption({ frequent }: Diversity, photos: number): Check {
  const [caption, count] = frequent[0] ?? ['', 0];
  const value = photos === 0 ? 0 : count / photos;
  const alarm = value > alarmThresholds.sameCaption && count >= fewCaptions;
  const few =
    count < fewCaptions && value > alarmThresholds.sameCaption ? ` ${count} photos are too few to judge.` : '';
  const measured = `${percent(value)} of the photos have the same caption ("${caption}").${few}`;
  return check('same-caption', alarm, value, alarmThresholds.sameCaption, measured, {
    details: { photos: count },
    remedy:
      'The captioner hardly uses the photos. Train longer, widen the decoder, lower the dropout, or change the learning rate.',
  });
}

/** CIDEr of captions written from the features of other photos. */
export interface ShuffledScore {
  readonly cider: number;
  readonly shuffled: number;
}

/**
 * The control experiment for the use of features: each photo gets the caption of another photo,
 * which is the caption that the other photo's features would give. Averages over at most `rounds`
 * rearrangements; no photo keeps its own caption.
 *
 * @returns undefined for a single photo.
 */
export function shuffledCider(
  scorer: CaptionScorer,
  candidates: readonly (readonly string[])[],
  random: Random,
  rounds = 5,
): ShuffledScore | undefined {
  const n = candidates.length;
  if (n < 2) return undefined;
  const circle = random.shuffle(candidates.map((_, i) => i));
  // Each photo gets the caption of the one some steps further in a random circle.
  const steps = Array.from(
    { length: Math.min(rounds, n - 1) },
    (_, i) => 1 + Math.floor((i * (n - 1)) / Math.min(rounds, n - 1)),
  );
  const scores = steps.map((step) => {
    const others = new Array<readonly string[]>(n);
    circle.forEach((photo, place) => (others[photo] = candidates[circle[(place + step) % n]]));
    return scorer.statistics(others).corpus().CIDEr;
  });
  return {
    cider: scorer.statistics(candidates).corpus().CIDEr,
    shuffled: scores.reduce((sum, score) => sum + score, 0) / scores.length,
  };
}

/**
 * Checks that captions score better with the features of their own photo than with those of
 * another.
 */
export function checkShuffledFeatures({ cider, shuffled }: ShuffledScore): Check {
  // With a CIDEr of 0 the features are not seen to matter either.
  const value = cider > 0 ? shuffled / cider : 1;
  const measured = `CIDEr is ${hundred(cider)} with the features of each photo, and ${hundred(shuffled)} with those of another photo.`;
  const alarm = value > alarmThresholds.shuffledFeatures;
  return check('shuffled-features', alarm, value, alarmThresholds.shuffledFeatures, measured, {
    details: { cider, shuffled },
    remedy:
      "The captions do not depend on the features. Check that they belong to these photos (extract them again), that they were prepared as in training, and that the decoder's weights have changed since initialisation.",
  });
}

/**
 * Checks that the vocabulary covers the references. @param unknown share of their words outside it.
 */
export function checkUnknownWords(unknown: number): Check {
  const measured = `${percent(unknown)} of the words in the references are not in the vocabulary.`;
  const alarm = unknown > alarmThresholds.unknownWords;
  return check('unknown-words', alarm, unknown, alarmThresholds.unknownWords, measured, {
    details: { unknown },
    remedy:
      'The captioner learned from captions of another kind or language. Train it on captions like these, or lower --min-count.',
  });
}

/** Distance between features and those that a captioner was trained on. */
export interface FeatureDistance {
  /**
   * Mean of |z| over photos and dimensions, where z = (feature - mean) / standard deviation over
   * the training photos. About .8 for photos of the same kind.
   */
  readonly meanAbsoluteZ: number;
  /**
   * Mean over dimensions of |mean of z over photos|. Approaches 0 for many photos of the same kind.
   */
  readonly shift: number;
  readonly photos: number;
}

/**
 * Measures the distance of features from the training statistics.
 * @param mean mean of each feature over the training photos, [D].
 * @param std standard deviation of each feature over the training photos, [D].
 */
export function featureDistance(
  features: FeatureStore,
  photos: readonly string[],
  mean: Float32Array,
  std: Float32Array,
): FeatureDistance {
  const D = features.dimension;
  const sums = new Float64Array(D);
  const row = new Float32Array(D);
  let absolute = 0;
  for (const id of photos) {
    features.read(id, row);
    for (let i = 0; i < D; i++) {
      const z = (row[i] - mean[i]) / std[i];
      sums[i] += z;
      absolute += Math.abs(z);
    }
  }
  return {
    meanAbsoluteZ: absolute / (photos.length * D),
    shift: sums.reduce((sum, z) => sum + Math.abs(z), 0) / (photos.length * D),
    photos: photos.length,
  };
}

/** Checks that the features resemble those that the captioner was trained on. */
export function checkFeatureStatistics({ meanAbsoluteZ, shift, photos }: FeatureDistance): Check {
  // The mean of n independent z has the standard deviation 1 / sqrt(n), so chance alone gives a
  // shift of .8 times that.
  const chance = 2 / Math.PI / photos;
  const value = Math.sqrt(Math.max(0, shift ** 2 - chance));
  const [least, most] = alarmThresholds.absoluteZ;
  const unlike = value > alarmThresholds.featureShift || meanAbsoluteZ < least || meanAbsoluteZ > most;
  const alarm = unlike && photos >= fewPhotos;
  const measured = `Mean |z| of the features is ${meanAbsoluteZ.toFixed(2)}. Their means are ${value.toFixed(2)} standard deviations from those of the training photos.${unlike && !alarm ? ` ${photos} photos are too few to judge.` : ''}`;
  return check('feature-statistics', alarm, value, alarmThresholds.featureShift, measured, {
    details: { meanAbsoluteZ, shift, photos },
    remedy:
      'The photos were prepared differently from training (colour order, range of values, crop, encoder) or are of another kind. Extract their features with this version of captioner.',
  });
}

function check(
  name: Check['name'],
  alarm: boolean,
  value: number,
  threshold: number,
  measured: string,
  { remedy, details }: { remedy: string; details: Check['details'] },
): Check {
  return { name, alarm, value, threshold, details, message: alarm ? `${measured} ${remedy}` : measured };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function hundred(score: number): string {
  return (100 * score).toFixed(1);
}
