import { CaptionerError } from '../../errors.js';
import { ExtractionConfig, parseConfig } from '../../config.js';
import { decodeAhead } from '../../images/decode-ahead.js';
import { decodePhoto } from '../../images/photo.js';
import { silent, type ProgressReporter } from '../../progress.js';
import { FeatureWriter } from './writer.js';
import { viewsOf, type EncoderIdentity } from './encoder-identity.js';
import { type SkippedPhoto } from './store.js';
import type { PhotoFile } from './photo-file.js';
import { separateViews, withRandomViews } from './random-views.js';

/** A function from photos to features: `Encoder`, or a stand-in of the same shape. */
export interface PhotoEncoder {
  readonly identity: EncoderIdentity;
  /** Path of its file, if it is not in the registry. */
  readonly file?: string | undefined;
  /**
   * Width and height of the decoded photos. The encoder makes its views from them and averages
   * their features.
   */
  readonly inputSize: number;
  /** Photos that it takes together. Default 8. */
  readonly batchSize?: number;
  /** RGB bytes, [S, S, 3] each -> [N, D] */
  features(photos: readonly Uint8Array[]): Promise<Float32Array>;
}

/** The photos whose features are extracted, and how. */
export interface ExtractionRequest {
  /** The photos: a data set, or any list of ids and files, optionally with a view of each. */
  readonly manifest: { readonly photos: readonly PhotoFile[] };
  readonly encoder: PhotoEncoder;
  /** Folder of the feature store. A new store is created, an existing one is completed. */
  readonly folder: string;
  /**
   * Settings of the extraction. Encoder and views are those of `encoder`. With `randomViews`,
   * random views of the photos of the split `train` are stored as well (see `splitPhotos`).
   */
  readonly config?: Partial<ExtractionConfig>;
  readonly progress?: ProgressReporter;
  /** Aborting stops after the current batch; everything computed is saved. */
  readonly signal?: AbortSignal;
  /** Maximum number of photos that are being decoded or are decoded and waiting. */
  readonly lookahead?: number;
}

/** The outcome of an extraction. */
export interface ExtractionReport {
  /** Photos of the data set that now have features. */
  readonly stored: number;
  /** Number of these that this run added. */
  readonly added: number;
  /** The same counts for the requested random views. */
  readonly randomViews: { readonly stored: number; readonly added: number };
  /** Photos that could not be decoded, with the reason. */
  readonly skipped: readonly SkippedPhoto[];
  readonly seconds: number;
}

/** The result of decoding a photo: its pixels, or the reason why there are none. */
type Decoded = Pick<PhotoFile, 'id' | 'of'> & ({ readonly rgb: Uint8Array } | { readonly reason: string });

/**
 * Computes the features of a data set's photos and stores them in a folder.
 *
 * Stored photos are passed over, so the same call completes a run that was stopped or killed.
 * Photos that cannot be decoded are skipped and reported; the next run tries them again. Rows
 * follow the order of the photos, with random views after them (see `withRandomViews`). The result
 * does not depend on the batch size or on interruptions.
 *
 * sharp's threads decode photos while the encoder computes.
 *
 * @throws CaptionerError `mismatch`: the stored features have another encoder, other views or
 *   another precision, or `config` has other views than the encoder. `interrupted`: `signal` was
 *   aborted. Also the errors of `FeatureWriter`.
 */
export async function extractFeatures(request: ExtractionRequest): Promise<ExtractionReport> {
  const { manifest, encoder, folder, progress = silent, signal } = request;
  const {
    storage,
    randomViews,
    batchSize = encoder.batchSize ?? 8,
  } = parseConfig(ExtractionConfig, request.config ?? {});
  refuseOtherViews(encoder, request.config?.views);
  refuseDuplicates(manifest.photos);
  const wanted = withRandomViews(manifest.photos, randomViews);
  const writer = FeatureWriter.open(folder, encoder.identity, storage, encoder.file);
  let complete = false;
  try {
    const stored = () => {
      const rows = wanted.filter(({ id }) => writer.has(id));
      const randomViews = rows.filter(({ of }) => of !== undefined).length;
      return { photos: rows.length - randomViews, randomViews };
    };
    const before = stored();
    const waiting = wanted.filter(({ id }) => !writer.has(id));
    const skipped = new Map<string, SkippedPhoto>();
    const started = performance.now();
    const unit = randomViews > 0 ? 'photos and views' : 'photos';
    let done = wanted.length - waiting.length;
    progress.start('Extracting', wanted.length, unit);
    progress.update(done);

    const lookahead = request.lookahead ?? Math.max(32, 2 * batchSize);
    const pixels = decodeAhead(waiting.length, (i) => decodeOrExplain(waiting[i], encoder.inputSize), lookahead);
    let batch: { id: string; rgb: Uint8Array }[] = [];
    const report = (count: number) => {
      done += count;
      progress.update(done, skipped.size ? `${skipped.size} skipped` : undefined);
    };
    const flush = async () => {
      if (!batch.length) return;
      const features = await encoder.features(batch.map(({ rgb }) => rgb));
      writer.append(
        batch.map(({ id }) => id),
        features,
      );
      report(batch.length);
      batch = [];
    };
    for await (const photo of pixels) {
      const { id, of = id } = photo;
      if (!('rgb' in photo) && !skipped.has(of)) {
        writer.skip(of, photo.reason);
        skipped.set(of, { id: of, reason: photo.reason });
      }
      // A view of a damaged photo may be intact, but views are stored only with the photo's own row.
      if ('rgb' in photo && !skipped.has(of)) batch.push(photo);
      else report(1);
      if (batch.length === batchSize) await flush();
      if (signal?.aborted) break;
    }
    await flush();
    const after = stored();
    if (signal?.aborted && done < wanted.length) {
      throw new CaptionerError(
        'interrupted',
        `Stopped after ${after.photos + after.randomViews} of ${wanted.length} ${unit}. They are saved in ${folder}; ` +
          'run the same command again to continue.',
      );
    }
    complete = true;
    return {
      stored: after.photos,
      added: after.photos - before.photos,
      randomViews: { stored: after.randomViews, added: after.randomViews - before.randomViews },
      skipped: [...skipped.values()],
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    progress.stop();
    writer.close(complete);
  }
}

function refuseOtherViews({ identity }: PhotoEncoder, wanted = viewsOf(identity)): void {
  if (wanted === viewsOf(identity)) return;
  throw new CaptionerError(
    'mismatch',
    `The features need the views '${wanted}', but ${identity.name} was loaded for '${viewsOf(identity)}'. Load it with views: '${wanted}'.`,
  );
}

function refuseDuplicates(photos: readonly { id: string }[]): void {
  const seen = new Set<string>();
  for (const { id } of photos) {
    if (seen.has(id))
      throw new CaptionerError('bad-input', `Two photos have the id ${id}. Give each photo its own id.`);
    seen.add(id);
  }
  const { randomViews } = separateViews(seen, (id) => seen.has(id));
  if (randomViews.length) {
    throw new CaptionerError(
      'bad-input',
      `The photo id ${randomViews[0]} is reserved for a random view of another photo. Rename the photo.`,
    );
  }
}

async function decodeOrExplain({ id, of, file, view }: PhotoFile, size: number): Promise<Decoded> {
  try {
    return { id, of, rgb: await decodePhoto(file, size, view && { view }) };
  } catch (error) {
    if (error instanceof CaptionerError && ['bad-image', 'not-found'].includes(error.code)) {
      return { id, of, reason: error.message };
    }
    throw error;
  }
}
