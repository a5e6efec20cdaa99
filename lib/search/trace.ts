import { beamSearch, type BeamOptions } from './beam.js';
import type { SearchObserver, TracedCandidate, TracedSearch } from './observer.js';
import type { Hypothesis, Stepper } from './stepper.js';

/**
 * {@link beamSearch} that also returns a trace of the search.
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
 * Runs a search and records its steps.
 * @param dropped number of dropped candidates to record per step.
 */
export async function traced(
  rows: number,
  dropped: number,
  search: (observe: SearchObserver) => Promise<Hypothesis[][]>,
): Promise<TracedSearch[]> {
  const traces: (readonly TracedCandidate[])[][] = Array.from({ length: rows }, () => []);
  const found = await search((photo, candidates) => {
    traces[photo].push(keptAndBestDropped(candidates, dropped));
  });
  return found.map((captions, photo) => ({ captions, trace: traces[photo] }));
}

/** All candidates kept and the best of those dropped, best first. */
function keptAndBestDropped(candidates: readonly TracedCandidate[], dropped: number): readonly TracedCandidate[] {
  let left = dropped;
  return [...candidates].sort((a, b) => b.score - a.score || a.id - b.id).filter(({ kept }) => kept || left-- > 0);
}
