/** The source of the page's captions: the service, or a captioner in the page itself. */

import type { AnsweredExplanation, AnsweredPhoto, Readiness } from '../answers.js';
import type { Call } from './code.js';
import type { Limits, SearchFields } from './options.js';

/** A photo to caption. */
export interface Photo {
  readonly name: string;
  readonly blob: Blob;
  /** Address of its picture, if the browser can show it. */
  readonly url?: string;
}

/** Captions photos. Every failure is an Error whose message is a sentence for people. */
export interface CaptionSource {
  /** Whether it captions, why not, and how much it takes at a time. */
  readiness(): Promise<Pick<Readiness, 'status' | 'error'> & { readonly limits?: Limits }>;
  /** Names of the photos to try it with, files of the folder `samples`. */
  sampleNames(): Promise<readonly string[]>;
  /** Captions photos and calls `onPhoto` for each as its captions arrive. */
  caption(
    photos: readonly Photo[],
    search: SearchFields,
    onPhoto: (index: number, result: AnsweredPhoto) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** The captions of a photo and how the first of them came about. */
  explain(photo: Photo, search: SearchFields, signal: AbortSignal): Promise<AnsweredExplanation>;
  /** The same request as code, by language. */
  readonly languages: Readonly<Record<string, (call: Call) => string>>;
  /** Whether requests need a key. */
  hasKey(): boolean;
  /** Captions what the camera shows, where that is fast enough to be done all the time. */
  captionVideo?(video: HTMLVideoElement): Promise<string>;
}
