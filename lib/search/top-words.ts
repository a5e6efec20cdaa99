import { CaptionerError } from '../errors.js';
import { isWritable, type LikeliestWords } from './stepper.js';

/** A candidate for the next word. */
export interface NextWord {
  readonly token: number;
  readonly logProbability: number;
}

/**
 * The `count` likeliest words of one row that may be written and are not impossible, most likely
 * first; ties by token id. One pass over the row, without sorting it.
 *
 * @param logProbabilities [rows, V] row-major.
 * @param unknown whether `<unk>` may be written.
 * @param allowed 0 for each word that may follow, another number for one that may not, [V]. Default: all may.
 * @throws CaptionerError `numeric` if a log-probability is not a number.
 */
export function topWords(
  logProbabilities: Float32Array,
  row: number,
  vocabularySize: number,
  count: number,
  unknown = false,
  allowed?: Float32Array,
): NextWord[] {
  // Typed arrays, not objects: the loop visits the whole vocabulary.
  const tokens = new Int32Array(count);
  const logs = new Float32Array(count);
  const offset = row * vocabularySize;
  let found = 0;
  let worst = -Infinity; // lower bound of a word among the best
  for (let token = 0; token < vocabularySize; token++) {
    const logProbability = logProbabilities[offset + token];
    if (!(logProbability < Infinity)) throw notANumber(token, logProbability);
    if (logProbability <= worst || !isWritable(token, unknown)) continue;
    if (allowed && allowed[token] !== 0) continue;
    let place = found < count ? found++ : count - 1;
    for (; place > 0 && logs[place - 1] < logProbability; place--) {
      logs[place] = logs[place - 1];
      tokens[place] = tokens[place - 1];
    }
    logs[place] = logProbability;
    tokens[place] = token;
    if (found === count) worst = logs[count - 1];
  }
  return Array.from({ length: found }, (_, i) => ({ token: tokens[i], logProbability: logs[i] }));
}

/**
 * {@link topWords} from a list of the likeliest words that holds at least `count` that may follow.
 * @throws CaptionerError `numeric` if a log-probability is not a number.
 */
export function topOf(
  { count: known, tokens, logProbabilities }: LikeliestWords,
  row: number,
  count: number,
  unknown = false,
  allowed?: Float32Array,
): NextWord[] {
  const best: NextWord[] = [];
  for (let i = row * known; i < (row + 1) * known && best.length < count; i++) {
    const [token, logProbability] = [tokens[i], logProbabilities[i]];
    if (!(logProbability < Infinity)) throw notANumber(token, logProbability);
    if (logProbability === -Infinity) break;
    if (isWritable(token, unknown) && !allowed?.[token]) best.push({ token, logProbability });
  }
  return best;
}

/** The error for a decoder that gives `token` no probability. */
export function notANumber(token: number, logProbability: number): CaptionerError {
  return new CaptionerError(
    'numeric',
    `The decoder gave word ${token} the log-probability ${logProbability}: its weights or the photo's features are not numbers. Use another checkpoint, or extract the features again.`,
  );
}
