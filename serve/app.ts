import helmet from '@fastify/helmet';
import multipart from '@fastify/multipart';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { randomUUID } from 'node:crypto';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { CaptionerError, libraryVersion } from '../lib/index.js';
import type { Keys, ServiceConfig } from './config.js';
import { plainError, ServiceError, statusOfCode } from './errors.js';
import { clientOf, requireKey } from './keys.js';
import { Metrics } from './metrics.js';
import { CaptionPool, type PoolObserver } from './pool/pool.js';
import { captionRoute } from './routes/caption.js';
import { explainRoute } from './routes/explain.js';
import { healthRoutes } from './routes/health.js';
import { pageRoutes } from './routes/page.js';
import type { Service } from './service.js';
import { UploadBudget } from './uploads.js';

const megabyte = 2 ** 20;

export interface AppOptions {
  readonly config: ServiceConfig;
  readonly keys?: Keys;
  /** Folder of the checkpoint; the one that comes with the package where it is left out. */
  readonly checkpoint?: string;
  /** ONNX file of its encoder, where it shall not be found by its name. */
  readonly encoder?: string;
  /** Sees what the workers do, besides the metrics. */
  readonly observer?: Partial<PoolObserver>;
  /** Where the log goes; standard output where it is left out. */
  readonly logTo?: { write(line: string): void };
}

/** A service that does not listen yet. Closing it finishes what was accepted. */
export interface App {
  readonly server: FastifyInstance;
  readonly pool: CaptionPool;
}

/** Puts the service together: pool, limits, routes, headers, documentation. */
export async function buildApp({ config, keys = { clients: [] }, ...options }: AppOptions): Promise<App> {
  const app = Fastify({
    logger: config.logLevel !== 'silent' && { level: config.logLevel, ...(options.logTo && { stream: options.logTo }) },
    genReqId: () => randomUUID(),
    trustProxy: config.trustProxy,
    // Bodies are read by the routes, which know what may be in them.
    bodyLimit: Math.floor(config.maxRequestMegabytes * megabyte),
    requestTimeout: config.uploadTimeout * 1000,
    http: { connectionsCheckingInterval: Math.min(5000, config.uploadTimeout * 500) },
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200 },
  });
  app.server.maxConnections = 1024;
  // Node would take the smaller of the two for the headers, whichever it is.
  app.server.headersTimeout = app.server.requestTimeout;
  // Schemas are for the documentation.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));

  const metrics = new Metrics(true);
  const budget = new UploadBudget(config.maxUploadMegabytes * megabyte);
  const pool = new CaptionPool({
    ...options,
    ...config,
    maxPixels: Math.round(config.maxMegapixels * 1e6),
    observer: {
      batchStarted: (photos, worker) => {
        metrics.batchStarted(photos);
        options.observer?.batchStarted?.(photos, worker);
      },
      batchDone: (seconds, stages) => {
        metrics.batchDone(seconds, stages);
        options.observer?.batchDone?.(seconds, stages);
      },
      trouble: (error) => {
        metrics.trouble();
        app.log.error({ err: error }, 'trouble in the pool');
        options.observer?.trouble?.(error);
      },
    },
  });
  metrics.watch(pool, budget);
  app.addHook('onClose', () => pool.close());
  endConnections(app);

  const service: Service = {
    config,
    keys,
    pool,
    budget,
    metrics,
    limits: {
      files: config.maxFiles,
      fileBytes: Math.floor(config.maxFileMegabytes * megabyte),
      requestBytes: Math.floor(config.maxRequestMegabytes * megabyte),
    },
    guarded: {
      config: { rateLimit: config.rateLimit > 0 && { max: config.rateLimit, timeWindow: '1 minute' } },
      onRequest: (request, _reply, done) => {
        if (keys.clients.length > 0) requireKey(request, keys.clients);
        done();
      },
    },
  };

  handleErrors(app);
  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
    return Promise.resolve();
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    metrics.request(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    return Promise.resolve();
  });
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: contentPolicy },
    frameguard: { action: 'deny' },
    hsts: false, // whoever puts TLS before it decides
  });
  app.addHook('onRequest', async (_request, reply) => {
    void reply.header('permissions-policy', 'camera=(self), microphone=(), geolocation=()');
    return Promise.resolve();
  });
  await app.register(rateLimit, {
    global: false,
    keyGenerator: (request) => clientOf(request, keys.clients),
    errorResponseBuilder: (_request, { max, ttl }) =>
      new ServiceError(
        429,
        'too-many-requests',
        `More than ${max} requests a minute: try again in ${Math.ceil(ttl / 1000)} seconds.`,
        Math.ceil(ttl / 1000),
      ),
  });
  await readBodies(app, service);
  await document(app, config);
  captionRoute(app, service);
  explainRoute(app, service);
  healthRoutes(app, service);
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  for (const url of ['/caption', '/explain']) {
    app.get(url, { schema: { hide: true } }, (_request, reply) => {
      void reply.header('allow', 'POST');
      throw new ServiceError(405, 'wrong-method', `POST a photo to ${url}; /docs says how.`);
    });
  }
  if (config.page) await pageRoutes(app);
  await app.ready();
  return { server: app, pool };
}

/** Who is answered while the service stops shall not keep the connection: it would keep the service. */
function endConnections(app: FastifyInstance): void {
  let stopping = false;
  app.addHook('preClose', (done) => {
    stopping = true;
    done();
  });
  app.addHook('onResponse', (_request, _reply, done) => {
    if (stopping) setImmediate(() => app.server.closeIdleConnections());
    done();
  });
}

/** What the page may load: its own files, and pictures that it has made itself. */
const contentPolicy = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'blob:', 'data:'],
  'media-src': ["'self'", 'blob:'],
  'connect-src': ["'self'"],
  'manifest-src': ["'self'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
};

/** Forms go through their parser; everything else is left to the routes, unread. */
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

async function document(app: FastifyInstance, { page }: ServiceConfig): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'captioner',
        description: 'Captions photos.',
        version: libraryVersion(),
        license: { name: 'MIT' },
      },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          key: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        },
      },
    },
  });
  if (!page) return;
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { layout: 'BaseLayout' },
    theme: { title: 'captioner' },
    logLevel: 'warn',
    staticCSP: "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
  });
}

function handleErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError | ServiceError | CaptionerError, request, reply) => {
    const failure = asServiceError(error);
    if (failure.status >= 500 && !(error instanceof ServiceError))
      request.log.error({ err: error }, 'unexpected error');
    return sendError(request, reply, failure);
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `There is no ${request.method} ${request.url.split('?')[0].slice(0, 100)}. What there is, /openapi.json says.`;
    return sendError(request, reply, new ServiceError(404, 'not-found', message));
  });
}

function asServiceError(error: FastifyError | ServiceError | CaptionerError): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof CaptionerError) return new ServiceError(statusOfCode(error.code), error.code, error.message);
  const { statusCode, code, message } = error;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new ServiceError(statusCode, code, `${message.replace(/\.$/, '')}.`);
  }
  return new ServiceError(500, 'internal', plainError(error).message);
}

function sendError(request: FastifyRequest, reply: FastifyReply, error: ServiceError): FastifyReply {
  // What is left of the body is read over, so that the client comes to hear the answer; then the connection ends.
  if (!request.raw.readableEnded && !request.raw.destroyed) {
    request.raw.resume();
    void reply.header('connection', 'close');
  }
  if (error.retryAfter !== undefined) void reply.header('retry-after', String(error.retryAfter));
  return reply.code(error.status).send({ error: { code: error.code, message: error.message } });
}
