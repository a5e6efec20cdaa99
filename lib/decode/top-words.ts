import { CaptionerError } from '../errors.js';
import { isWritable } from './stepper.js';

/** A word that may come next. */
export interface NextWord {
  readonly token: number;
  readonly logProbability: number;
}

/**
 * The `count` likeliest words of one row that may be written and are not impossible, the likeliest first; of equally likely ones the
 * one with the lower number. One pass over the row, without sorting it.
 *
 * @param logProbabilities [rows, V] row-major.
 * @param unknown whether `<unk>` may be written.
 * @throws CaptionerError `numeric` when there is no number.
 */
export function topWords(
  logProbabilities: Float32Array,
  row: number,
  vocabularySize: number,
  count: number,
  unknown = false,
): NextWord[] {
  const best: NextWord[] = [];
  const offset = row * vocabularySize;
  let worst = -Infinity; // what a word must exceed to be among the best
  for (let token = 0; token < vocabularySize; token++) {
    const logProbability = logProbabilities[offset + token];
    if (!(logProbability < Infinity)) throw noNumber(token, logProbability);
    if (logProbability <= worst || !isWritable(token, unknown)) continue;
    if (best.length === count) best.pop();
    let place = best.length;
    while (place > 0 && best[place - 1].logProbability < logProbability) place--;
    best.splice(place, 0, { token, logProbability });
    if (best.length === count) worst = best[count - 1].logProbability;
  }
  return best;
}

/** The error of a decoder that gives `token` no probability. */
export function noNumber(token: number, logProbability: number): CaptionerError {
  return new CaptionerError(
    'numeric',
    `The decoder gave word ${token} the log-probability ${logProbability}: its weights or the photo's features are no numbers. Use another checkpoint, or extract the features again.`,
  );
}
