import type { InferenceConfig, SearchConfig } from '../config.js';
import { loadDecoder } from '../search/ensemble.js';
import type { CaptionDecoder } from '../search/stepper.js';
import { CaptionerError } from '../errors.js';
import { decodeAhead } from '../images/decode-ahead.js';
import { decodePhoto } from '../images/photo.js';
import { Budget, defaultMaxPixels, type PhotoLimits } from '../images/photo-limits.js';
import {
  checkEncoder,
  encoderOf,
  findCheckpoint,
  loadCheckpoint,
  ownInt8Encoder,
  type Checkpoint,
  type CheckpointConfig,
  type ConfidenceCalibration,
} from '../model/checkpoint/checkpoint.js';
import { viewsOf } from '../data/features/encoder-identity.js';
import { readRows, type FeatureStore } from '../data/features/store.js';
import { findInt8Encoder, int8FormOf, locateEncoder } from '../model/checkpoint/find-encoder.js';
import { Encoder } from '../model/encoder/encoder.js';
import { CaptionModel, type Caption } from './caption-model.js';
import {
  batchSizes,
  encodeNext,
  type CaptioningStage,
  type DecodedPhoto,
  type EncodedPhotos,
} from './photo-batches.js';
import { defaultCheckpoint } from './shipped-models.js';
import { silent, type ProgressReporter } from '../progress.js';
import { namePhoto, type PhotoSource } from './photo-source.js';

export type { Caption } from './caption-model.js';
export type { CaptioningStage } from './photo-batches.js';
export type { PhotoBytes, PhotoSource } from './photo-source.js';

/** The result for one photo: its captions, the likeliest first, or none and the error that kept it from having any. */
export interface CaptionedPhoto {
  readonly file: string;
  readonly captions: readonly Caption[];
  readonly error?: CaptionerError;
}

/** A result for each photo of a list. */
export type CaptionedPhotos<Photos extends readonly PhotoSource[]> = { -readonly [K in keyof Photos]: CaptionedPhoto };

/** Options of {@link Captioner.load}. */
export interface CaptionerOptions extends Partial<InferenceConfig> {
  /** Path of the encoder's ONNX file, if it should not be found or downloaded by its name. */
  readonly encoder?: string;
  /** Limits on the photos to caption. */
  readonly limits?: PhotoLimits;
  /** Reports the download of an encoder. */
  readonly progress?: ProgressReporter;
  readonly signal?: AbortSignal;
  /** Threads per run. Default: all cores. */
  readonly threads?: number;
}

/** Options for captioning many photos. */
export interface CaptioningOptions {
  /** Receives the number of photos done. */
  readonly progress?: ProgressReporter;
  /** Aborting stops before the next batch. */
  readonly signal?: AbortSignal;
  /** Deadline for photos and searches, on the clock of `performance.now()`. Default: none. */
  readonly deadline?: number;
  /** Receives, for each batch, the time spent in each stage; that of decoding is the time waited for photos. */
  readonly onStage?: (stage: CaptioningStage, seconds: number) => void;
}

/**
 * A trained captioner: photo -> encoder -> decoder -> search -> captions. Runs on ONNX Runtime alone.
 *
 * ```ts
 * const captioner = await Captioner.load();
 * const [{ captions }] = await captioner.caption(['photo.jpg'], { n: 3 });
 * ```
 */
export class Captioner extends CaptionModel {
  private encoder?: Promise<Encoder>;
  /** Pixels in memory at the same time. */
  private readonly budget: Budget;

  private constructor(
    checkpoint: Checkpoint,
    decoder: CaptionDecoder,
    private readonly loadEncoder: () => Promise<Encoder>,
    private readonly limits: PhotoLimits = {},
    calibration?: ConfidenceCalibration,
  ) {
    super(checkpoint, decoder, calibration);
    this.budget = new Budget(limits.maxPixelsInFlight ?? defaultMaxPixels);
  }

  /**
   * Loads the decoder; the encoder follows with the first photo.
   *
   * @param folders a checkpoint or a training run, or several that caption together (the mean of their probabilities). Default: the
   *   one that comes with the package.
   * @throws CaptionerError `not-found`, `corrupt`, `mismatch` (parts that do not fit each other).
   */
  static async load(
    folders: string | readonly string[] = defaultCheckpoint(),
    options: CaptionerOptions = {},
  ): Promise<Captioner> {
    const found = [folders].flat().map((folder) => findCheckpoint(folder));
    const checkpoints = found.map((folder) => loadCheckpoint(folder));
    const decoder = await loadDecoder(checkpoints, options);
    const [{ config }] = checkpoints;
    if (options.encoder === undefined) encoderOf(found[0], config); // refuses a checkpoint that has lost its own encoder
    const loadEncoder = async () => {
      const { encoder: given, precision } = options;
      const inInt8 =
        precision !== 'int8' ? undefined : given ? int8FormOf(given) : await findInt8Encoder(found[0], config);
      const source = inInt8 ?? given ?? (await locateEncoder(found[0], config));
      const { normalisation } = config.encoder;
      const encoder = await Encoder.load(source, { ...options, views: viewsOf(config.encoder), normalisation });
      checkEncoder(config, encoder.identity, `The features of ${source}`);
      refuseDamaged(source, found[0], config, encoder);
      return encoder;
    };
    const calibration = checkpoints.length === 1 ? config.confidence : undefined;
    return new Captioner(checkpoints[0], decoder, loadEncoder, options.limits, calibration);
  }

  /**
   * The encoder, loaded on first use. If loading fails, the next call tries again.
   * @throws CaptionerError `download`, `not-found`, `corrupt` or `mismatch`.
   */
  async ready(): Promise<Encoder> {
    this.encoder ??= this.loadEncoder();
    try {
      return await this.encoder;
    } catch (error) {
      this.encoder = undefined;
      throw error;
    }
  }

  /**
   * Captions photos, or a single one.
   * @returns the result for each, in order. A photo that can't be used is an error in its place.
   * @throws CaptionerError as {@link captions} does.
   */
  async caption<const Photos extends readonly PhotoSource[]>(
    photos: Photos,
    search?: Partial<SearchConfig>,
    options?: CaptioningOptions,
  ): Promise<CaptionedPhotos<Photos>>;
  async caption(
    photo: PhotoSource,
    search?: Partial<SearchConfig>,
    options?: CaptioningOptions,
  ): Promise<[CaptionedPhoto]>;
  async caption(
    photos: readonly PhotoSource[] | PhotoSource,
    search: Partial<SearchConfig> = {},
    options: CaptioningOptions = {},
  ): Promise<CaptionedPhoto[]> {
    const all: CaptionedPhoto[] = [];
    const list = Array.isArray(photos) ? (photos as readonly PhotoSource[]) : [photos as PhotoSource];
    for await (const photo of this.captions(list, search, options)) all.push(photo);
    return all;
  }

  /**
   * Captions photos batch by batch and yields the result of each, in order. A photo that cannot be used is an error in
   * its place.
   * @throws CaptionerError `bad-option`; `download`, `not-found`, `corrupt` or `mismatch` of the encoder; `timeout` of the search; the
   *   reason of an abort.
   */
  async *captions(
    photos: readonly PhotoSource[],
    search: Partial<SearchConfig> = {},
    options: CaptioningOptions = {},
  ): AsyncGenerator<CaptionedPhoto> {
    const { progress = silent, signal } = options;
    const resolved = this.resolve(search);
    this.check(resolved);
    const encoder = await this.ready();
    const decoded = decodeAhead(photos.length, (i) => this.decodeOrExplain(photos[i], i + 1, options.deadline));
    progress.start('Captioning', photos.length, 'photos');
    try {
      let done = 0;
      for (const size of batchSizes(photos.length)) {
        const encoded = await encodeNext(decoded, size, encoder, options.onStage);
        signal?.throwIfAborted();
        for (const photo of await this.captionEncoded(encoded, resolved, options)) yield photo;
        progress.update((done += size));
      }
    } finally {
      progress.stop();
      await decoded.return();
    }
  }

  /**
   * Captions photos from their stored features, without their files and without the encoder.
   * @throws CaptionerError `mismatch` when the features come from another encoder, or are of other views; `bad-option`; what `signal` was aborted with.
   */
  async *captionsOfFeatures(
    features: FeatureStore,
    search: Partial<SearchConfig> = {},
    { progress = silent, signal }: CaptioningOptions = {},
  ): AsyncGenerator<CaptionedPhoto> {
    checkEncoder(this.checkpoint.config, features.encoder, 'The features');
    const resolved = this.resolve(search);
    this.check(resolved);
    const { ids } = features;
    progress.start('Captioning', ids.length, 'photos');
    try {
      let done = 0;
      for (const size of batchSizes(ids.length)) {
        signal?.throwIfAborted();
        const batch = ids.slice(done, done + size);
        const captions = await this.captionFeatures(readRows(features, batch), size, resolved);
        for (const [i, file] of batch.entries()) yield { file, captions: captions[i] };
        progress.update((done += size));
      }
    } finally {
      progress.stop();
    }
  }

  /** Frees the memory of both networks. */
  async release(): Promise<void> {
    await Promise.all([this.encoder?.then((encoder) => encoder.release()), this.decoder.release()]);
  }

  /**
   * Reads a photo as pixels for the encoder, within the captioner's limits.
   * @param deadline on the clock of `performance.now()`.
   * @throws CaptionerError as `decodePhoto` and {@link ready} do.
   */
  async decode(photo: string | Uint8Array, deadline?: number): Promise<Uint8Array> {
    const { inputSize } = await this.ready();
    return decodePhoto(photo, inputSize, { ...this.limits, budget: this.budget, deadline });
  }

  /** @param position of the photo in its list, which names a photo without a name. */
  private async decodeOrExplain(photo: unknown, position: number, deadline?: number): Promise<DecodedPhoto> {
    const { file, read } = namePhoto(photo, position);
    try {
      return { file, pixels: await this.decode(await read(), deadline) };
    } catch (error) {
      if (error instanceof CaptionerError) return { file, error };
      throw error;
    }
  }

  private async captionEncoded(
    { photos, features, rows }: EncodedPhotos,
    search: Partial<SearchConfig>,
    options: CaptioningOptions,
  ): Promise<CaptionedPhoto[]> {
    const start = performance.now();
    const captions = await this.captionFeatures(features, rows, search, options);
    options.onStage?.('search', (performance.now() - start) / 1000);
    return photos.map(({ file, error }) =>
      error ? { file, captions: [], error } : { file, captions: captions.shift()! },
    );
  }
}

/** Checks a checkpoint's own encoder in 8 bits against the checksum in its config. */
function refuseDamaged(source: string, folder: string, config: CheckpointConfig, { identity }: Encoder): void {
  const { int8Encoder } = config;
  if (int8Encoder?.sha256 === identity.int8 || source !== ownInt8Encoder(folder, config)) return;
  throw new CaptionerError(
    'corrupt',
    `${source} is damaged, or belongs to another checkpoint. Copy the whole folder again, or export it again.`,
  );
}
