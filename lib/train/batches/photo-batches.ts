import { CaptionerError } from '../../errors.js';
import type { FinetuneConfig } from '../../config.js';
import { decodePhoto, normalise } from '../../images/photo.js';
import { drawView } from '../../images/view.js';
import type { Normalisation } from '../../config.js';
import { Random } from '../../random.js';
import type { PhotoWithCaptions } from './caption-data.js';
import { Prefetcher } from './prefetcher.js';
import { examplesOf, fillCaptions, groupByLength, type CaptionBatch, type Example } from './batches.js';

/**
 * The photos of a batch, each with some of its captions, and the number of words T that these are
 * padded to.
 */
export interface PhotoPlan {
  readonly length: number;
  /** At most P. */
  readonly photos: readonly { readonly photo: PhotoWithCaptions; readonly examples: readonly Example[] }[];
}

/** P photos with K captions each. */
export interface PhotoBatch extends CaptionBatch {
  /** Normalised, [P, 3, S, S]. */
  readonly photos: Float32Array;
  /** Index of the photo of each caption, [P * K]. */
  readonly rows: Int32Array;
}

type BatchConfig = Pick<FinetuneConfig, 'photosPerBatch' | 'captionsPerPhoto' | 'maxLength' | 'seed' | 'augment'>;

/**
 * The batches of an epoch: which photos, in which order, with which of their captions. They depend
 * only on the seed and the number of the epoch. Photos whose longest captions are of similar length
 * share a batch.
 */
export function planPhotos(
  photos: readonly PhotoWithCaptions[],
  buckets: readonly number[],
  epoch: number,
  { photosPerBatch, captionsPerPhoto, maxLength, seed }: BatchConfig,
): PhotoPlan[] {
  const random = new Random(seed, epoch);
  const chosen = photos.map((photo) => {
    const all = examplesOf(photo, maxLength);
    return { photo, examples: all.length > captionsPerPhoto ? random.shuffle(all).slice(0, captionsPerPhoto) : all };
  });
  const groups = groupByLength(random.shuffle(chosen), ({ examples }) => longest(examples), buckets, photosPerBatch);
  return random.shuffle(groups).map(({ length, items }) => ({ length, photos: items }));
}

export const longest = (examples: readonly Example[]) => Math.max(...examples.map(({ targets }) => targets.length));

/**
 * Range of random views: at least 70 % of the area, slightly stretched, half of them mirrored, with
 * slightly changed colours.
 */
const mildViews = { minArea: 0.7, maxStretch: 1.2, mirror: true, colour: 0.1 };

/** Decodes the photos of batches, those of the next one while a step runs. */
export class PhotoReader {
  private readonly ahead = new Prefetcher<PhotoPlan, PhotoBatch>();

  /**
   * @param rows captions of a batch, P * K.
   * @param skip receives a photo that cannot be decoded; its captions are left out.
   */
  constructor(
    private readonly inputSize: number,
    private readonly normalisation: Normalisation,
    private readonly rows: number,
    private readonly config: BatchConfig,
    private readonly skip: (id: string, reason: string) => void,
  ) {}

  /**
   * @param step counted from 0; with the seed, it decides on the views.
   * @param next the batch that will be asked for at the next step.
   */
  async read(plan: PhotoPlan, step: number, next?: PhotoPlan): Promise<PhotoBatch> {
    const batch = this.ahead.take(plan, () => this.decode(plan, step));
    if (next) this.ahead.begin(next, () => this.decode(next, step + 1));
    return await batch;
  }

  /** Waits until all decoding has ended. */
  async close(): Promise<void> {
    await this.ahead.close();
  }

  private async decode({ length, photos }: PhotoPlan, step: number): Promise<PhotoBatch> {
    const { inputSize: S, rows: B } = this;
    const { photosPerBatch: P, augment, seed } = this.config;
    const { mean, std } = this.normalisation;
    const K = B / P;
    const random = new Random(seed, step, 2);
    const values = new Float32Array(P * 3 * S * S);
    const captions = new Array<Example | undefined>(B).fill(undefined);
    await Promise.all(
      photos.map(async ({ photo, examples }, p) => {
        const view = augment ? drawView(random, mildViews) : undefined;
        const pixels = await this.pixels(photo, view);
        if (!pixels) return;
        normalise(pixels, S, mean, std, values, p * 3 * S * S);
        examples.forEach((example, k) => (captions[p * K + k] = example));
      }),
    );
    const batch = fillCaptions(captions, length, B);
    return { ...batch, photos: values, rows: Int32Array.from({ length: B }, (_, row) => Math.floor(row / K)) };
  }

  private async pixels(
    { id, file }: PhotoWithCaptions,
    view: ReturnType<typeof drawView> | undefined,
  ): Promise<Uint8Array | undefined> {
    try {
      return await decodePhoto(file, this.inputSize, { ...(view && { view }) });
    } catch (error) {
      if (!(error instanceof CaptionerError) || !['bad-image', 'not-found'].includes(error.code)) throw error;
      this.skip(id, error.message);
      return undefined;
    }
  }
}
