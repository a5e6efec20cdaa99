import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { CaptionerError } from '../../errors.js';
import { silent, type ProgressReporter } from '../../progress.js';
import { FeatureWriter } from './writer.js';
import type { EncoderIdentity } from './encoder-identity.js';
import { differingField, openFeatures, readRows, readSkipped, type FeatureStore } from './store.js';

/** The stores to merge, and where to. */
export interface MergeRequest {
  /** Feature stores of the same encoder, views and precision: shards of a data set, or several data sets. */
  readonly sources: readonly string[];
  /** Whether features in fp32 and in 8 bits of the same network may be in one store. Default: no. */
  readonly mixedPrecision?: boolean;
  /** Folder of the merged store. A new store is created, an existing one is completed. */
  readonly folder: string;
  readonly progress?: ProgressReporter;
  /** Aborting stops after the current rows; the same call continues. */
  readonly signal?: AbortSignal;
}

/** The outcome of a merge. */
export interface MergeReport {
  /** Photos that now have features in the store. */
  readonly stored: number;
  /** Number of these that this call added. */
  readonly added: number;
  /** The same counts for random views of photos. */
  readonly randomViews: { readonly stored: number; readonly added: number };
  /** Photos that no source could decode. */
  readonly skipped: number;
}

/** Rows copied at a time. */
const batchRows = 256;

/**
 * Copies the rows of several feature stores into one, in the order of the sources. The first source
 * that has a photo provides it.
 *
 * @throws CaptionerError `mismatch`: a source has another encoder, other views or another
 *   precision. `not-found`, `corrupt`: a source is not a finished store. `bad-input`: a source is
 *   `folder` itself. Also the reason with which `signal` was aborted.
 */
export async function mergeFeatures({
  sources,
  mixedPrecision = false,
  folder,
  progress = silent,
  signal,
}: MergeRequest): Promise<MergeReport> {
  if (sources.some((source) => path.resolve(source) === path.resolve(folder))) {
    throw new CaptionerError('bad-input', `${folder} can't be merged into itself: name another folder.`);
  }
  const stores: FeatureStore[] = [];
  try {
    for (const source of sources) stores.push(openFeatures(source));
    refuseUnlike(sources, stores, mixedPrecision);
    const [{ encoderFile, precision }] = stores;
    const encoder = commonEncoder(stores);
    const writer = FeatureWriter.open(folder, encoder, precision, encoderFile);
    const before = writer.count();
    let complete = false;
    try {
      const rowsOf = ({ ids, randomViews }: FeatureStore) => [...ids, ...randomViews];
      const all = stores.reduce((sum, store) => sum + rowsOf(store).length, 0);
      let done = 0;
      progress.start('Merging', all, 'rows');
      for (const store of stores) {
        const stored = rowsOf(store);
        for (let first = 0; first < stored.length; first += batchRows) {
          await setImmediate(); // lets aborts and progress reports through
          signal?.throwIfAborted();
          const batch = stored.slice(first, first + batchRows);
          const ids = batch.filter((id) => !writer.has(id));
          if (ids.length) writer.append(ids, readRows(store, ids));
          done += batch.length;
          progress.update(done);
        }
      }
      const skipped = new Map(sources.flatMap(readSkipped).map(({ id, reason }) => [id, reason]));
      for (const [id, reason] of skipped) {
        if (writer.has(id)) skipped.delete(id);
        else writer.skip(id, reason);
      }
      complete = true;
      const after = writer.count();
      return {
        stored: after.photos,
        added: after.photos - before.photos,
        randomViews: { stored: after.randomViews, added: after.randomViews - before.randomViews },
        skipped: skipped.size,
      };
    } finally {
      progress.stop();
      writer.close(complete);
    }
  } finally {
    for (const store of stores) store.close();
  }
}

/** The encoder of all stores. */
function commonEncoder([{ encoder }, ...others]: readonly FeatureStore[]): EncoderIdentity {
  return others.some((other) => other.encoder.int8 !== encoder.int8) ? { ...encoder, int8: 'mixed' } : encoder;
}

function refuseUnlike(sources: readonly string[], stores: readonly FeatureStore[], mixedPrecision: boolean): void {
  const compared = ({ precision, encoder }: FeatureStore) => ({
    precision,
    encoder: mixedPrecision ? { ...encoder, int8: undefined } : encoder,
  });
  for (const [i, store] of stores.entries()) {
    const other = differingField(compared(store), compared(stores[0]));
    if (!other) continue;
    throw new CaptionerError(
      'mismatch',
      `The features in ${sources[i]} have ${other.field} ${other.a}, those in ${sources[0]} ${other.b}: they can't be in one store${other.field === 'encoder.int8' ? ', unless --mixed-precision (option mixedPrecision) allows it' : ''}.`,
    );
  }
}
