import type { Hypothesis } from './stepper.js';

/** A prefix of a caption that a search looked at: its parent, continued by one word. */
export interface TracedCandidate {
  /** Unique within the search of one photo; 0 is the empty prefix, from which all come. */
  readonly id: number;
  readonly parent: number;
  /** The word that continues its parent; `<end>` where {@link finished}. */
  readonly token: number;
  /** ln p of that word given the words before. */
  readonly logProbability: number;
  /** `lengthNormalized` of the sum over all its words: what beam search ranks by. */
  readonly score: number;
  /** Whether it went on: it got a place in the beam, was drawn or, finished, was among the best captions of that moment. */
  readonly kept: boolean;
  readonly finished: boolean;
}

/**
 * The search for one photo's captions: for each step what it kept, and the best `2 * beam` of what it dropped, the
 * best first.
 */
export type SearchTrace = readonly (readonly TracedCandidate[])[];

/** What a traced search found for one photo. */
export interface TracedSearch {
  readonly captions: readonly Hypothesis[];
  readonly trace: SearchTrace;
}

/** Sees each step of the search of one photo: all candidates of that step, in no order. */
export type CandidateObserver = (candidates: readonly TracedCandidate[]) => void;

/** Sees each step of the search of each photo. {@link traced} keeps them. */
export type SearchObserver = (photo: number, candidates: readonly TracedCandidate[]) => void;
