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

/** A captioned photo, and how good the caption is. */
export interface EvaluatedPhoto extends ConfidentPrediction {
  /** As people wrote them. */
  readonly references: readonly string[];
  readonly scores: CaptionScores;
}

/** What the captions of one search are worth. */
export interface CaptionReport {
  readonly scores: CaptionScores;
  /** 95 % intervals of the scores, by bootstrap over the photos. */
  readonly intervals: Readonly<Record<ScoreName, Interval>>;
  readonly diversity: Diversity;
  /** How well a caption's probability, and that of its words on the (geometric) mean, predict its CIDEr. */
  readonly calibration: { readonly logProbability: Calibration; readonly perWord: Calibration };
  /** How well its confidence says which captions are good, where the captioner is calibrated. */
  readonly confidence?: Reliability & { readonly threshold: number };
  /** What goes wrong without an error. */
  readonly checks: readonly Check[];
  readonly statistics: CaptionStatistics;
  readonly photos: readonly EvaluatedPhoto[];
}

/** What is known of the captioner and its photos besides the captions. */
export interface ReportContext {
  readonly scorer: CaptionScorer;
  /** Of each photo, as people wrote them. */
  readonly references: readonly (readonly string[])[];
  /** The captions that were learned from, as words of `ptbTokenize`; undefined where they are not known. */
  readonly training?: Iterable<readonly string[]>;
  /** Words that can be written. */
  readonly vocabularySize: number;
  readonly fit: ReferenceFit;
  /** Undefined for a captioner that stores no statistics of its features. */
  readonly distance?: FeatureDistance;
  readonly random: Random;
  /** The confidence of a caption, and the CIDEr from which on one is good. */
  readonly confidence?: { readonly threshold: number; readonly of: (prediction: ConfidentPrediction) => number };
}

/** Scores captions, and looks for what scores hide. */
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
