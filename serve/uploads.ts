import { ServiceError } from './errors.js';

/** Bytes that photos of all requests may take in memory at a time. */
export class UploadBudget {
  private taken = 0;

  constructor(private readonly limit: number) {}

  get bytes(): number {
    return this.taken;
  }

  /** A share of the budget for one request. Call `release` when the request is answered. */
  lease(): UploadLease {
    let held = 0;
    return {
      take: (bytes) => {
        if (this.taken + bytes > this.limit) {
          throw new ServiceError(503, 'busy', 'Too many photos are being sent at the moment. Try again soon.', {
            retryAfter: 2,
          });
        }
        this.taken += bytes;
        held += bytes;
      },
      release: () => {
        this.taken -= held;
        held = 0;
      },
    };
  }
}

export interface UploadLease {
  /** @throws ServiceError 503 if there is no room for that many more bytes. */
  take(bytes: number): void;
  release(): void;
}

/**
 * Reads all of a stream.
 * @throws ServiceError 413 from `tooLarge` when it has more than `limit` bytes; 503 if there is no room for
 *   it.
 */
export async function readAll(
  stream: AsyncIterable<Buffer>,
  lease: UploadLease,
  limit: number,
  tooLarge: () => ServiceError,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > limit) throw tooLarge();
    lease.take(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** "16 MB" */
export function megabytes(bytes: number): string {
  return `${Number((bytes / 2 ** 20).toFixed(2))} MB`;
}
