import { z } from 'zod';
import { InferenceConfig } from '../lib/index.js';

/** How the service runs: flags, config files and help texts are made from it. Secrets are not in it: see {@link Keys}. */
export const ServiceConfig = z.strictObject({
  host: z.string().min(1).default('127.0.0.1').describe('Address to listen at; 0.0.0.0 is every network there is.'),
  port: z.int().min(0).max(65535).default(8080).describe('Port to listen at; 0 takes a free one.'),
  workers: z.int().min(0).max(64).default(0).describe('Processes that caption; 0 is one for each core.'),
  threads: z.int().min(1).max(64).default(1).describe('Threads that each worker computes with.'),
  precision: InferenceConfig.shape.precision.default('int8'),
  batch: z.int().min(1).max(256).default(8).describe('Photos that a worker takes at a time, at most.'),
  batchDelay: z.number().min(0).max(1000).default(2).describe('Milliseconds that a photo waits for others to join it.'),
  queue: z.int().min(1).default(256).describe('Photos that may wait; more are refused with 503.'),
  timeout: z.number().positive().max(3600).default(30).describe('Seconds that a photo may take, waiting included.'),
  uploadTimeout: z
    .number()
    .positive()
    .max(3600)
    .default(60)
    .describe('Seconds that a client may take to send a request.'),
  shutdownTimeout: z
    .number()
    .min(0)
    .max(3600)
    .default(30)
    .describe('Seconds to finish what was accepted when asked to stop.'),
  maxFiles: z.int().min(1).max(1000).default(32).describe('Photos in one request.'),
  maxFileMegabytes: z.number().positive().max(256).default(16).describe('Size of one photo.'),
  maxRequestMegabytes: z.number().positive().max(4096).default(64).describe('Size of one request.'),
  maxUploadMegabytes: z
    .number()
    .positive()
    .default(256)
    .describe('Photos held in memory at a time, of all requests; more are refused with 503.'),
  maxMegapixels: z.number().positive().max(1000).default(64).describe('Pixels of one photo, in millions.'),
  maxBeam: z.int().min(1).max(1000).default(10).describe('Widest beam, and most captions, that a client may ask for.'),
  rateLimit: z.int().min(0).default(120).describe('Requests a minute that one client may make; 0 is no limit.'),
  trustProxy: z
    .boolean()
    .default(false)
    .describe("Take a client's address from X-Forwarded-For. Only behind a proxy that sets it."),
  page: z.boolean().default(true).describe('Serve the page, its sample photos and the documentation.'),
  logLevel: z
    .enum(['silent', 'error', 'warn', 'info', 'debug'])
    .default('info')
    .describe('What is logged, as lines of JSON on standard output.'),
});
export type ServiceConfig = z.output<typeof ServiceConfig>;

/** Keys of clients, from the environment alone: what stands on a command line, everyone on the machine can read. */
export interface Keys {
  /** Who shows one of these may caption. Empty: everyone may. */
  readonly clients: readonly string[];
  /** Who shows this may reload the checkpoint. Undefined: nobody may over HTTP. */
  readonly admin?: string;
}

/** `CAPTIONER_API_KEYS` (separated by commas) and `CAPTIONER_ADMIN_KEY`. */
export function keysFromEnvironment(environment: NodeJS.ProcessEnv = process.env): Keys {
  const clients = (environment.CAPTIONER_API_KEYS ?? '')
    .split(',')
    .map((key) => key.trim())
    .filter(Boolean);
  const admin = environment.CAPTIONER_ADMIN_KEY?.trim();
  return { clients, ...(admin && { admin }) };
}
