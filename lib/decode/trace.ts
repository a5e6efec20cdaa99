import { beamSearch, type BeamOptions } from './beam.js';
import type { Hypothesis, Stepper } from './stepper.js';

/** A beginning of a caption that a search looked at: its parent, continued by one word. */
export interface TracedCandidate {
  /** Unique within the search of one photo; 0 is the empty beginning, from which all come. */
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

/**
 * {@link beamSearch} that says how it came to its captions.
 * @returns for each photo its captions, the same as without the trace, and the trace.
 * @throws CaptionerError as `beamSearch` does.
 */
export async function tracedBeamSearch<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  rows: number,
  config: BeamOptions,
): Promise<TracedSearch[]> {
  return traced(rows, 2 * config.beam, (observe) => beamSearch(stepper, features, rows, config, observe));
}

/**
 * Runs a search and keeps its steps.
 * @param dropped candidates of a step to keep of those that the search dropped.
 */
export async function traced(
  rows: number,
  dropped: number,
  search: (observe: SearchObserver) => Promise<Hypothesis[][]>,
): Promise<TracedSearch[]> {
  const traces: (readonly TracedCandidate[])[][] = Array.from({ length: rows }, () => []);
  const found = await search((photo, candidates) => {
    traces[photo].push(withoutTheWorst(candidates, dropped));
  });
  return found.map((captions, photo) => ({ captions, trace: traces[photo] }));
}

/** All that were kept and the best of the dropped ones, the best first. */
function withoutTheWorst(candidates: readonly TracedCandidate[], dropped: number): readonly TracedCandidate[] {
  let left = dropped;
  return [...candidates].sort((a, b) => b.score - a.score || a.id - b.id).filter(({ kept }) => kept || left-- > 0);
}
