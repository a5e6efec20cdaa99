import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Captioner } from './captioner.js';
import { openDataset } from './data/datasets.js';
import { extractFeatures } from './data/extraction.js';
import { openFeatures, readSkipped, type FeatureStore } from './data/features.js';
import type { Manifest } from './data/manifest.js';
import { HistogramEncoder } from './data/histogram-encoder.js';
import { shapesDataset } from './data/shapes.js';
import { CaptionerError } from './errors.js';
import type { Encoder } from './model/encoder.js';
import { encoders, encoderSource } from './model/encoders.js';
import type { ProgressReporter } from './progress.js';

/** What the notebooks work on: `tiny` needs nothing but the project; `flickr8k` is the real thing. */
export type Preset = 'tiny' | 'flickr8k';

/** Data to learn from. */
export interface LessonData {
  readonly preset: Preset;
  readonly manifest: Manifest;
  readonly features: FeatureStore;
  /** Hyperparameters with which a training takes seconds (tiny) or minutes (flickr8k). */
  readonly decoder: { readonly hiddenSize: number; readonly embeddingSize: number };
  readonly training: {
    readonly epochs: number;
    readonly batchSize: number;
    readonly learningRate: number;
    readonly validatePhotos: number;
  };
  readonly vocabulary: { readonly minCount: number };
}

/** The project's folder, wherever the notebook lies. */
export const projectFolder = path.dirname(createRequire(import.meta.url).resolve('captioner/package.json'));

/** The captioner that the notebooks look into: its encoder is MobileNetV2, whose features of the sample photos come with the project. */
export const lessonCheckpoint = path.join(projectFolder, 'checkpoints', 'mobilenetv2-flickr8k');

/** The preset that `CAPTIONER_PRESET` names; else `flickr8k` where the data set and its encoder are there, else `tiny`. */
export async function lessonPreset(): Promise<Preset> {
  const given = process.env.CAPTIONER_PRESET;
  if (given === 'tiny' || given === 'flickr8k') return given;
  if (given) throw new CaptionerError('bad-option', `CAPTIONER_PRESET is '${given}': it is tiny or flickr8k.`);
  try {
    await openDataset('flickr8k');
    return 'flickr8k';
  } catch {
    return 'tiny';
  }
}

/**
 * Photos, captions and features for the notebooks. What is missing is made, in `data/shapes` (tiny) or `features/flickr8k`.
 * @throws CaptionerError `not-found`, `download`: the preset flickr8k without the data set or the encoder.
 */
export async function openLesson(
  preset?: Preset,
  { progress, signal }: { progress?: ProgressReporter; signal?: AbortSignal } = {},
): Promise<LessonData> {
  const chosen = preset ?? (await lessonPreset());
  if (chosen === 'flickr8k') {
    const manifest = await openDataset('flickr8k');
    const folder = path.join(projectFolder, 'features', 'flickr8k');
    if (!hasFeatures(folder, manifest)) {
      const encoder = await (await Captioner.load(lessonCheckpoint)).ready();
      await extractFeatures({ manifest, encoder, folder, ...(progress && { progress }), ...(signal && { signal }) });
    }
    return {
      preset: chosen,
      manifest,
      features: openFeatures(folder),
      decoder: { hiddenSize: 512, embeddingSize: 300 },
      training: { epochs: 3, batchSize: 128, learningRate: 0.002, validatePhotos: 200 },
      vocabulary: { minCount: 5 },
    };
  }
  const folder = path.join(projectFolder, 'data', 'shapes');
  const manifest = await shapesDataset(folder);
  const features = path.join(folder, 'features');
  // Several notebooks may be open at once: what is there is only read.
  if (!hasFeatures(features, manifest)) {
    await extractFeatures({
      manifest,
      encoder: new HistogramEncoder(),
      folder: features,
      ...(progress && { progress }),
    });
  }
  return {
    preset: chosen,
    manifest,
    features: openFeatures(features),
    decoder: { hiddenSize: 96, embeddingSize: 48 },
    training: { epochs: 8, batchSize: 64, learningRate: 0.01, validatePhotos: 0 },
    vocabulary: { minCount: 2 },
  };
}

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

/** The sample photos with five captions each, and the features that come with them. */
export async function openSamples(): Promise<{ manifest: Manifest; features: FeatureStore }> {
  const folder = path.join(projectFolder, 'data', 'samples');
  const manifest = await openDataset(path.join(folder, 'captions.csv'));
  return { manifest: { ...manifest, name: 'samples' }, features: openFeatures(path.join(folder, 'features')) };
}

/**
 * The encoder of a captioner where it can be had without a download: in the checkpoint's own folder, in `CAPTIONER_MIRROR`, or in the cache;
 * else undefined.
 */
export async function encoderAtHand(captioner: Captioner, folder = lessonCheckpoint): Promise<Encoder | undefined> {
  const { name } = captioner.checkpoint.config.encoder;
  const registered = encoders.find((encoder) => encoder.name === name);
  const here =
    existsSync(path.join(folder, 'encoder.onnx')) || (registered && encoderSource(registered).from !== 'download');
  return here ? captioner.ready() : undefined;
}
