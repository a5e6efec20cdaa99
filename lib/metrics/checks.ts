import type { FeatureStore } from '../data/features/store.js';
import type { Random } from '../random.js';
import type { Diversity } from './diversity.js';
import type { CaptionScorer } from './scorer.js';

/** Something that goes wrong without an error, and whether it does. */
export interface Check {
  readonly name: 'same-caption' | 'shuffled-features' | 'unknown-words' | 'feature-statistics';
  readonly alarm: boolean;
  /** What was measured. */
  readonly value: number;
  /** Beyond this it is an alarm. */
  readonly threshold: number;
  /** The numbers behind it, by name. */
  readonly details: Readonly<Record<string, number>>;
  /** What was measured, as a sentence; where it is an alarm, what to do too. */
  readonly message: string;
}

/**
 * Where the checks raise an alarm. In brackets: what was measured of a sound captioner (MobileNetV2, Flickr8k's dev and test photos), and where it was
 * tried, of a fault.
 */
export const alarmThresholds = {
  /** Share of photos with the most frequent caption (.015). */
  sameCaption: 0.1,
  /** CIDEr with the features of other photos, as a share of CIDEr (.14; nothing but the captions' common words is left). */
  shuffledFeatures: 0.6,
  /** Share of the references' words outside the vocabulary (.02). */
  unknownWords: 0.15,
  /**
   * Mean distance of a feature's mean from that of the training photos, in their standard deviations, beyond chance (.01; after fine-tuning the encoder
   * .10; pixels in 0 to 1 without normalisation .30, in -1 to 1 .19, in 0 to 255 1.6). Red and blue swapped give .13: that is not found.
   */
  featureShift: 0.15,
  /** Mean |z| of the features, least and most (.77; pixels in 0 to 255 1.9). */
  absoluteZ: [0.3, 1.5],
} as const;

/** Fewer photos than this with the same caption are no alarm, whatever their share. */
const fewCaptions = 5;

/** The means of fewer photos than this say nothing. */
const fewPhotos = 20;

/** Whether one caption is given to many photos. */
export function checkSameCaption({ frequent }: Diversity, photos: number): Check {
  const [caption, count] = frequent[0] ?? ['', 0];
  const value = photos === 0 ? 0 : count / photos;
  const alarm = value > alarmThresholds.sameCaption && count >= fewCaptions;
  const few = count < fewCaptions && value > alarmThresholds.sameCaption ? ` ${count} photos are too few to tell.` : '';
  const measured = `${percent(value)} of the photos have the same caption ("${caption}").${few}`;
  return check('same-caption', alarm, value, alarmThresholds.sameCaption, measured, {
    details: { photos: count },
    remedy:
      'The captioner has hardly learned to look: train longer, widen it, lower its dropout, or look at its learning rate.',
  });
}

/** CIDEr of captions that were written from the features of other photos. */
export interface ShuffledScore {
  readonly cider: number;
  readonly shuffled: number;
}

/**
 * The control of whether features matter: each photo gets the caption of another one, which is what the captioner writes from the other one's
 * features, for a search looks at nothing else. The mean over at most `rounds` such rearrangements, in none of which a photo keeps its own.
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
  // Each photo gets the features of the one some steps further in a random circle.
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

/** Whether captions are better with the features of their own photo than with those of another. */
export function checkShuffledFeatures({ cider, shuffled }: ShuffledScore): Check {
  // Where nothing scores, nothing is seen either.
  const value = cider > 0 ? shuffled / cider : 1;
  const measured = `CIDEr is ${hundred(cider)} with the features of each photo, and ${hundred(shuffled)} with those of others.`;
  const alarm = value > alarmThresholds.shuffledFeatures;
  return check('shuffled-features', alarm, value, alarmThresholds.shuffledFeatures, measured, {
    details: { cider, shuffled },
    remedy:
      "The features carry nothing that the captions use: check that they belong to these photos (extract them anew) and were made as in training, and that the decoder's weights have moved.",
  });
}

/** Whether people use words that the captioner does not have. @param unknown share of their words. */
export function checkUnknownWords(unknown: number): Check {
  const measured = `${percent(unknown)} of the words in the references are not in the vocabulary.`;
  const alarm = unknown > alarmThresholds.unknownWords;
  return check('unknown-words', alarm, unknown, alarmThresholds.unknownWords, measured, {
    details: { unknown },
    remedy:
      'The captioner learned from captions of another kind, or in another language: train it on captions like these, or lower --min-count.',
  });
}

/** How far features are from those that a captioner was trained on. */
export interface FeatureDistance {
  /** Mean of |z| over photos and dimensions, z = (feature - mean) / deviation of the training photos: some .8 for photos of the same kind. */
  readonly meanAbsoluteZ: number;
  /** Mean over dimensions of |mean of z over photos|: 0 for very many photos of the same kind. */
  readonly shift: number;
  readonly photos: number;
}

/** @param mean @param std of each feature over the training photos, [D]. */
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

/** Whether features are like those that the captioner was trained on. */
export function checkFeatureStatistics({ meanAbsoluteZ, shift, photos }: FeatureDistance): Check {
  // The mean of n independent z has the deviation 1 / sqrt(n), so that .8 of that is seen as a shift where there is none.
  const chance = 2 / Math.PI / photos;
  const value = Math.sqrt(Math.max(0, shift ** 2 - chance));
  const [least, most] = alarmThresholds.absoluteZ;
  const unlike = value > alarmThresholds.featureShift || meanAbsoluteZ < least || meanAbsoluteZ > most;
  const alarm = unlike && photos >= fewPhotos;
  const measured = `Mean |z| of the features is ${meanAbsoluteZ.toFixed(2)}, and their means lie ${value.toFixed(2)} deviations from those of the training photos.${unlike && !alarm ? ` ${photos} photos are too few to tell.` : ''}`;
  return check('feature-statistics', alarm, value, alarmThresholds.featureShift, measured, {
    details: { meanAbsoluteZ, shift, photos },
    remedy:
      'The photos were prepared otherwise than in training (colour order, range of values, crop, another encoder), or are of quite another kind: extract their features with this version of captioner.',
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
