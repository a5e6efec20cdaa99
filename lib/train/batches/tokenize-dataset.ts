import { parseConfig, VocabularyConfig, type DecoderConfig } from '../../config.js';
import type { FeatureStore } from '../../data/features/store.js';
import type { Manifest, Photo, Split } from '../../data/datasets/manifest.js';
import { CaptionerError } from '../../errors.js';
import type { CheckpointConfig } from '../../model/checkpoint/checkpoint.js';
import type { ProgressReporter } from '../../progress.js';
import { tokenize } from '../../text/tokenizer.js';
import { Vocabulary } from '../../text/vocabulary.js';
import { loadVectors, type WordVectors } from '../../text/vectors.js';
import type { EncodedPhoto } from './batches.js';

/** A photo and the words of its captions. */
interface TokenizedPhoto {
  readonly id: string;
  readonly captions: readonly (readonly string[])[];
}

/** The photos of a data set that can be learned from, and those to choose by. */
export interface TokenizedData {
  readonly train: readonly TokenizedPhoto[];
  readonly dev: readonly TokenizedPhoto[];
  /** Captions of the dev photos as people wrote them. */
  readonly devReferences: readonly (readonly string[])[];
  /** Photos of train and dev that have captions and are not usable: for want of features, or of a file. */
  readonly without: readonly string[];
}

/**
 * The train and dev photos that have captions and features. A caption without any word is left out.
 * @throws CaptionerError `bad-input`: no photo to train on; `mismatch`: photos, but features of none of them.
 */
export function tokenizeData(manifest: Manifest, features: FeatureStore): TokenizedData {
  const data = tokenizePhotos(manifest, ({ id }) => features.has(id));
  if (data.train.length === 0) {
    throw new CaptionerError(
      'mismatch',
      `The features are of other photos than the data set ${manifest.name}: none of its ${data.without.length} photos is ` +
        `among them (${data.without[0]}, say). Run captioner extract on this data set.`,
    );
  }
  return data;
}

/**
 * The train and dev photos that have captions and are usable. A caption without any word is left out.
 * @throws CaptionerError `bad-input`: no train photo has captions.
 */
export function tokenizePhotos(manifest: Manifest, isUsable: (photo: Photo) => boolean): TokenizedData {
  if (captioned(manifest, 'train').length === 0) {
    throw new CaptionerError('bad-input', `The data set ${manifest.name} has no train photos with captions.`);
  }
  const without: string[] = [];
  const usable = (split: Split) =>
    captioned(manifest, split).filter((photo) => isUsable(photo) || (without.push(photo.id), false));
  const words = ({ id, captions }: Photo) => ({
    id,
    captions: captions.map(tokenize).filter((caption) => caption.length),
  });
  const train = usable('train')
    .map(words)
    .filter(({ captions }) => captions.length);
  const dev = usable('dev');
  return { train, dev: dev.map(words), devReferences: dev.map(({ captions }) => captions), without };
}

const captioned = ({ photos }: Manifest, split: Split) =>
  photos.filter((photo) => photo.split === split && photo.captions.some((caption) => caption.trim()));

/** The vocabulary of the captions to be trained on. */
export function buildVocabulary({ train }: TokenizedData, config: Partial<VocabularyConfig> = {}): Vocabulary {
  const captions = train.flatMap((photo) => photo.captions);
  return Vocabulary.build(captions, parseConfig(VocabularyConfig, config));
}

/** The pretrained vectors that a decoder's config asks for; undefined where its embeddings are learned from scratch. */
export async function decoderVectors(
  vocabulary: Vocabulary,
  { embeddings, vectors: source }: Pick<DecoderConfig, 'embeddings' | 'vectors'>,
  progress?: ProgressReporter,
): Promise<WordVectors | undefined> {
  return embeddings === 'scratch' ? undefined : loadVectors(vocabulary, { source, ...(progress && { progress }) });
}

/**
 * The vectors that a trained decoder's words came from: a word that it does not know is learned as the most similar one that it knows.
 * Where they are not there, such words are `<unk>`, and `warn` is told: all else is in the checkpoint.
 */
export async function vectorsOfKnownWords(
  vocabulary: Vocabulary,
  config: Pick<DecoderConfig, 'embeddings' | 'vectors'>,
  warn: (line: string) => void,
  progress?: ProgressReporter,
): Promise<WordVectors | undefined> {
  try {
    return await decoderVectors(vocabulary, config, progress);
  } catch (error) {
    if (!(error instanceof CaptionerError) || error.code !== 'not-found') throw error;
    warn(`Words that the captioner does not know are learned as <unk>, not as similar ones. ${error.message}`);
    return undefined;
  }
}

/**
 * What a checkpoint says of the data it learned from.
 * @param dev the photos that epochs are judged by. @param randomViews views of photos that captions may learn from.
 */
export function datasetCounts(
  { name }: Manifest,
  photos: readonly EncodedPhoto[],
  dev: readonly unknown[],
  randomViews = 0,
): CheckpointConfig['dataset'] {
  const captions = photos.reduce((sum, photo) => sum + photo.captions.length, 0);
  return { name, photos: photos.length, captions, devPhotos: dev.length, ...(randomViews > 0 && { randomViews }) };
}

/** Words to ids; with `vectors`, a word outside the vocabulary becomes the most similar one inside it. */
export function encodePhotos(
  photos: readonly TokenizedPhoto[],
  vocabulary: Vocabulary,
  vectors?: WordVectors,
): EncodedPhoto[] {
  return photos.map(({ id, captions }) => ({
    id,
    captions: captions.map((caption) => vocabulary.encode(caption, vectors?.nearestKnownWord)),
  }));
}

/**
 * Mean and standard deviation of each feature over photos, [D] each. The variance is raised by 1e-5, as batch normalisation does, so
 * that a feature which is almost always the same is not blown up.
 * @throws CaptionerError `numeric`: features that are no numbers, naming the photo.
 */
export function featureStatistics(
  features: FeatureStore,
  photos: readonly { readonly id: string }[],
): { mean: Float32Array; std: Float32Array } {
  const D = features.dimension;
  const [sum, squares] = [new Float64Array(D), new Float64Array(D)];
  const row = new Float32Array(D);
  for (const { id } of photos) {
    features.read(id, row);
    for (let i = 0; i < D; i++) {
      sum[i] += row[i];
      squares[i] += row[i] * row[i];
    }
    if (!row.every(Number.isFinite)) {
      throw new CaptionerError(
        'numeric',
        `The features of ${id} are not all numbers. Delete the features, and extract again.`,
      );
    }
  }
  const mean = sum.map((x) => x / photos.length);
  const std = squares.map((x, i) => Math.sqrt(Math.max(0, x / photos.length - mean[i] ** 2) + 1e-5));
  return { mean: Float32Array.from(mean), std: Float32Array.from(std) };
}
