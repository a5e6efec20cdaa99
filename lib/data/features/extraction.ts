import { CaptionerError } from '../../errors.js';
import { ExtractionConfig, parseConfig } from '../../config.js';
import { decodePhoto } from '../../images/photo.js';
import { silent, type ProgressReporter } from '../../progress.js';
import { FeatureWriter } from './writer.js';
import { viewsOf, type EncoderIdentity, type SkippedPhoto } from './store.js';
import type { PhotoFile } from './photo-file.js';
import { separateViews, withRandomViews } from './random-views.js';

/** What turns photos into features: `Encoder`, or a stand-in of the same shape. */
export interface PhotoEncoder {
  readonly identity: EncoderIdentity;
  /** Width and height of the photos it wants; of those it makes the views whose features it averages. */
  readonly inputSize: number;
  /** RGB bytes, [S, S, 3] each -> [N, D] */
  features(photos: readonly Uint8Array[]): Promise<Float32Array>;
}

export interface ExtractionRequest {
  /** The photos: a data set, or any list of ids and files, and maybe a view of each. */
  readonly manifest: { readonly photos: readonly PhotoFile[] };
  readonly encoder: PhotoEncoder;
  /** The feature store: made where there is none, completed where there is one. */
  readonly folder: string;
  /** Encoder and views are those of `encoder`. With `randomViews`, random views of the photos of the split `train` are stored as well (see `splitPhotos`). */
  readonly config?: Partial<ExtractionConfig>;
  readonly progress?: ProgressReporter;
  /** Aborting stops after the batch at work, with everything saved. */
  readonly signal?: AbortSignal;
  /** Photos that are being decoded or wait decoded, at most. */
  readonly lookahead?: number;
}

export interface ExtractionReport {
  /** Photos of the data set that have features now. */
  readonly stored: number;
  /** Of these, how many this run added. */
  readonly added: number;
  /** The same of the random views that were asked for. */
  readonly randomViews: { readonly stored: number; readonly added: number };
  /** Photos that could not be decoded, with the reason. */
  readonly skipped: readonly SkippedPhoto[];
  readonly seconds: number;
}

/** What a photo became: its pixels, or why it has none. */
type Decoded = Pick<PhotoFile, 'id' | 'of'> & ({ readonly rgb: Uint8Array } | { readonly reason: string });

/**
 * Computes the features of a data set's photos and stores them in a folder.
 *
 * Photos that are stored already are passed over, so a run that was stopped or killed is finished by the same call. Photos that
 * can't be decoded are skipped and reported, and tried again by the next run. Rows are in the order of the photos, random views come
 * behind them (see `withRandomViews`), and nothing depends on the size of batches or on interruptions.
 *
 * Photos are decoded on sharp's threads while the encoder computes.
 *
 * @throws CaptionerError `mismatch`: the folder's features are of another encoder, other views or another precision, or `config` has
 *   other views than the encoder. `interrupted`: `signal` was aborted. And what {@link FeatureWriter} throws.
 */
export async function extractFeatures(request: ExtractionRequest): Promise<ExtractionReport> {
  const { manifest, encoder, folder, progress = silent, signal } = request;
  const { storage, batchSize, randomViews } = parseConfig(ExtractionConfig, request.config ?? {});
  refuseOtherViews(encoder, request.config?.views);
  refuseDuplicates(manifest.photos);
  const wanted = withRandomViews(manifest.photos, randomViews);
  const writer = FeatureWriter.open(folder, encoder.identity, storage);
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

    const pixels = decodeAhead(waiting, encoder.inputSize, request.lookahead ?? Math.max(32, 2 * batchSize));
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
      // Of a damaged photo a view may be whole: without the photo's row, none of its views.
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
          'the same command goes on from there.',
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
    `Features of the views '${wanted}' are wanted, but ${identity.name} was loaded for '${viewsOf(identity)}': load it with views: '${wanted}'.`,
  );
}

function refuseDuplicates(photos: readonly { id: string }[]): void {
  const seen = new Set<string>();
  for (const { id } of photos) {
    if (seen.has(id))
      throw new CaptionerError('bad-input', `Two photos have the id ${id}: a photo is known by its id.`);
    seen.add(id);
  }
  const { randomViews } = separateViews(seen, (id) => seen.has(id));
  if (randomViews.length) {
    throw new CaptionerError(
      'bad-input',
      `A photo has the id ${randomViews[0]}, as a random view of another photo would have: rename it.`,
    );
  }
}

/** Decodes photos in order, some of them ahead of need. */
async function* decodeAhead(photos: readonly PhotoFile[], size: number, lookahead: number): AsyncGenerator<Decoded> {
  const queue: Promise<Decoded>[] = [];
  let next = 0;
  try {
    while (next < photos.length || queue.length) {
      while (next < photos.length && queue.length < lookahead) {
        const decoding = decodeOrExplain(photos[next++], size);
        // An error is met when it is this photo's turn, not before.
        decoding.catch(() => undefined);
        queue.push(decoding);
      }
      yield await queue.shift()!;
    }
  } finally {
    // Whoever stops early leaves no decoding behind.
    await Promise.allSettled(queue);
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
