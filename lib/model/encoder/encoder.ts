import type { InferenceSession } from 'onnxruntime-common';
import path from 'node:path';
import { ExtractionConfig, imagenet, parseConfig, type Normalisation, type PhotoViews } from '../../config.js';
import { CaptionerError } from '../../errors.js';
import { isSameNormalisation, plainIdentity, type EncoderIdentity } from '../../data/features/encoder-identity.js';
import { decodedSize, viewCounts, viewsOfPhoto, wholeView } from '../../images/photo-views.js';
import type { ProgressReporter } from '../../progress.js';
import { readEncoder, type EncoderSource } from './encoder-source.js';
import { chooseNormalisation, normalisedTwice } from './photo-normalisation.js';
import { PhotoInput } from './photo-input.js';
import { loadClassifier, loadHeadless, type LoadedNetwork } from './load-network.js';

/** Options of {@link Encoder.load}. */
export interface EncoderOptions {
  /** Folder for downloaded encoders. Default: the cache folder of the operating system. */
  readonly cacheFolder?: string;
  /** Reports the progress of a download. */
  readonly progress?: ProgressReporter;
  readonly signal?: AbortSignal;
  /** Threads per run. Default: all cores. */
  readonly threads?: number;
  /**
   * Maximum number of photos per run of the network; more photos take several runs. Small runs are
   * faster on a CPU, because the values between layers fit its caches, and take less memory.
   * Default: 8, or 32 in 8 bits, whose values are a quarter of the size.
   */
  readonly batchSize?: number | undefined;
  /** Views of a photo whose features are averaged: see `viewsOfPhoto`. Default: `one`, the photo alone. */
  readonly views?: PhotoViews;
  /**
   * Normalisation for a network that was not trained with ImageNet's mean and standard deviation. Only
   * for a file outside the registry and without metadata.
   */
  readonly normalisation?: Normalisation | undefined;
  /** Receives a warning about a network that normalises photos itself. */
  readonly warn?: (message: string) => void;
}

/** A pretrained convolutional network without its classifier: it turns photos into feature vectors. */
export class Encoder {
  private constructor(
    readonly identity: EncoderIdentity,
    /** Absolute path of its file, if it is not in the registry. */
    readonly file: string | undefined,
    /** Views of a photo whose features are averaged. */
    readonly views: PhotoViews,
    /** Width and height of the input of the network, in pixels. */
    private readonly size: number,
    private readonly network: LoadedNetwork['network'],
    private readonly input: PhotoInput,
    /** Maximum number of photos, or views of them, per run of the network. */
    readonly batchSize: number,
    private readonly session: InferenceSession,
  ) {}

  /**
   * Loads an encoder of the registry by name, downloading it if necessary, or any ONNX file by
   * path: an encoder with metadata (see `EncoderMetadata`), or a classifier, whose head is detached
   * (see `detachHead`).
   *
   * @throws CaptionerError `bad-option`: there is no such name. `not-found`: there is no such file.
   *   `download`: it cannot be fetched. `corrupt`: the file is damaged. `unsupported`: it is not a
   *   usable photo classifier. `bad-option`: a normalisation for an encoder that has its own.
   */
  static async load(nameOrPath: string, options: EncoderOptions = {}): Promise<Encoder> {
    return await Encoder.open(await readEncoder(nameOrPath, options), options);
  }

  /**
   * Creates the encoder from the content of a file.
   * @throws CaptionerError `corrupt`, `unsupported`, `bad-option`
   */
  static async open(source: EncoderSource, options: EncoderOptions = {}): Promise<Encoder> {
    const { bytes, file, known, name, sha256, headless, registered } = source;
    const normalisation = chooseNormalisation(source, options.normalisation);
    const { network, session } =
      headless && known
        ? await loadHeadless(bytes, file, known, options.threads)
        : await loadClassifier(bytes, file, registered, options.threads);
    const { dimension, inputSize } = { ...network, ...known };
    const { ownNormalisation } = network;
    if (!known && ownNormalisation && isSameNormalisation(normalisation, imagenet)) {
      options.warn?.(normalisedTwice(file, ownNormalisation));
    }
    const int8 = known?.int8;
    const { views, batchSize = int8 ? 32 : 8 } = parseConfig(ExtractionConfig, {
      views: options.views,
      ...(options.batchSize !== undefined && { batchSize: options.batchSize }),
    });
    return new Encoder(
      plainIdentity(
        int8
          ? { name, sha256: int8.network, dimension, views, normalisation: int8.normalisation, int8: sha256 }
          : { name, sha256, dimension, views, ...(!known && { normalisation }) },
      ),
      registered || int8 ? undefined : path.resolve(file),
      views,
      inputSize,
      network,
      new PhotoInput(inputSize, int8 ? undefined : normalisation),
      network.batch === 'one' ? 1 : batchSize,
      session,
    );
  }

  /**
   * Width and height of the photos it takes, in pixels. For `crops` this is more than the input of
   * the network.
   */
  get inputSize(): number {
    return decodedSize(this.views, this.size);
  }

  /** Length of a feature vector. */
  get dimension(): number {
    return this.identity.dimension;
  }

  /** Whether the network has a map before its pooling, for {@link Encoder.featureMap}. */
  get hasFeatureMap(): boolean {
    return this.network.map !== undefined;
  }

  /**
   * Pooled features, the mean over the views of each photo.
   * @param photos RGB bytes, [S, S, 3] each, as `decodePhoto` gives them for `inputSize`.
   * @returns [N, D]
   */
  async features(photos: readonly Uint8Array[]): Promise<Float32Array> {
    if (this.views === 'one') return await this.pooled(photos);
    const means = new Float32Array(photos.length * this.dimension); // [N, D]
    const count = viewCounts[this.views];
    const together = Math.ceil(this.batchSize / count);
    for (let first = 0; first < photos.length; first += together) {
      const some = photos.slice(first, first + together);
      const seen = await Promise.all(some.map((photo) => viewsOfPhoto(photo, this.size, this.views)));
      const features = await this.pooled(seen.flat()); // [some * count, D]
      means.set(meansOfRows(features, count, this.dimension), first * this.dimension);
    }
    return means;
  }

  /** The network's features of its inputs, [N, D]. */
  private async pooled(photos: readonly Uint8Array[]): Promise<Float32Array> {
    const features = new Float32Array(photos.length * this.dimension); // [N, D]
    await this.run(photos, this.network.features, (output, first, count) => {
      if (output.length !== count * this.dimension) {
        throw new CaptionerError(
          'unsupported',
          `${this.identity.name} gave ${output.length} numbers for ${count} photos, not ${this.dimension} for each.`,
        );
      }
      features.set(output, first * this.dimension);
    });
    return features;
  }

  /**
   * The map before pooling: C features at each of h x w positions. It always covers the whole
   * photo, regardless of the views.
   * @param photos as for {@link Encoder.features}.
   * @throws CaptionerError `unsupported` if the network has no such map.
   */
  async featureMap(
    photos: readonly Uint8Array[],
  ): Promise<{ data: Float32Array; shape: [n: number, channels: number, height: number, width: number] }> {
    if (this.network.map === undefined) {
      throw new CaptionerError(
        'unsupported',
        `${this.identity.name} has no pooling whose input could be a feature map.`,
      );
    }
    let data = new Float32Array(0);
    let place: readonly number[] = [0, 0, 0];
    const whole = await Promise.all(photos.map((photo) => wholeView(photo, this.size, this.views)));
    await this.run(whole, this.network.map, (output, first, count, shape) => {
      const size = output.length / count;
      if (first === 0) data = new Float32Array(photos.length * size);
      place = shape.slice(1);
      data.set(output, first * size);
    });
    return { data, shape: [photos.length, place[0], place[1], place[2]] };
  }

  /** Frees the network's memory. */
  async release(): Promise<void> {
    await this.session.release();
  }

  private async run(
    photos: readonly Uint8Array[],
    output: string,
    take: (data: Float32Array, first: number, count: number, shape: readonly number[]) => void,
  ): Promise<void> {
    const step = this.batchSize;
    for (let first = 0; first < photos.length; first += step) {
      const some = photos.slice(first, first + step);
      const tensor = this.input.tensor(some);
      const result = (await this.session.run({ [this.network.input]: tensor }, [output]))[output];
      this.input.reuse(tensor);
      take(result.data as Float32Array, first, some.length, result.dims);
    }
  }
}

/** The mean of each group of `count` consecutive rows, [N * count, D] -> [N, D]. */
function meansOfRows(rows: Float32Array, count: number, dimension: number): Float32Array {
  return Float32Array.from({ length: rows.length / count }, (_, i) => {
    const first = Math.floor(i / dimension) * count * dimension + (i % dimension);
    let sum = 0;
    for (let row = 0; row < count; row++) sum += rows[first + row * dimension];
    return sum / count;
  });
}
