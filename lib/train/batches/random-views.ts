import type { TrainingConfig } from '../../config.js';
import type { FeatureStore } from '../../data/features/store.js';
import { parseViewId, viewId } from '../../data/features/random-views.js';
import { Random } from '../../random.js';
import type { BatchPlan, EncodedPhoto } from './batches.js';

/** Data augmentation on stored features: a photo's row is sometimes replaced by that of a random view. */
export class RandomViews {
  /** Numbers of the views that photos have, in ascending order. */
  private readonly numbers: ReadonlyMap<string, readonly number[]>;

  /** @param photos to learn from. @param share of draws that give a view. */
  constructor(
    features: Pick<FeatureStore, 'randomViews'>,
    photos: readonly Pick<EncodedPhoto, 'id'>[],
    private readonly share: number,
  ) {
    const numbers = new Map(photos.map(({ id }) => [id, [] as number[]]));
    for (const { photo, number } of features.randomViews.map((id) => parseViewId(id)!)) {
      if (share > 0) numbers.get(photo)?.push(number);
    }
    // Draws must not depend on the order in which a store was written.
    for (const some of numbers.values()) some.sort((a, b) => a - b);
    this.numbers = numbers;
  }

  /** Number of views that can be drawn. */
  get count(): number {
    return [...this.numbers.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** The id of a row of features to learn from: the photo's, or that of one of its views. */
  draw(photo: string, random: Random): string {
    const numbers = this.numbers.get(photo) ?? [];
    if (numbers.length === 0 || random.uniform() >= this.share) return photo;
    return viewId(photo, numbers[random.integer(numbers.length)]);
  }

  /**
   * The batches of an epoch with a row for each caption, drawn again in each epoch. They depend
   * only on the seed and the number of the epoch.
   */
  drawAll(plans: readonly BatchPlan[], epoch: number, { seed }: Pick<TrainingConfig, 'seed'>): BatchPlan[] {
    const random = new Random(seed, epoch, 5);
    return plans.map(({ length, examples }) => ({
      length,
      examples: examples.map((example) => ({ ...example, photo: this.draw(example.photo, random) })),
    }));
  }
}
