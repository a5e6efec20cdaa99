import { imagenet, type ExtractionConfig, type Normalisation } from '../../config.js';
import { isSameNormalisation } from '../../data/features/encoder-identity.js';
import { CaptionerError } from '../../errors.js';
import type { EncoderSource } from './encoder-source.js';
import type { OwnNormalisation } from './own-normalisation.js';

/** Options of a normalisation, one number for all colours or one for each: (x / scale - mean) / std. */
export interface NormalisationOptions {
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly scale: number;
}

/** The options of {@link ExtractionConfig} as a normalisation of x / 255. */
export function encoderNormalisation(config: ExtractionConfig): Normalisation {
  return normalisationOf({ mean: config.encoderMean, std: config.encoderStd, scale: config.encoderScale });
}

/** The same normalisation in terms of x / 255. */
export function normalisationOf({ mean, std, scale }: NormalisationOptions): Normalisation {
  // Nine digits, so that equal normalisations are equal however they were written.
  const rescale = (values: readonly number[], colour: number) =>
    Number(((values[colour] ?? values[0]) * (scale / 255)).toPrecision(9));
  const triple = (values: readonly number[]) => [rescale(values, 0), rescale(values, 1), rescale(values, 2)] as const;
  return { mean: [...triple(mean)], std: [...triple(std)] };
}

/**
 * The normalisation of photos for an encoder: that of the registry or the file, else the one given, else ImageNet's.
 * @throws CaptionerError `bad-option`: a different one is given for an encoder that has its own.
 */
export function chooseNormalisation({ known, file }: EncoderSource, given: Normalisation = imagenet): Normalisation {
  if (!known) return given;
  if (isSameNormalisation(given, imagenet) || isSameNormalisation(given, known)) return known;
  throw new CaptionerError(
    'bad-option',
    `The normalisation for ${file} is known (mean ${known.mean.join(', ')}, standard deviation ${known.std.join(', ')}). Leave mean, ` +
      'standard deviation and scale out.',
  );
}

/** A warning that a network normalises photos that are already normalised. */
export function normalisedTwice(file: string, { operators, range }: OwnNormalisation): string {
  const scale = range === 1 ? '' : ' --encoder-scale 1';
  return `${file} normalises photos itself: it begins with ${operators.join(' and ')}, and expects values from 0 to ${range}. Turn off the usual normalisation: captioner extract --encoder-mean 0 --encoder-std 1${scale}.`;
}
