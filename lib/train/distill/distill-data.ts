import path from 'node:path';
import { crc32 } from 'node:zlib';
import type { DistillationConfig } from '../../config.js';
import { extractFeatures, type PhotoEncoder } from '../../data/features/extraction.js';
import type { PhotoFile } from '../../data/features/photo-file.js';
import { openFeatures, type FeatureStore } from '../../data/features/store.js';
import type { Manifest } from '../../data/datasets/manifest.js';
import { CaptionerError } from '../../errors.js';
import { drawView } from '../../images/view.js';
import type { ProgressReporter } from '../../progress.js';
import { Random } from '../../random.js';

/** Photos to learn from, and photos to measure by. */
export interface DistillationPhotos {
  readonly train: readonly PhotoFile[];
  readonly dev: readonly PhotoFile[];
}

/** Without dev photos, one photo in this many is held out. */
const heldOut = 20;

/**
 * The photos of several data sets. Where a data set has splits, its train photos are for learning,
 * its dev photos for measuring, and its test photos are not used. If there are no dev photos at
 * all, every twentieth photo without a split is for measuring.
 * @throws CaptionerError `bad-input`: there are no photos to learn from.
 */
export function distillationPhotos(manifests: readonly Manifest[]): DistillationPhotos {
  const all = manifests.flatMap(({ name, photos }) =>
    photos.map(({ id, file, split }) => ({ id: `${name}/${id}`, file, split })),
  );
  let train = all.filter(({ split }) => split === 'train' || split === undefined);
  let dev = all.filter(({ split }) => split === 'dev');
  if (dev.length === 0) {
    dev = train.filter((_, i) => i % heldOut === 0);
    train = train.filter((_, i) => i % heldOut !== 0);
  }
  if (train.length === 0) throw new CaptionerError('bad-input', 'There are no photos to learn from.');
  return { train, dev };
}

/** The teacher's features of views of photos: a feature store for each round of views, computed when the round is first needed. */
export class TeacherViews {
  private readonly stores = new Map<string, FeatureStore>();

  constructor(
    private readonly folder: string,
    private readonly teacher: PhotoEncoder,
    private readonly photos: DistillationPhotos,
    private readonly config: Pick<DistillationConfig, 'viewRounds' | 'minArea' | 'colour' | 'seed'>,
    private readonly options: {
      readonly progress?: ProgressReporter;
      readonly signal?: AbortSignal;
      readonly warn: (line: string) => void;
    },
  ) {}

  /** The train photos in the views of epoch `epoch`, without those that cannot be decoded. */
  async round(epoch: number): Promise<{ photos: readonly PhotoFile[]; features: FeatureStore }> {
    const { minArea, colour, seed } = this.config;
    const round = epoch % this.config.viewRounds;
    const range = { minArea, colour, maxStretch: 4 / 3, mirror: true };
    // A photo's views depend only on its id, so they still match the teacher's when photos are added or removed.
    const photos = this.photos.train.map((photo) => ({
      ...photo,
      view: drawView(new Random(seed, round, crc32(photo.id)), range),
    }));
    return await this.features(`view-${round}`, photos);
  }

  /** The dev photos, without random views. */
  async dev(): Promise<{ photos: readonly PhotoFile[]; features: FeatureStore }> {
    return await this.features('dev', this.photos.dev);
  }

  close(): void {
    for (const store of this.stores.values()) store.close();
  }

  private async features(name: string, photos: readonly PhotoFile[]) {
    const features = this.stores.get(name) ?? (await this.compute(name, photos));
    return { photos: photos.filter(({ id }) => features.has(id)), features };
  }

  private async compute(name: string, photos: readonly PhotoFile[]): Promise<FeatureStore> {
    const folder = path.join(this.folder, name);
    const { progress, signal, warn } = this.options;
    const { skipped } = await extractFeatures({
      manifest: { photos },
      encoder: this.teacher,
      folder,
      config: { storage: 'fp16' },
      progress,
      signal,
    });
    for (const { id, reason } of skipped) warn(`${id} is left out: ${reason}`);
    const features = openFeatures(folder);
    this.stores.set(name, features);
    return features;
  }
}
