import { featureStatistics } from '../data/features/statistics.js';
import { readRows, type FeatureStore } from '../data/features/store.js';
import { silent, type ProgressReporter } from '../progress.js';
import { Random } from '../random.js';
import { captionLogProbabilities } from '../search/alternatives.js';
import type { Stepper } from '../search/stepper.js';
import { tokenize } from '../text/tokenizer.js';
import type { Vocabulary } from '../text/vocabulary.js';

/** A photo without captions whose objects are known. */
export interface LabelledPhoto {
  readonly id: string;
  readonly labels: readonly string[];
}

/** Captions of an image that is not available, and the objects in it. */
export interface LabelledCaptions {
  readonly labels: readonly string[];
  readonly captions: readonly string[];
}

/** Options of captions written from labels. */
export interface LabelCaptionsOptions<State> {
  /** Decoder of a captioner, which judges how well a caption fits a photo. */
  readonly decoder: Stepper<State>;
  readonly vocabulary: Vocabulary;
  /** Features of the photos. */
  readonly features: FeatureStore;
  /** Captions that no photo may get, such as those of dev and test photos. */
  readonly except?: Iterable<string>;
  /** Maximum number of captions that one photo gets, each of another image. Default 3. */
  readonly mostPerPhoto?: number;
  readonly seed?: number;
  readonly progress?: ProgressReporter;
  readonly signal?: AbortSignal;
}

/** Images that are compared with a photo, and captions of each. */
const candidateImages = 30;
const captionsPerImage = 3;
/** Words of a caption that is considered. */
const shortest = 5;
const longest = 18;
/** Similarity of labels (Jaccard, weighted by rarity) from which an image counts where too few have the same labels. */
const similarEnough = 0.6;
/** Least ln p of a word, given the photo, on average over the caption. */
const leastLogProbability = -2.7;
/** Least increase of ln p per word that the photo causes: a caption that fits any photo says nothing about this one. */
const leastGain = 0.15;
/** Share of the caption's probability without the photo that is taken off when captions are ranked. */
const genericShare = 0.6;

/**
 * Gives photos that have labels but no captions the captions of other images with the same labels,
 * so that a decoder learns more objects than its captioned photos show. Of the captions of up to 30
 * such images, the captioner keeps those that it finds most likely for the photo, relative to their
 * probability for an average photo.
 *
 * @returns captions by photo id; photos for which no caption fits are missing.
 * @throws CaptionerError `numeric`: features that are not finite. Also the reason with which `signal` was aborted.
 */
export async function captionsByLabels<State>(
  photos: readonly LabelledPhoto[],
  images: readonly LabelledCaptions[],
  options: LabelCaptionsOptions<State>,
): Promise<Map<string, string[]>> {
  const { decoder, vocabulary, features, mostPerPhoto = 3, seed = 1, progress = silent, signal } = options;
  const except = new Set([...(options.except ?? [])].map(plain));
  const candidates = new LabelIndex(images, new Random(seed));
  const { mean: average } = featureStatistics(features, photos);
  const generic = new Map<string, number>();
  const found = new Map<string, string[]>();

  progress.start('Captioning labelled photos', photos.length, 'photos');
  try {
    for (const [done, { id, labels }] of photos.entries()) {
      signal?.throwIfAborted();
      progress.update(done);
      const texts = candidates
        .similar(labels)
        .flatMap((image) => images[image].captions.slice(0, captionsPerImage).map((text) => ({ image, text })))
        .filter(({ text }) => !except.has(plain(text)))
        .map((caption) => ({ ...caption, tokens: vocabulary.encode(tokenize(caption.text)) }))
        .filter(({ tokens }) => tokens.length >= shortest && tokens.length <= longest);
      if (texts.length === 0) continue;
      const given = await meanLogProbabilities(decoder, readRows(features, [id]), texts);
      const unseen = texts.filter(({ text }) => !generic.has(text));
      const without = await meanLogProbabilities(decoder, average, unseen);
      unseen.forEach(({ text }, i) => generic.set(text, without[i]));

      const fitting = texts
        .map(({ image, text }, i) => ({ image, text, logProbability: given[i], before: generic.get(text)! }))
        .filter(({ logProbability: p, before }) => p > leastLogProbability && p - before > leastGain)
        .sort((a, b) => b.logProbability - genericShare * b.before - (a.logProbability - genericShare * a.before));
      const ofImage = new Map<number, string>();
      for (const { image, text } of fitting) if (!ofImage.has(image)) ofImage.set(image, text.trim());
      if (ofImage.size > 0) found.set(id, [...ofImage.values()].slice(0, mostPerPhoto));
    }
  } finally {
    progress.stop();
  }
  return found;
}

const plain = (caption: string) => caption.trim().toLowerCase();

/** Finds images with the same labels, or with similar ones. */
class LabelIndex {
  private readonly sets: readonly ReadonlySet<string>[];
  private readonly same = new Map<string, number[]>();
  private readonly having = new Map<string, number[]>();

  constructor(
    images: readonly LabelledCaptions[],
    private readonly random: Random,
  ) {
    this.sets = images.map(({ labels }) => new Set(labels));
    this.sets.forEach((labels, image) => {
      append(this.same, keyOf(labels), image);
      for (const label of labels) append(this.having, label, image);
    });
  }

  /** Up to 30 images for these labels, those with exactly these labels first. */
  similar(labels: readonly string[]): number[] {
    const wanted = new Set(labels);
    const same = this.random.shuffle([...(this.same.get(keyOf(wanted)) ?? [])]).slice(0, candidateImages);
    if (same.length === candidateImages) return same;
    const taken = new Set(same);
    const others = [...new Set([...wanted].flatMap((label) => this.having.get(label) ?? []))]
      .filter((image) => !taken.has(image))
      .map((image) => ({ image, similarity: this.similarity(wanted, this.sets[image]) }))
      .filter(({ similarity }) => similarity >= similarEnough);
    const ranked = this.random.shuffle(others).sort((a, b) => b.similarity - a.similarity);
    return [...same, ...ranked.slice(0, candidateImages - same.length).map(({ image }) => image)];
  }

  private similarity(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
    let [shared, all] = [0, 0];
    for (const label of new Set([...a, ...b])) {
      const rarity = Math.log(this.sets.length / (this.having.get(label)?.length ?? 1));
      all += rarity;
      if (a.has(label) && b.has(label)) shared += rarity;
    }
    return all > 0 ? shared / all : 0;
  }
}

const keyOf = (labels: ReadonlySet<string>) => JSON.stringify([...labels].sort());

function append<K>(map: Map<K, number[]>, key: K, value: number): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

/**
 * Mean ln p of a word of each caption, `<end>` included, all of one photo.
 * @param row features of the photo, [D]
 */
async function meanLogProbabilities<State>(
  decoder: Stepper<State>,
  row: Float32Array,
  captions: readonly { readonly tokens: readonly number[] }[],
): Promise<number[]> {
  if (captions.length === 0) return [];
  // Sorted by length, so that the batch shrinks as rarely as possible.
  const order = captions.map((_, i) => i).sort((a, b) => captions[b].tokens.length - captions[a].tokens.length);
  const rows = new Float32Array(captions.length * row.length); // [B, D]
  order.forEach((_, i) => rows.set(row, i * row.length));
  const logs = await captionLogProbabilities(
    decoder,
    rows,
    order.map((i) => captions[i].tokens),
  );
  const means: number[] = [];
  order.forEach((caption, i) => (means[caption] = logs[i].reduce((sum, log) => sum + log, 0) / logs[i].length));
  return means;
}
