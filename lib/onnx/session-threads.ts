import { availableParallelism, cpus } from 'node:os';

/**
 * Session options (`extra.session`) by which threads that wait for each other between two operators do so in a loop, but only for a moment:
 * without it two threads are hardly faster than one, with ONNX Runtime's default of a millisecond they take the cores from all others.
 */
export const shortWaits = { intra_op: { allow_spinning: '1', spin_duration_us: '50' } };

/**
 * Session options for so many threads. Where no number is given, it is ONNX Runtime's choice, one a physical core of the machine, unless this
 * process may use fewer of them (taskset, a container's cpuset): then threads that wait for each other in turns would halve the speed.
 */
export function sessionThreads(threads?: number): { intraOpNumThreads?: number } {
  const allowed = availableParallelism();
  const chosen = threads ?? (allowed < cpus().length ? allowed : undefined);
  return chosen === undefined ? {} : { intraOpNumThreads: chosen };
}
