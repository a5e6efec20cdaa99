import type { Caption, Explanation, InferenceConfig, SearchConfig } from '../../lib/index.js';
import type { AnsweredModel, PlainError } from '../answers.js';

/** What a worker needs to start. */
export interface WorkerSettings {
  /** Folder of the checkpoint; the one that comes with the package where it is left out. */
  readonly checkpoint?: string;
  /** ONNX file of its encoder, where it shall not be found by its name. */
  readonly encoder?: string;
  readonly threads: number;
  readonly precision?: InferenceConfig['precision'];
  readonly maxPixels: number;
}

/** Something to do with one photo. */
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

/** Seconds that a batch spent where. */
export interface Stages {
  readonly decode: number;
  readonly encode: number;
  readonly search: number;
}

/** A captioner that is loaded. */
export interface ModelInfo extends AnsweredModel {
  readonly checkpoint: string;
}

export interface ToWorker {
  readonly work: readonly Work[];
}

/** What a worker has to say. */
export type Report =
  | { readonly type: 'ready'; readonly model: ModelInfo }
  | { readonly type: 'failed'; readonly error: PlainError }
  | { readonly type: 'done'; readonly outcomes: readonly Outcome[]; readonly stages?: Stages };

export type FromWorker = Report & {
  /** Resident memory of the worker, in bytes. */
  readonly memory: number;
};
