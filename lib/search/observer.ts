import type { Hypothesis } from './stepper.js';

/** A prefix that a search considered: its parent, extended by one word. */
export interface TracedCandidate {
  /** Unique within the search for one photo. 0 is the empty prefix. */
  readonly id: number;
  readonly parent: number;
  /** The word that extends its parent; `<end>` if {@link finished}. */
  readonly token: number;
  /** Log-probability of that word given the words before it. */
  readonly logProbability: number;
  /**
   * Length-normalized log-probability of all its words, by which beam search ranks (see
   * `lengthNormalized`).
   */
  readonly score: number;
  /**
   * Whether the search continued with it: it got a place in the beam, was sampled or, if finished,
   * was among the best captions so far.
   */
  readonly kept: boolean;
  readonly finished: boolean;
}

/**
 * The search for the captions of one photo. Each step lists the candidates kept and the best
 * `2 * beam` of those dropped, best first.
 */
export type SearchTrace = readonly (readonly TracedCandidate[])[];

/** The captions and the trace of one photo. */
export interface TracedSearch {
  readonly captions: readonly Hypothesis[];
  readonly trace: SearchTrace;
}

/** Receives each step of the search for one photo: all candidates of the step, unordered. */
export type CandidateObserver = (candidates: readonly TracedCandidate[]) => void;

/** Receives each step of the search for each photo. {@link traced} records them. */
export type SearchObserver = (photo: number, candidates: readonly TracedCandidate[]) => void;
