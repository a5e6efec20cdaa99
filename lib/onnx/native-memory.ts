import { createRequire } from 'node:module';

const largeBlock = -3; // M_MMAP_THRESHOLD
const heaps = -8; // M_ARENA_MAX

let trim: (() => void) | undefined;

/**
 * Tells glibc, Linux' usual memory allocator, to give large blocks back to the system when they are freed and to keep two heaps
 * instead of one for each thread. Left to itself it keeps hundreds of megabytes of freed memory over a training run.
 * Elsewhere it does nothing.
 */
export function keepMemorySmall(): void {
  if (trim || process.platform !== 'linux') return;
  trim = () => undefined;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const libc = koffi.load('libc.so.6');
    const mallopt = libc.func('int mallopt(int parameter, int value)') as (parameter: number, value: number) => number;
    mallopt(largeBlock, 1 << 20);
    mallopt(heaps, 2);
    const mallocTrim = libc.func('int malloc_trim(size_t kept)') as (kept: number) => number;
    trim = () => void mallocTrim(0);
  } catch {
    // Another C library, which has no such habit.
  }
}

/** Gives freed memory back to the system: after work that used much and is not done again, such as loading a graph. */
export function returnFreedMemory(): void {
  trim?.();
}
