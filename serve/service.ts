import type { RouteShorthandOptions } from 'fastify';
import type { UploadLimits } from './body.js';
import type { Keys, ServiceConfig } from './config.js';
import type { Metrics } from './metrics.js';
import type { CaptionPool } from './pool/pool.js';
import type { UploadBudget } from './uploads.js';

/** What routes need of the service they belong to. */
export interface Service {
  readonly config: ServiceConfig;
  readonly keys: Keys;
  readonly pool: CaptionPool;
  readonly budget: UploadBudget;
  readonly limits: UploadLimits;
  readonly metrics: Metrics;
  /** For routes that do work: they want a key where there are keys, and count a client's requests. */
  readonly guarded: Pick<RouteShorthandOptions, 'config' | 'onRequest'>;
}
