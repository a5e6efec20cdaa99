import { existsSync } from 'node:fs';
import path from 'node:path';
import { projectFolder } from './files/package.js';
import { Captioner } from './captioner/captioner.js';
import { openDataset } from './data/datasets/datasets.js';
import { extractFeatures, type PhotoEncoder } from './data/features/extraction.js';
import { openFeatures, readSkipped, type FeatureStore } from './data/features/store.js';
import type { Manifest } from './data/datasets/manifest.js';
import type { DecoderConfig, TrainingConfig } from './config.js';
import { shapesDataset } from './data/datasets/shapes.js';
import { CaptionerError } from './errors.js';
import type { ProgressReporter } from './progress.js';

/** The data of the notebooks. `tiny` needs no download; `flickr8k` is a real data set. */
export type Preset = 'tiny' | 'flickr8k';

/** Data for training in the notebooks. */
export interface LessonData {
  readonly preset: Preset;
  readonly manifest: Manifest;
  readonly features: FeatureStore;
  /** Hyperparameters for training in half a minute (tiny) or a few minutes (flickr8k). */
  readonly decoder: Partial<DecoderConfig> & { readonly hiddenSize: number; readonly embeddingSize: number };
  readonly training: Partial<TrainingConfig> & { readonly epochs: number; readonly learningRate: number };
  readonly vocabulary: { readonly minCount: number };
}

/**
 * The preset named by `CAPTIONER_PRESET`. Otherwise `flickr8k` if the data set is present, else
 * `tiny`.
 */
export async function lessonPreset(): Promise<Preset> {
  const given = process.env.CAPTIONER_PRESET;
  if (given === 'tiny' || given === 'flickr8k') return given;
  if (given) throw new CaptionerError('bad-option', `CAPTIONER_PRESET is '${given}'. Set it to tiny or flickr8k.`);
  try {
    await openDataset('flickr8k');
    return 'flickr8k';
  } catch {
    return 'tiny';
  }
}

/**
 * Photos, captions and features for the notebooks. Missing features are computed by the encoder of
 * the default model, in seconds (tiny) or minutes (flickr8k).
 * @throws CaptionerError `not-found`: the preset flickr8k without the data set.
 */
export async function openLesson(
  preset?: Preset,
  { progress, signal }: { progress?: ProgressReporter; signal?: AbortSignal } = {},
): Promise<LessonData> {
  const chosen = preset ?? (await lessonPreset());
  const complete = async (manifest: Manifest, folder: string, encoder: () => Promise<PhotoEncoder>) => {
    // Several notebooks may be open at once, so existing data are only read.
    if (!hasFeatures(folder, manifest)) {
      const request = { manifest, encoder: await encoder(), folder };
      await extractFeatures({ ...request, ...(progress && { progress }), ...(signal && { signal }) });
    }
    return openFeatures(folder);
  };
  if (chosen === 'flickr8k') {
    const manifest = await openDataset('flickr8k');
    // Features by `captioner extract`, of any encoder; otherwise the lessons' own.
    const extracted = path.join(projectFolder, 'features', 'flickr8k');
    const folder = hasFeatures(extracted, manifest)
      ? extracted
      : path.join(projectFolder, 'features', 'lesson-flickr8k');
    return {
      preset: chosen,
      manifest,
      features: await complete(manifest, folder, async () => (await Captioner.load()).ready()),
      decoder: { hiddenSize: 512, embeddingSize: 300 },
      training: { epochs: 3, batchSize: 128, learningRate: 0.002, validatePhotos: 200 },
      vocabulary: { minCount: 5 },
    };
  }
  const folder = path.join(projectFolder, 'data', 'shapes');
  const manifest = await shapesDataset(folder);
  const encoder = await (await Captioner.load()).ready();
  const { name, sha256 } = encoder.identity;
  // Each encoder has its own features.
  const store = path.join(folder, `features-${name}-${sha256.slice(0, 8)}`);
  return {
    preset: chosen,
    manifest,
    features: await complete(manifest, store, () => Promise.resolve(encoder)),
    ...shapesLesson,
  };
}

/** Hyperparameters for learning the drawn shapes in half a minute. */
const shapesLesson = {
  decoder: { hiddenSize: 96, embeddingSize: 48, featureDropout: 0.1, inputDropout: 0.1, outputDropout: 0.1 },
  training: { epochs: 24, batchSize: 64, learningRate: 0.004, validatePhotos: 0, chooseBy: 'loss' },
  vocabulary: { minCount: 2 },
} as const;

/** Whether a store has a row or a reason for each photo. */
function hasFeatures(folder: string, { photos }: Manifest): boolean {
  if (!existsSync(path.join(folder, 'meta.json'))) return false;
  try {
    const store = openFeatures(folder);
    const skipped = new Set(readSkipped(folder).map(({ id }) => id));
    const complete = photos.every(({ id }) => store.has(id) || skipped.has(id));
    store.close();
    return complete;
  } catch (error) {
    if (error instanceof CaptionerError && error.code === 'corrupt') return false; // extraction repairs it, or says why not
    throw error;
  }
}

/** The sample photos, with five captions each. */
export async function openSamples(): Promise<Manifest> {
  const manifest = await openDataset(path.join(projectFolder, 'data', 'samples', 'captions.csv'));
  return { ...manifest, name: 'samples' };
}
