import * as z from 'zod';
import { imagenet, Normalisation, PhotoViews } from '../../config.js';

/**
 * The origin of features. They are meaningful only to a decoder trained on features of the same
 * network, of photos that were prepared in the same way.
 */
export const EncoderIdentity = z.object({
  name: z.string(),
  /** Checksum of the network's file. */
  sha256: z.string(),
  /** Length of a feature vector. */
  dimension: z.int().positive(),
  /** Views of a photo whose features are averaged. Default: `one`. */
  views: PhotoViews.optional(),
  /** Normalisation of the photos. Default: that of the network's file or registry entry, else ImageNet's. */
  normalisation: Normalisation.optional(),
  /** Checksum of the network's file in 8 bits, where that computed the features; `mixed` where only some of them. */
  int8: z.string().optional(),
});
export type EncoderIdentity = Readonly<z.output<typeof EncoderIdentity>>;

/** The views of a photo whose features are averaged. */
export const viewsOf = ({ views = 'one' }: Pick<EncoderIdentity, 'views'>): PhotoViews => views;

/** An identity as written to files: these fields only, without defaults. */
export function plainIdentity(identity: EncoderIdentity): EncoderIdentity {
  const { name, sha256, dimension, views = 'one', normalisation = imagenet, int8 } = identity;
  return {
    ...{ name, sha256, dimension },
    ...(views !== 'one' && { views }),
    ...(!isSameNormalisation(normalisation, imagenet) && { normalisation }),
    ...(int8 !== undefined && { int8 }),
  };
}

/** A difference in the preparation of photos: its name, and both values in words. */
export interface PreparationDifference {
  readonly what: 'views' | 'normalisation';
  readonly a: string;
  readonly b: string;
  /** The options of `captioner extract` that give `b`. */
  readonly options: string;
}

/** The first difference in the preparation of the photos of two encoders; undefined if there is none. */
export function differingPreparation(a: EncoderIdentity, b: EncoderIdentity): PreparationDifference | undefined {
  if (viewsOf(a) !== viewsOf(b)) {
    return { what: 'views', a: viewsOf(a), b: viewsOf(b), options: `--views ${viewsOf(b)}` };
  }
  const { normalisation: ours = imagenet } = a;
  const { normalisation: theirs = imagenet } = b;
  if (isSameNormalisation(ours, theirs)) return undefined;
  const options = `--encoder-mean ${theirs.mean.join()} --encoder-std ${theirs.std.join()}`;
  return { what: 'normalisation', a: describe(ours), b: describe(theirs), options };
}

/** Whether two normalisations are the same numbers. */
export const isSameNormalisation = (a: Normalisation, b: Normalisation): boolean => describe(a) === describe(b);

const describe = ({ mean, std }: Normalisation) => `mean ${mean.join(' ')}, std ${std.join(' ')}`;
