import { readFileSync } from 'node:fs';
import type { VocabularyConfig } from '../../config.js';
import type { FeatureStatistics } from '../../data/features/statistics.js';
import { differingPreparation } from '../../data/features/encoder-identity.js';
import { type FeatureStore } from '../../data/features/store.js';
import { CaptionerError } from '../../errors.js';
import type { Weights } from '../../files/safetensors.js';
import {
  allDatasets,
  checkEncoder,
  findCheckpoint,
  loadCheckpoint,
  ownEncoder,
  type Checkpoint,
  type CheckpointConfig,
} from '../../model/checkpoint/checkpoint.js';
import { isSameNetwork } from '../../model/encoder/registry.js';
import { Vocabulary } from '../../text/vocabulary.js';

/** The options of a run that its starting checkpoint has to fit. */
export interface WarmStartOptions {
  readonly features: FeatureStore;
  readonly vocabulary?: Partial<VocabularyConfig> | Vocabulary;
  readonly warn?: (line: string) => void;
}

/** The trained captioner that a new run starts from. */
export class WarmStart {
  private constructor(
    private readonly folder: string,
    readonly checkpoint: Checkpoint,
    /** Whether the run's features come from the encoder of the captioner. */
    private readonly sameEncoder: boolean,
  ) {}

  /**
   * Opens the starting checkpoint of a run.
   * @throws CaptionerError `bad-option`: a vocabulary is given as well. `mismatch`: features of another length.
   */
  static open(from: string, { features, vocabulary, warn }: WarmStartOptions): WarmStart {
    if (vocabulary instanceof Vocabulary || Object.keys(vocabulary ?? {}).length > 0) {
      throw new CaptionerError(
        'bad-option',
        'A captioner that starts from another checkpoint keeps its vocabulary. Leave the vocabulary out.',
      );
    }
    const folder = findCheckpoint(from);
    const checkpoint = loadCheckpoint(folder);
    const { encoder: ours } = checkpoint.config;
    const { encoder: theirs } = features;
    const sameEncoder = isSameNetwork(ours, theirs) && !differingPreparation(ours, theirs);
    if (!sameEncoder) {
      if (ours.dimension !== theirs.dimension) checkEncoder(checkpoint.config, theirs, 'The features');
      warn?.(
        `The captioner in ${folder} was trained on features of ${ours.name}, not of ${theirs.name}: it first has to adapt to them.`,
      );
    }
    return new WarmStart(folder, checkpoint, sameEncoder);
  }

  /** The record of the starting checkpoint in the checkpoints of the run. */
  origin(): NonNullable<CheckpointConfig['from']> {
    const { encoder, trained } = this.checkpoint.config;
    return { encoder, trained, datasets: allDatasets(this.checkpoint.config) };
  }

  /**
   * The captioner's arrays. Statistics of the features replace its own if the features come from another
   * encoder.
   */
  weights({ mean, std }: FeatureStatistics): Weights {
    const { weights } = this.checkpoint;
    const changed = new Map(weights);
    if (this.sameEncoder) return changed;
    for (const [name, data] of Object.entries({ 'features/mean': mean, 'features/std': std })) {
      if (weights.has(name)) changed.set(name, { shape: [data.length], data });
    }
    return changed;
  }

  /** The ONNX file of the captioner's included encoder, if the run uses it. */
  encoder(): Uint8Array | undefined {
    return this.sameEncoder ? readOwnEncoder(this.folder) : undefined;
  }
}

/** The ONNX file of a checkpoint's included encoder, if any. */
export function readOwnEncoder(folder: string): Uint8Array | undefined {
  const file = ownEncoder(folder);
  return file === undefined ? undefined : readFileSync(file);
}
