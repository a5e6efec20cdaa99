import type { FastifyInstance } from 'fastify';
import type { AnsweredModel, Readiness } from '../answers.js';
import { ServiceError } from '../errors.js';
import type { ModelInfo } from '../pool/messages.js';
import { guard, type Service } from '../service.js';
import { healthSchema, metricsSchema, readySchema, reloadSchema } from './schemas.js';

/** Routes for operation: liveness, readiness, metrics, and the reload of the checkpoint. */
export function healthRoutes(app: FastifyInstance, service: Service): void {
  const { pool, metrics, keys } = service;
  const quiet = { logLevel: 'warn' as const };
  const scrapers = keys.clients.length > 0 ? [...keys.clients, ...(keys.admin ? [keys.admin] : [])] : [];

  app.get('/healthz', { schema: healthSchema, ...quiet }, () => ({ status: 'ok' }));

  app.get('/readyz', { schema: readySchema, ...quiet }, (_request, reply) => {
    const readiness = readinessOf(service);
    void reply.header('cache-control', 'no-store');
    if (readiness.status === 'not-ready') void reply.code(503).header('retry-after', '5');
    return readiness;
  });

  const metricsGuard = scrapers.length > 0 ? guard(service, scrapers) : {};
  app.get('/metrics', { schema: metricsSchema, ...quiet, ...metricsGuard }, async (_request, reply) => {
    void reply.header('content-type', metrics.registry.contentType);
    return metrics.registry.metrics();
  });

  const reloadGuard = guard(service, keys.admin === undefined ? [] : [keys.admin]);
  app.post('/-/reload', { schema: reloadSchema, ...reloadGuard }, async (request) => {
    if (keys.admin === undefined) {
      throw new ServiceError(
        403,
        'no-admin',
        'Reloading over HTTP is off. Set CAPTIONER_ADMIN_KEY, or send the process a SIGHUP.',
      );
    }
    const model = await pool.reload().catch((error: unknown) => {
      request.log.error({ err: (error as Error).cause ?? error }, 'checkpoint not reloaded');
      throw error;
    });
    request.log.info({ model }, 'checkpoint reloaded');
    return { status: 'reloaded', model: publicModel(model) };
  });
}

function readinessOf({ pool, config, keys, stopping }: Service): Readiness {
  const { ready, problem, model, workers } = pool.status;
  const { maxFiles, maxFileMegabytes, maxRequestMegabytes, maxBeam, maxLength } = config;
  const message = stopping() ? 'The service is stopping.' : problem;
  return {
    status: ready && !stopping() ? 'ready' : 'not-ready',
    ...(message !== undefined && { error: { code: stopping() ? 'stopping' : 'not-ready', message } }),
    ...(model && { model: publicModel(model) }),
    workers,
    limits: { maxFiles, maxFileMegabytes, maxRequestMegabytes, maxBeam, maxLength },
    needsKey: keys.clients.length > 0,
  };
}

/** The facts about a model without the path of its checkpoint. */
function publicModel({ fingerprint, encoder, dataset, words }: ModelInfo): AnsweredModel {
  return { fingerprint, encoder, dataset, words };
}
