import { z } from 'zod';
import { InferenceConfig } from '../lib/index.js';
import { trustedProxies } from './addresses.js';

function isProxyList(text: string): boolean {
  try {
    trustedProxies(text);
    return true;
  } catch {
    return false;
  }
}

/** Configuration of the service: flags, config files and help texts are made from it. Secrets are in {@link Keys}. */
export const ServiceConfig = z.strictObject({
  host: z.string().min(1).default('127.0.0.1').describe('Address to listen at; 0.0.0.0 is every network.'),
  port: z.int().min(0).max(65535).default(8080).describe('Port to listen at; 0 takes a free one.'),
  workers: z
    .int()
    .min(0)
    .max(64)
    .default(0)
    .describe('Processes that caption; 0 is one for each core, or fewer where memory is short.'),
  threads: z
    .int()
    .min(0)
    .max(64)
    .default(0)
    .describe('Threads of each worker; 0 is one, or one per worker for a photo while all other workers are idle.'),
  precision: InferenceConfig.shape.precision.default('int8'),
  batch: z.int().min(1).max(256).default(8).describe('Photos that a worker takes at a time, at most.'),
  queue: z
    .int()
    .min(1)
    .default(256)
    .describe('Photos that may wait; more are refused with 503. A slow search counts as several.'),
  explanations: z
    .int()
    .min(0)
    .default(8)
    .describe('Explanations that may wait, beside the photos; more are refused with 503.'),
  timeout: z.number().positive().max(3600).default(30).describe('Seconds that a photo may take, waiting included.'),
  uploadTimeout: z
    .number()
    .positive()
    .max(3600)
    .default(60)
    .describe('Seconds that a client may take to send a request.'),
  headerTimeout: z
    .number()
    .positive()
    .max(3600)
    .default(10)
    .describe('Seconds that a client may take to send the headers of a request.'),
  connectionsPerAddress: z
    .int()
    .min(0)
    .default(100)
    .describe('Connections of one client at a time, except from trusted proxies; 0 for no limit.'),
  drain: z
    .number()
    .min(0)
    .max(3600)
    .default(1)
    .describe(
      'Seconds in which /readyz fails, before the service stops listening: as long as a load balancer needs to notice.',
    ),
  shutdownTimeout: z
    .number()
    .min(0)
    .max(3600)
    .default(30)
    .describe('Seconds to finish accepted requests after a signal to stop.'),
  maxFiles: z.int().min(1).max(1000).default(32).describe('Photos in one request.'),
  maxFileMegabytes: z.number().positive().max(256).default(16).describe('Size of one photo.'),
  maxRequestMegabytes: z.number().positive().max(4096).default(64).describe('Size of one request.'),
  maxUploadMegabytes: z
    .number()
    .positive()
    .default(256)
    .describe('Photos of all requests in memory at a time; more are refused with 503.'),
  maxMegapixels: z.number().positive().max(1000).default(24).describe('Pixels of one photo, in millions.'),
  maxBufferedMegapixels: z
    .number()
    .positive()
    .max(1000)
    .default(12)
    .describe(
      'Pixels of one photo, in millions, where it is decoded as a whole: AVIF, HEIC, WebP, GIF, TIFF, BMP, interlaced PNG, progressive JPEG.',
    ),
  megapixelsInFlight: z
    .number()
    .positive()
    .max(1000)
    .default(24)
    .describe('Pixels, in millions, that each worker decodes at the same time; further photos wait.'),
  maxBeam: z.int().min(1).max(1000).default(10).describe('Widest beam, and most captions, that a client may ask for.'),
  maxLength: z.int().min(1).max(200).default(50).describe('Longest caption, in words, that a client may ask for.'),
  maxEvaluations: z
    .int()
    .min(1)
    .default(1000)
    .describe('Words that a search may evaluate for one photo: beam x maxLength x (required words + 1).'),
  rateLimit: z
    .int()
    .min(0)
    .default(600)
    .describe(
      'Captions per minute for each client; 0 for no limit. A slow search counts as several captions, an explanation as 50.',
    ),
  trustProxy: z.coerce
    .string()
    .refine(isProxyList, 'expected none, a number of proxies, or their addresses and networks')
    .default('none')
    .describe(
      'Proxies before the service: their number, or their addresses and networks with commas between. They name the client in X-Forwarded-For.',
    ),
  cors: z
    .array(z.string().regex(/^(\*|https?:\/\/[^/]+)$/, 'expected an origin such as https://example.org, or *'))
    .default(() => [])
    .describe('Origins of web pages that may call the service; * is every page.'),
  page: z.boolean().default(true).describe('Serve the page, its sample photos and the documentation.'),
  logLevel: z
    .enum(['silent', 'error', 'warn', 'info', 'debug'])
    .default('info')
    .describe('Level of the log, which is lines of JSON on standard output.'),
});
export type ServiceConfig = z.output<typeof ServiceConfig>;

/** Options of former versions that a config file may still have. */
export const retiredOptions = ['batchDelay'];

/** Keys of clients. They come from the environment alone, since everyone on the machine can read a command line. */
export interface Keys {
  /** Keys that allow captioning. Empty: no key is needed. */
  readonly clients: readonly string[];
  /** Key that allows reloading the checkpoint. Undefined: nobody may reload over HTTP. */
  readonly admin?: string;
}

/** Reads `CAPTIONER_API_KEYS` (separated by commas) and `CAPTIONER_ADMIN_KEY`. */
export function keysFromEnvironment(environment: NodeJS.ProcessEnv = process.env): Keys {
  const clients = (environment.CAPTIONER_API_KEYS ?? '')
    .split(',')
    .map((key) => key.trim())
    .filter(Boolean);
  const admin = environment.CAPTIONER_ADMIN_KEY?.trim();
  return { clients, ...(admin && { admin }) };
}
