import * as z from 'zod';
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
  host: z.string().min(1).default('127.0.0.1').describe('Address to listen on; 0.0.0.0 is every network.'),
  port: z.int().min(0).max(65535).default(8080).describe('Port to listen on; 0 chooses a free one.'),
  workers: z
    .int()
    .min(0)
    .max(64)
    .default(0)
    .describe('Worker processes; 0 is one per core, or fewer if memory is short.'),
  threads: z
    .int()
    .min(0)
    .max(64)
    .default(0)
    .describe('Threads of each worker; 0 is one, or one per worker for a photo while all other workers are idle.'),
  precision: InferenceConfig.shape.precision.default('int8'),
  batch: z.int().min(1).max(256).default(16).describe('Maximum photos that a worker takes at a time.'),
  queue: z
    .int()
    .min(1)
    .default(256)
    .describe('Maximum photos that wait; more are refused with 503. A slow search counts as several.'),
  explanations: z
    .int()
    .min(0)
    .default(8)
    .describe('Maximum explanations that wait, apart from photos; more are refused with 503.'),
  timeout: z
    .number()
    .positive()
    .max(3600)
    .default(30)
    .describe('Maximum seconds that a photo takes, including waiting.'),
  uploadTimeout: z
    .number()
    .positive()
    .max(3600)
    .default(60)
    .describe('Maximum seconds for a client to send a request.'),
  headerTimeout: z
    .number()
    .positive()
    .max(3600)
    .default(10)
    .describe('Maximum seconds for a client to send the headers of a request.'),
  connectionsPerAddress: z
    .int()
    .min(0)
    .default(100)
    .describe('Maximum connections of one client at a time, except from trusted proxies; 0 for no limit.'),
  drain: z
    .number()
    .min(0)
    .max(3600)
    .default(1)
    .describe(
      'Seconds during which /readyz fails before the service stops listening, so that a load balancer notices.',
    ),
  shutdownTimeout: z
    .number()
    .min(0)
    .max(3600)
    .default(30)
    .describe('Seconds to finish accepted requests after a signal to stop.'),
  maxFiles: z.int().min(1).max(1000).default(32).describe('Maximum photos per request.'),
  maxFileMegabytes: z.number().positive().max(256).default(16).describe('Maximum size of a photo.'),
  maxRequestMegabytes: z.number().positive().max(4096).default(64).describe('Maximum size of a request.'),
  maxUploadMegabytes: z
    .number()
    .positive()
    .default(256)
    .describe('Maximum size of all photos in memory at a time; more are refused with 503.'),
  maxMegapixels: z.number().positive().max(1000).default(24).describe('Maximum pixels of a photo, in millions.'),
  maxBufferedMegapixels: z
    .number()
    .positive()
    .max(1000)
    .default(12)
    .describe(
      'Maximum pixels, in millions, of a photo that is decoded as a whole: AVIF, HEIC, WebP, GIF, TIFF, BMP, interlaced PNG, progressive JPEG.',
    ),
  megapixelsInFlight: z
    .number()
    .positive()
    .max(1000)
    .default(24)
    .describe('Maximum pixels, in millions, that each worker decodes at a time; further photos wait.'),
  maxBeam: z
    .int()
    .min(1)
    .max(1000)
    .default(10)
    .describe('Maximum beam width, and maximum captions per photo, in a request.'),
  maxLength: z.int().min(1).max(200).default(50).describe('Maximum caption length, in words, in a request.'),
  maxEvaluations: z
    .int()
    .min(1)
    .default(1500)
    .describe(
      'Maximum words that a search evaluates for a photo: beam (and samples, for consensus) x maxLength x (required words + 1).',
    ),
  rateLimit: z
    .int()
    .min(0)
    .default(600)
    .describe(
      'Maximum captions per minute for each client; 0 for no limit. A slow search counts as several captions, an explanation as 50.',
    ),
  trustProxy: z.coerce
    .string()
    .refine(isProxyList, 'expected none, a number of proxies, or their addresses and networks')
    .default('none')
    .describe(
      'Trusted proxies in front of the service: their number, or their addresses and networks, separated by commas. They name the client in X-Forwarded-For.',
    ),
  cors: z
    .array(z.string().regex(/^(\*|https?:\/\/[^/]+)$/, 'expected an origin such as https://example.org, or *'))
    .default(() => [])
    .describe('Origins of web pages that may call the service; * is every page.'),
  page: z.boolean().default(true).describe('Serve the page, its sample photos and the documentation.'),
  logLevel: z
    .enum(['silent', 'error', 'warn', 'info', 'debug'])
    .default('info')
    .describe('Log level. The log is lines of JSON on standard output.'),
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
