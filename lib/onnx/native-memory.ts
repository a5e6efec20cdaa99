import { createRequire } from 'node:module';

const largeBlock = -3; // M_MMAP_THRESHOLD
const heaps = -8; // M_ARENA_MAX

let trim: (() => void) | undefined;

/**
 * Configures glibc's memory allocator to return large blocks to the system when they are freed, and
 * to use two heaps instead of one per thread. By default it keeps hundreds of megabytes of freed
 * memory during training. Has no effect on other systems.
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
    // another C library, without the problem
  }
}

/**
 * Returns freed memory to the system. Call it after a one-time memory peak, such as loading a
 * graph.
 */
export function returnFreedMemory(): void {
  trim?.();
}
