import compress from '@fastify/compress';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import multipart from '@fastify/multipart';
import { randomUUID } from 'node:crypto';
import Fastify, { type FastifyInstance } from 'fastify';
import { serializerCompiler } from 'fastify-type-provider-zod';
import { parseConfig, type ConfigSchema, type PhotoLimits } from '../lib/index.js';
import { limitConnections, trustedProxies, type TrustedProxies } from './addresses.js';
import type { Keys, ServiceConfig } from './config.js';
import { handleClientError, handleErrors, requestIdOf, sendError, traceOf } from './failures.js';
import { Metrics } from './metrics.js';
import { protection } from './protection.js';
import { documentRoutes } from './openapi.js';
import { CaptionPool, type PoolObserver } from './pool/pool.js';
import { RateLimit } from './rate-limit.js';
import { captionRoute } from './routes/caption.js';
import { explainRoute } from './routes/explain.js';
import { healthRoutes } from './routes/health.js';
import { imageToTextRoute } from './routes/image-to-text.js';
import { pageRoutes } from './routes/page.js';
import { searchFields } from './search-options.js';
import type { Service } from './service.js';
import { UploadBudget } from './uploads.js';

const megabyte = 2 ** 20;

/** Connections of all clients together. */
const maxConnections = 1024;

export interface AppOptions {
  readonly config: ServiceConfig;
  readonly keys?: Keys;
  /** Folder of the checkpoint. Default: the default model. */
  readonly checkpoint?: string;
  /** ONNX file of its encoder. Default: found by its name. */
  readonly encoder?: string;
  /** Observes the workers, besides the metrics. */
  readonly observer?: Partial<PoolObserver>;
  /** Destination of the log. Default: standard output. */
  readonly logTo?: { write(line: string): void };
}

/** A service that does not listen yet. Closing it finishes accepted requests. */
export interface App {
  readonly server: FastifyInstance;
  readonly pool: CaptionPool;
  /**
   * Announces the stop of the service to load balancers and clients: /readyz fails, and each answer closes
   * its connection.
   */
  drain(): void;
}

/** Puts the service together: pool, limits, routes, headers, documentation. */
export async function buildApp({ config, keys = { clients: [] }, ...options }: AppOptions): Promise<App> {
  const trusted = trustedProxies(config.trustProxy);
  const app = createServer(config, trusted, options.logTo);
  const metrics = new Metrics(true);
  const budget = new UploadBudget(config.maxUploadMegabytes * megabyte);
  const pool = new CaptionPool({
    ...options,
    ...config,
    limits: photoLimits(config),
    uploadBytes: config.maxUploadMegabytes * megabyte,
    observer: observe(app, metrics, options.observer),
  });
  metrics.watch(pool, budget);
  app.addHook('onClose', () => pool.close());
  const draining = endConnections(app);

  const service: Service = {
    config,
    keys,
    pool,
    budget,
    metrics,
    rateLimit: new RateLimit(config.rateLimit, keys.clients),
    searchFields: searchFields(config),
    limits: {
      files: config.maxFiles,
      fileBytes: Math.floor(config.maxFileMegabytes * megabyte),
      requestBytes: Math.floor(config.maxRequestMegabytes * megabyte),
    },
    stopping: draining.begun,
  };
  handleErrors(app);
  await addHeaders(app, config, metrics);
  await readBodies(app, service);
  await documentRoutes(app, config);
  captionRoute(app, service);
  explainRoute(app, service);
  imageToTextRoute(app, service);
  healthRoutes(app, service);
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  if (config.page) await pageRoutes(app);
  await app.ready();
  return { server: app, pool, drain: draining.begin };
}

function createServer(config: ServiceConfig, trusted: TrustedProxies, logTo: AppOptions['logTo']): FastifyInstance {
  const app = Fastify({
    logger: config.logLevel !== 'silent' && { level: config.logLevel, ...(logTo && { stream: logTo }) },
    genReqId: ({ headers }) => requestIdOf(headers['x-request-id'], randomUUID),
    childLoggerFactory: (logger, bindings, childOptions, raw) => {
      const traceId = traceOf(raw);
      return logger.child({ ...bindings, ...(traceId && { traceId }) }, childOptions);
    },
    trustProxy: trusted,
    // The routes read bodies, since they know what may be in them.
    bodyLimit: Math.floor(config.maxRequestMegabytes * megabyte),
    requestTimeout: config.uploadTimeout * 1000,
    http: {
      headersTimeout: config.headerTimeout * 1000,
      connectionsCheckingInterval: Math.min(2000, config.headerTimeout * 500, config.uploadTimeout * 500),
    },
    forceCloseConnections: 'idle',
    return503OnClosing: false, // accepted connections are still answered
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: (error, request, reply) => void sendError(error, request, reply),
    clientErrorHandler: handleClientError,
  });
  app.server.maxConnections = maxConnections;
  limitConnections(app.server, config.connectionsPerAddress, trusted);
  app.setValidatorCompiler(({ schema }) => (values) => {
    try {
      return { value: parseConfig(schema as ConfigSchema, values) };
    } catch (error) {
      return { error: error as Error };
    }
  });
  app.setSerializerCompiler(serializerCompiler);
  return app;
}

function photoLimits({ maxMegapixels, maxBufferedMegapixels, megapixelsInFlight }: ServiceConfig): PhotoLimits {
  const pixels = (millions: number) => Math.round(millions * 1e6);
  return {
    maxPixels: pixels(maxMegapixels),
    maxBufferedPixels: pixels(Math.min(maxMegapixels, maxBufferedMegapixels)),
    maxPixelsInFlight: pixels(megapixelsInFlight),
  };
}

function observe(app: FastifyInstance, metrics: Metrics, also: Partial<PoolObserver> = {}): PoolObserver {
  return {
    batchStarted: (photos, worker) => {
      metrics.batchStarted(photos);
      also.batchStarted?.(photos, worker);
    },
    batchDone: (seconds, stages) => {
      metrics.batchDone(seconds, stages);
      also.batchDone?.(seconds, stages);
    },
    trouble: (error) => {
      metrics.trouble();
      app.log.error({ err: error }, 'trouble in the pool');
      also.trouble?.(error);
    },
  };
}

/** Ends each connection with its next answer once the service is about to stop, so that none is reset in the middle of a request. */
function endConnections(app: FastifyInstance): { begin: () => void; begun: () => boolean } {
  let draining = false;
  app.addHook('preClose', (done) => {
    draining = true;
    done();
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (draining) void reply.header('connection', 'close');
    done(null, payload);
  });
  app.addHook('onResponse', (_request, _reply, done) => {
    if (draining) setImmediate(() => app.server.closeIdleConnections());
    done();
  });
  return { begin: () => (draining = true), begun: () => draining };
}

/** Headers of each answer, its compression, and its place in the metrics. */
async function addHeaders(app: FastifyInstance, config: ServiceConfig, metrics: Metrics): Promise<void> {
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    if (traceOf(request.raw)) void reply.header('traceparent', request.headers.traceparent);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    metrics.request(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
  await app.register(helmet, protection);
  app.addHook('onRequest', (_request, reply, done) => {
    void reply.header('permissions-policy', 'camera=(self), microphone=(), geolocation=()');
    done();
  });
  if (config.cors.length > 0) {
    await app.register(cors, {
      origin: config.cors.includes('*') ? '*' : [...config.cors],
      methods: ['GET', 'POST'],
      exposedHeaders: [
        'x-request-id',
        'retry-after',
        'x-ratelimit-limit',
        'x-ratelimit-remaining',
        'x-ratelimit-reset',
      ],
      maxAge: 600,
    });
  }
  await app.register(compress, { globalDecompression: false, encodings: ['gzip', 'deflate'], threshold: 2048 });
}

/** Parses forms; all other bodies are left to the routes, unread. */
async function readBodies(app: FastifyInstance, { limits }: Service): Promise<void> {
  app.removeAllContentTypeParsers();
  await app.register(multipart, {
    limits: {
      files: limits.files,
      fileSize: limits.fileBytes,
      fields: 32,
      fieldSize: 1024,
      fieldNameSize: 100,
      parts: limits.files + 32,
      headerPairs: 32,
    },
  });
  app.addContentTypeParser('*', (_request, _payload, done) => {
    done(null, undefined);
  });
}
