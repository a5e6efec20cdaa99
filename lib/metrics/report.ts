import type { Random } from '../random.js';
import { bootstrapIntervals, type Interval } from './bootstrap.js';
import { calibration, reliability, type Calibration, type Reliability } from './calibration.js';
import {
  checkFeatureStatistics,
  checkSameCaption,
  checkShuffledFeatures,
  checkUnknownWords,
  shuffledCider,
  type Check,
  type FeatureDistance,
} from './checks.js';
import { diversity, type Diversity } from './diversity.js';
import type { ReferenceFit } from './perplexity.js';
import type { ConfidentPrediction } from './predictions.js';
import { ptbTokenize } from './ptb.js';
import type { CaptionScorer } from './scorer.js';
import type { CaptionScores, CaptionStatistics, ScoreName } from './statistics.js';

/** A captioned photo with the scores of its caption. */
export interface EvaluatedPhoto extends ConfidentPrediction {
  /** The reference captions, unprocessed. */
  readonly references: readonly string[];
  readonly scores: CaptionScores;
}

/** Scores and diagnostics of the captions of one search. */
export interface CaptionReport {
  readonly scores: CaptionScores;
  /** 95 % confidence intervals, by bootstrap over the photos. */
  readonly intervals: Readonly<Record<ScoreName, Interval>>;
  readonly diversity: Diversity;
  /** Agreement of a caption's log-probability, total and per word, with its CIDEr. */
  readonly calibration: { readonly logProbability: Calibration; readonly perWord: Calibration };
  /** Agreement of confidence with good captions. Only for a calibrated captioner. */
  readonly confidence?: Reliability & { readonly threshold: number };
  /** Checks for silent failures. */
  readonly checks: readonly Check[];
  readonly statistics: CaptionStatistics;
  readonly photos: readonly EvaluatedPhoto[];
}

/** Information about the captioner and its photos, besides the captions. */
export interface ReportContext {
  readonly scorer: CaptionScorer;
  /** Reference captions of each photo, unprocessed. */
  readonly references: readonly (readonly string[])[];
  /** The training captions, as words of `ptbTokenize`. Undefined if unknown. */
  readonly training?: Iterable<readonly string[]>;
  /** Words of the vocabulary without special tokens. */
  readonly vocabularySize: number;
  readonly fit: ReferenceFit;
  /** Undefined if the captioner stores no statistics of its features. */
  readonly distance?: FeatureDistance;
  readonly random: Random;
  /** The confidence of a caption, and the lowest CIDEr of a good caption. */
  readonly confidence?: { readonly threshold: number; readonly of: (prediction: ConfidentPrediction) => number };
}

/** Scores captions and runs the diagnostics. */
export function reportCaptions(predictions: readonly ConfidentPrediction[], context: ReportContext): CaptionReport {
  const { scorer, references, training, vocabularySize, fit, distance, random, confidence } = context;
  const candidates = predictions.map(({ caption }) => ptbTokenize(caption));
  const statistics = scorer.statistics(candidates);
  const photos = predictions.map((prediction, i): EvaluatedPhoto => {
    return { ...prediction, references: references[i], scores: statistics.corpus([i]) };
  });
  const variety = diversity(candidates, { training, vocabularySize });
  const cider = photos.map(({ scores }) => scores.CIDEr);
  const shuffled = shuffledCider(scorer, candidates, random);
  return {
    scores: statistics.corpus(),
    intervals: bootstrapIntervals(statistics, random),
    diversity: variety,
    calibration: {
      logProbability: calibration(photos.map(({ logProbability }) => logProbability), cider), // prettier-ignore
      perWord: calibration(photos.map(({ logProbability, length }) => logProbability / Math.max(1, length)), cider), // prettier-ignore
    },
    ...(confidence && {
      confidence: {
        threshold: confidence.threshold,
        ...reliability(
          predictions.map((prediction) => confidence.of(prediction)),
          cider.map((score) => score >= confidence.threshold),
        ),
      },
    }),
    checks: [
      checkSameCaption(variety, photos.length),
      ...(shuffled ? [checkShuffledFeatures(shuffled)] : []),
      checkUnknownWords(fit.unknown),
      ...(distance ? [checkFeatureStatistics(distance)] : []),
    ],
    statistics,
    photos,
  };
}
