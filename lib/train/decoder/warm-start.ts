import { viewsOf, type FeatureStore } from '../../data/features/store.js';
import type { VocabularyConfig } from '../../config.js';
import { CaptionerError } from '../../errors.js';
import {
  allDatasets,
  checkEncoder,
  findCheckpoint,
  loadCheckpoint,
  type Checkpoint,
  type CheckpointConfig,
} from '../../model/checkpoint/checkpoint.js';
import { isSameNetwork } from '../../model/encoder/registry.js';
import type { Weights } from '../../files/safetensors.js';
import { Vocabulary } from '../../text/vocabulary.js';
import type { PastRun } from '../loop/run-folder.js';

/** The captioner that a run begins with. */
export interface WarmStart {
  /** Where it is. */
  readonly folder: string;
  readonly checkpoint: Checkpoint;
  /** Whether its encoder made the features that the run goes on with. */
  readonly sameEncoder: boolean;
}

/** The options of a run that its starting checkpoint has to fit. */
export interface WarmStartOptions {
  readonly features: FeatureStore;
  readonly vocabulary?: Partial<VocabularyConfig> | Vocabulary;
  readonly warn?: (line: string) => void;
}

/**
 * Opens the captioner that a run begins with.
 * @throws CaptionerError `bad-option`: a vocabulary is given, too. `mismatch`: features of another length than its own.
 */
export function openWarmStart(from: string, { features, vocabulary, warn }: WarmStartOptions): WarmStart {
  if (vocabulary instanceof Vocabulary || Object.keys(vocabulary ?? {}).length > 0) {
    throw new CaptionerError(
      'bad-option',
      'A captioner that begins with another one has its words: give no vocabulary.',
    );
  }
  const folder = findCheckpoint(from);
  const checkpoint = loadCheckpoint(folder);
  const { encoder: ours } = checkpoint.config;
  const { encoder: theirs } = features;
  const sameEncoder = isSameNetwork(ours, theirs) && viewsOf(ours) === viewsOf(theirs);
  if (!sameEncoder) {
    if (ours.dimension !== theirs.dimension) checkEncoder(checkpoint.config, theirs, 'The features');
    warn?.(
      `The captioner in ${folder} was trained on other features than these (of ${ours.name}, not ${theirs.name}): it has to learn to read them.`,
    );
  }
  return { folder, checkpoint, sameEncoder };
}

/** What a checkpoint says of the captioner that its run began with. */
export function warmStartOrigin(
  past: PastRun | undefined,
  before: Checkpoint | undefined,
): Pick<CheckpointConfig, 'from'> {
  if (past) return past.config.from ? { from: past.config.from } : {};
  if (!before) return {};
  const { encoder, trained } = before.config;
  return { from: { encoder, trained, datasets: allDatasets(before.config) } };
}

/** A trained captioner's arrays, with the statistics of other features where it shall read such. */
export function warmStartWeights(
  weights: Weights,
  { mean, std }: { mean?: Float32Array; std?: Float32Array },
): Weights {
  const changed = new Map(weights);
  for (const [name, data] of [
    ['features/mean', mean],
    ['features/std', std],
  ] as const) {
    if (data && weights.has(name)) changed.set(name, { shape: [data.length], data });
  }
  return changed;
}
