import { CiderScorer } from '../../metrics/cider.js';
import { Vocabulary } from '../../text/vocabulary.js';
import type { EncodedPhoto } from '../batches/batches.js';

/**
 * The reward of a caption of a train photo: its CIDEr-D against the captions that people wrote of the photo, with document frequencies
 * from the train captions. The end of a caption counts as a word, so that stopping in the middle of a sentence costs something.
 */
export class CaptionReward {
  private readonly scorer: CiderScorer;
  private readonly rows: ReadonlyMap<string, number>;

  constructor(
    photos: readonly EncodedPhoto[],
    private readonly vocabulary: Vocabulary,
  ) {
    const captions = photos.map((photo) => photo.captions.map((words) => this.spelt([...words, Vocabulary.END])));
    this.scorer = new CiderScorer(captions);
    this.rows = new Map(photos.map(({ id }, row) => [id, row]));
  }

  /** @param targets the caption's words, and `<end>` where it has one. */
  of(photo: string, targets: readonly number[]): number {
    return this.scorer.scoreOne(this.rows.get(photo)!, this.spelt(targets));
  }

  private spelt(tokens: readonly number[]): string[] {
    return tokens.map((token) => this.vocabulary.words[token]);
  }
}

/**
 * The difference of each reward from the mean of the other rewards of its photo (Luo 2020, "A better variant of self-critical sequence
 * training"): a baseline that depends on the photo and not on the caption, so that the gradient stays unbiased.
 *
 * @param rewards of `samples` captions (2 or more) of each photo, one photo after the other.
 */
export function advantages(rewards: readonly number[], samples: number): number[] {
  return rewards.map((reward, i) => {
    const first = i - (i % samples);
    const sum = rewards.slice(first, first + samples).reduce((total, value) => total + value, 0);
    return reward - (sum - reward) / (samples - 1);
  });
}
