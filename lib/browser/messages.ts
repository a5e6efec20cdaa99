import type { SearchConfig } from '../config.js';
import type { ErrorCode } from '../errors.js';

/** Messages between a page and its worker. */

/** A photo on its way to the worker. */
export type SentPhoto = Blob | ImageBitmap | ImageData;

/** Options of the worker's captioner. */
export interface EngineOptions {
  /** Folder of the runtime's files, as an absolute URL that ends with a slash. */
  readonly runtime: string;
  readonly threads?: number | undefined;
  readonly device?: Device | 'auto' | undefined;
}

/** The device that computes the encoder: the processor, through WebAssembly, or the graphics card. */
export type Device = 'wasm' | 'webgpu';

/** A call of the worker. */
export type Call =
  | { readonly kind: 'load'; readonly model: string; readonly options: EngineOptions }
  | { readonly kind: 'caption'; readonly photo: SentPhoto; readonly search: Partial<SearchConfig> }
  | { readonly kind: 'explain'; readonly photo: SentPhoto; readonly search: Partial<SearchConfig> };

/** A message to the worker: a call, or the end of one whose result nobody awaits any more. */
export type Request = ({ readonly id: number } & Call) | { readonly id: number; readonly kind: 'cancel' };

/** Bytes of a download that have arrived, and all of them, as far as they are known. */
export interface DownloadProgress {
  readonly loaded: number;
  readonly total: number;
}

/** A message to the page. */
export type Reply =
  | { readonly id: number; readonly kind: 'progress'; readonly progress: DownloadProgress }
  | { readonly id: number; readonly kind: 'result'; readonly result: unknown }
  | { readonly id: number; readonly kind: 'error'; readonly code: ErrorCode; readonly message: string };
