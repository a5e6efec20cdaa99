/** What the service answers, as JSON. The page reads these types, too: so this file imports nothing. */

/** An error as it is answered, and as it goes from process to process. */
export interface PlainError {
  readonly code: string;
  readonly message: string;
}

/** A word and its probability given the photo and the words before it, in [0, 1]. */
export interface AnsweredWord {
  readonly word: string;
  readonly p: number;
}

/** A caption, with the probability of the whole and of its words. */
export interface AnsweredCaption {
  readonly caption: string;
  readonly p: number;
  /** ln p */
  readonly logProbability: number;
  /** The calibrated probability that the caption is good; absent or null for a captioner that is not calibrated. */
  readonly confidence?: number | null;
  readonly tokens: readonly AnsweredWord[];
}

/** What became of one photo. */
export type AnsweredPhoto =
  | { readonly name?: string; readonly captions: readonly AnsweredCaption[]; readonly error?: undefined }
  | { readonly name?: string; readonly captions?: undefined; readonly error: PlainError };

/** What became of a photo of several, as a line or an event. */
export type AnsweredLine = AnsweredPhoto & { readonly index: number };

/** A beginning of a caption that the search looked at. */
export interface AnsweredCandidate extends AnsweredWord {
  /** Unique within the search. */
  readonly id: number;
  /** The id of the beginning that it continues; 0 is the empty one. */
  readonly parent: number;
  /** What it was ranked by. */
  readonly score: number;
  /** Whether it went on. */
  readonly kept: boolean;
  /** Whether the caption ends here. */
  readonly finished: boolean;
}

/** The captions of a photo, and how the first of them came about. */
export interface AnsweredExplanation {
  readonly captions: readonly AnsweredCaption[];
  /** The words of the first caption and, last, its `<end>`. */
  readonly words: readonly (AnsweredWord & { readonly alternatives: readonly AnsweredWord[] })[];
  /** Step by step. */
  readonly search: readonly (readonly AnsweredCandidate[])[];
  /** For each of `words` a map of rows and columns: by how much its ln p drops when that part of the photo is hidden. */
  readonly occlusion: { readonly grid: number; readonly drops: readonly (readonly (readonly number[])[])[] };
}

/** What a client may know of the captioner. */
export interface AnsweredModel {
  /** Of its weights and words: the same for the same captioner. */
  readonly fingerprint: string;
  readonly encoder: string;
  readonly dataset: string;
  readonly words: number;
}

/** Whether the service captions, why not, and how much it takes at a time. */
export interface Readiness {
  readonly status: 'ready' | 'not-ready';
  readonly error?: PlainError;
  readonly model?: AnsweredModel;
  /** Processes that caption. */
  readonly workers: number;
  readonly limits: {
    readonly maxFiles: number;
    readonly maxFileMegabytes: number;
    readonly maxRequestMegabytes: number;
    readonly maxBeam: number;
  };
  readonly needsKey: boolean;
}
