import type { FastifyReply, FastifyRequest } from 'fastify';
import type { UploadLimits } from './body.js';
import type { Keys, ServiceConfig } from './config.js';
import { requireKey } from './keys.js';
import type { Metrics } from './metrics.js';
import type { CaptionPool } from './pool/pool.js';
import type { RateLimit } from './rate-limit.js';
import type { SearchFields } from './search-options.js';
import type { UploadBudget } from './uploads.js';

/** The parts of the service that its routes use. */
export interface Service {
  readonly config: ServiceConfig;
  readonly keys: Keys;
  readonly pool: CaptionPool;
  readonly budget: UploadBudget;
  readonly limits: UploadLimits;
  readonly metrics: Metrics;
  readonly rateLimit: RateLimit;
  /** Search options open to clients. */
  readonly searchFields: SearchFields;
  /** Whether the service is about to stop. */
  readonly stopping: () => boolean;
}

type Guard = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/** Counts a request, before its body is read, and then lets it pass only with one of the keys; without keys, all pass. */
export function guard({ rateLimit }: Service, keys: readonly string[]): { onRequest: Guard } {
  return {
    onRequest: async (request, reply) => {
      await rateLimit.charge(request, reply, 1);
      if (keys.length > 0) requireKey(request, keys);
    },
  };
}
