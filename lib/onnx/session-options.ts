import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';

/**
 * Session options (`extra.session`) that let threads spin between two operators, but only briefly.
 * Without spinning two threads are hardly faster than one; with ONNX Runtime's default of a
 * millisecond they take the cores from other work.
 */
export const shortWaits = { intra_op: { allow_spinning: '1', spin_duration_us: '50' } };

/**
 * Session options for a number of threads. By default ONNX Runtime chooses one per physical core,
 * unless this process may use fewer (taskset, a container's cpuset): more threads than cores would
 * halve the speed.
 */
export function sessionThreads(threads?: number): { intraOpNumThreads?: number } {
  const allowed = availableParallelism();
  const cores = cpus().length;
  // ONNX Runtime pins threads to cores if it chooses their number itself, which is faster next to other work.
  const chosen = threads === cores ? undefined : (threads ?? (allowed < cores ? allowed : undefined));
  return chosen === undefined ? {} : { intraOpNumThreads: chosen };
}

/**
 * Session options (`extra.session`) for a quantised graph. Intel and AMD processors without VNNI
 * sum 8-bit products in 16 bits, which can overflow. On these, and where the processor is unknown,
 * ONNX Runtime is asked for a slower method that can't overflow.
 */
export const exactSums = () => (process.arch === 'x64' && !hasVnni() ? { x64quantprecision: '1' } : {});

function hasVnni(): boolean {
  try {
    return /\bavx(512)?_vnni\b/.test(readFileSync('/proc/cpuinfo', 'latin1'));
  } catch {
    return false;
  }
}
