import type { ConfidenceCalibration } from '../model/checkpoint/checkpoint.js';
import type { Hypothesis } from './stepper.js';

type WordLogProbabilities = Pick<Hypothesis, 'tokenLogProbabilities'>;

/**
 * The predictors of a caption's confidence: mean and minimum log-probability of its words, and the
 * logarithm of their number, `<end>` included. The margin to the next hypothesis is left out: it
 * carried no information on dev photos.
 */
export function confidencePredictors({ tokenLogProbabilities: logs }: WordLogProbabilities): [number, number, number] {
  const sum = logs.reduce((total, log) => total + log, 0);
  const least = logs.reduce((low, log) => Math.min(low, log), 0);
  return [sum / Math.max(1, logs.length), least, Math.log(Math.max(1, logs.length))];
}

/** Confidence in words: `sure` from 1/2, `unsure` from 1/4, otherwise `guess`. */
export function confidenceWord(confidence: number): 'sure' | 'unsure' | 'guess' {
  if (confidence >= 0.5) return 'sure';
  return confidence >= 0.25 ? 'unsure' : 'guess';
}

/** The calibrated probability that a caption is good (see `ConfidenceCalibration`), in (0, 1). */
export function confidenceOf(hypothesis: WordLogProbabilities, { weights }: ConfidenceCalibration): number {
  const [mean, least, length] = confidencePredictors(hypothesis);
  const sum = weights.mean * mean + weights.least * least + weights.length * length + weights.bias;
  return 1 / (1 + Math.exp(-sum));
}
