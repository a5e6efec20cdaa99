import { availableParallelism, totalmem } from 'node:os';

/** Megabytes of a worker that has nothing to do: Node.js, the networks and their buffers. */
const idleMegabytes = 250;

/** Bytes of a pixel in the most expensive format, AVIF, while it is decoded. */
const bytesPerPixel = 20;

/** Megabytes of the process that listens, and of the second captioner that one worker has for photos that are alone. */
const serviceMegabytes = 300;

/** The settings that determine the memory of a service. */
export interface MemoryUse {
  /** Pixels that each worker decodes at the same time. */
  readonly maxPixelsInFlight: number;
  /** Bytes of photos that wait. */
  readonly uploadBytes: number;
}

/** Maximum memory of a worker, in bytes. */
export function workerBytes({ maxPixelsInFlight }: Pick<MemoryUse, 'maxPixelsInFlight'>): number {
  return idleMegabytes * 2 ** 20 + maxPixelsInFlight * bytesPerPixel;
}

/** One worker for each core, or as many as memory has room for, but at least one. */
export function workerCount(
  use: MemoryUse,
  { cores, memory }: { cores: number; memory: number } = { cores: availableParallelism(), memory: availableMemory() },
): number {
  const left = memory - serviceMegabytes * 2 ** 20 - use.uploadBytes;
  return Math.max(1, Math.min(cores, Math.floor(left / workerBytes(use))));
}

/** Bytes of memory that this process and its children may use: those of the machine, or the limit of the container (cgroup). */
function availableMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
