import type { DecoderConfig } from '../../config.js';
import type { Manifest } from '../../data/datasets/manifest.js';
import type { FeatureStore } from '../../data/features/store.js';
import { CaptionerError } from '../../errors.js';
import type { CheckpointConfig } from '../../model/checkpoint/checkpoint.js';
import { Vocabulary } from '../../text/vocabulary.js';
import { loadVectors, type WordVectors } from '../../text/vectors.js';
import type { RunOptions } from '../loop/training-run.js';
import type { EncodedPhoto } from './batches.js';
import { RandomViews } from './random-views.js';
import type { TokenizedData, TokenizedPhoto } from './tokenize-dataset.js';

/** A photo's file and its captions, as word ids. */
export interface PhotoWithCaptions extends EncodedPhoto {
  readonly file: string;
}

/** A photo that epochs are judged by. */
export interface DevPhoto extends PhotoWithCaptions {
  /** Its captions as people wrote them. */
  readonly references: readonly string[];
}

/** The data of a run: photos to learn from and to judge by, with their captions as word ids. */
export interface CaptionData {
  readonly vocabulary: Vocabulary;
  /** Pretrained word vectors, if the decoder has them. */
  readonly vectors: WordVectors | undefined;
  readonly photos: readonly PhotoWithCaptions[];
  readonly dev: readonly DevPhoto[];
}

/** Caption data with stored features of its photos. */
export interface StoredData extends CaptionData {
  readonly features: FeatureStore;
  /** Random views of the photos, to learn from in their place. */
  readonly views: RandomViews;
}

type Reporting = Pick<RunOptions, 'progress'> & { readonly warn: (line: string) => void };

/** The captions of a run, and how its decoder reads them. */
export interface CaptionSource {
  readonly tokenized: TokenizedData;
  readonly vocabulary: Vocabulary;
  readonly decoder: Pick<DecoderConfig, 'embeddings' | 'vectors'>;
  /** Whether the decoder was trained before; it can then work without its vectors. */
  readonly trained: boolean;
  /** Maximum number of dev photos that epochs are judged by; 0 for all. */
  readonly validatePhotos: number;
  /** Advice if nearly all words of the captions are unknown. */
  readonly remedy: string;
}

/** Advice if a captioner trained on other captions does not know the words. */
export const trainedOnOtherWords =
  'The captioner was trained on other words, perhaps in another language. Train one on these captions first (captioner train).';

/**
 * Converts captions to word ids. With pretrained vectors, a word outside the vocabulary becomes the
 * most similar one inside it.
 * @throws CaptionerError as `loadVectors` does, unless the decoder can work without vectors;
 *   `bad-input`: nearly all words are unknown.
 */
export async function encodeCaptions(source: CaptionSource, { warn, progress }: Reporting): Promise<CaptionData> {
  const { tokenized, vocabulary, decoder, trained, validatePhotos } = source;
  const load = async () =>
    decoder.embeddings === 'scratch'
      ? undefined
      : loadVectors(vocabulary, { source: decoder.vectors, ...(progress && { progress }) });
  const vectors = await load().catch((error: unknown) => {
    if (!trained || !(error instanceof CaptionerError) || error.code !== 'not-found') throw error;
    warn(`Words outside the vocabulary are learned as <unk>, not as similar words. ${error.message}`);
    return undefined;
  });
  const dev = validatePhotos > 0 ? tokenized.dev.slice(0, validatePhotos) : tokenized.dev;
  const photos = encodePhotos(tokenized.train, vocabulary, vectors);
  refuseUnknownWords(source, photos);
  return { vocabulary, vectors, photos, dev: encodePhotos(dev, vocabulary, vectors) };
}

/** Share of unknown words above which captions cannot be learned. */
const mostUnknown = 0.8;

/**
 * Refuses captions whose words are nearly all unknown: a decoder would learn to write `<unk>`,
 * which captions leave out.
 */
function refuseUnknownWords(
  { tokenized: { train }, remedy }: CaptionSource,
  encoded: readonly PhotoWithCaptions[],
): void {
  const words = train.flatMap(({ captions }) => captions.flat());
  const ids = encoded.flatMap(({ captions }) => captions.flat());
  const unknown = words.filter((_, i) => ids[i] === Vocabulary.UNK);
  if (unknown.length <= mostUnknown * words.length) return;
  const share = Math.round((100 * unknown.length) / words.length);
  throw new CaptionerError(
    'bad-input',
    `${share} % of the words of the training captions are unknown (for example '${unknown[0]}'). ${remedy}`,
  );
}

/** Adds the features of the photos. @param share of draws that give a random view in place of the photo. */
export function withFeatures(data: CaptionData, features: FeatureStore, share: number): StoredData {
  return { ...data, features, views: new RandomViews(features, data.photos, share) };
}

/** Words to ids; with `vectors`, a word outside the vocabulary becomes the most similar one inside it. */
export function encodePhotos<P extends TokenizedPhoto>(
  photos: readonly P[],
  vocabulary: Vocabulary,
  vectors?: WordVectors,
): (Omit<P, 'captions'> & PhotoWithCaptions)[] {
  return photos.map((photo) => ({
    ...photo,
    captions: photo.captions.map((caption) => vocabulary.encode(caption, vectors?.nearestKnownWord)),
  }));
}

/**
 * Warns of photos that are left out, and of missing dev photos.
 * @param missing what the photos left out do not have.
 * @param fallback the epoch that is kept as the best without dev photos.
 */
export function reportGaps(
  { without, dev }: TokenizedData,
  warn: (line: string) => void,
  missing: 'features' | 'a file',
  fallback = 'the lowest training loss',
): void {
  if (without.length === 1) warn(`1 photo without ${missing} is left out (${without[0]}).`);
  else if (without.length > 1) warn(`${without.length} photos without ${missing} are left out (${without[0]}, …).`);
  if (dev.length === 0) warn(`There are no dev photos: the epoch with ${fallback} is kept as the best.`);
}

/** The record of a run's data in its checkpoints. @param randomViews views of photos that captions may be learned from. */
export function datasetCounts(
  { name }: Manifest,
  { photos, dev }: Pick<CaptionData, 'photos' | 'dev'>,
  randomViews = 0,
): CheckpointConfig['dataset'] {
  const captions = photos.reduce((sum, photo) => sum + photo.captions.length, 0);
  return { name, photos: photos.length, captions, devPhotos: dev.length, ...(randomViews > 0 && { randomViews }) };
}
