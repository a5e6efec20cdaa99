import type {
  Caption,
  CaptioningStage,
  Explanation,
  InferenceConfig,
  PhotoLimits,
  SearchConfig,
} from '../../lib/index.js';
import type { AnsweredModel, PlainError } from '../answers.js';

/** The data that a worker needs to start. */
export interface WorkerSettings {
  /** Folder of the checkpoint. Default: the default model. */
  readonly checkpoint?: string;
  /** ONNX file of its encoder. Default: found by its name. */
  readonly encoder?: string;
  readonly threads: number;
  /** Threads for a photo while all other workers are idle. Default: `threads`. */
  readonly loneThreads?: number;
  readonly precision?: InferenceConfig['precision'];
  readonly limits: PhotoLimits;
}

/** A task with one photo. */
export interface Work {
  readonly kind: 'caption' | 'explain';
  /** The photo's file. */
  readonly bytes: Uint8Array;
  readonly search: SearchConfig;
}

export type Outcome =
  | { readonly captions: readonly Caption[]; readonly error?: undefined }
  | { readonly explanation: Explanation; readonly error?: undefined }
  | { readonly error: PlainError };

/** Seconds of each stage of a batch. */
export type Stages = Readonly<Record<CaptioningStage, number>>;

/** A loaded captioner. */
export interface ModelInfo extends AnsweredModel {
  readonly checkpoint: string;
}

export interface ToWorker {
  /** Photos of the same kind and search. */
  readonly work: readonly Work[];
  /** Seconds after which nobody waits for an answer. */
  readonly seconds: number;
  /** Whether all other workers are idle, and nothing waits. */
  readonly alone: boolean;
}

/** A message of a worker. */
export type Report =
  | { readonly type: 'ready'; readonly model: ModelInfo }
  | { readonly type: 'failed'; readonly error: PlainError }
  | { readonly type: 'done'; readonly outcomes: readonly Outcome[]; readonly stages?: Stages };

export type FromWorker = Report & {
  /** Resident memory of the worker, in bytes. */
  readonly memory: number;
};
