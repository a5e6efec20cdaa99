import type { FastifyInstance } from 'fastify';
import type { AnsweredModel, Readiness } from '../answers.js';
import { requireKey } from '../keys.js';
import { ServiceError } from '../errors.js';
import type { ModelInfo } from '../pool/messages.js';
import type { Service } from '../service.js';
import { healthSchema, metricsSchema, readySchema, reloadSchema } from './schemas.js';

/** What machines ask: is it alive, is it ready, how does it do; and what its owner asks: load the checkpoint anew. */
export function healthRoutes(app: FastifyInstance, service: Service): void {
  const { pool, metrics, config, keys } = service;
  const quiet = { logLevel: 'warn' as const };

  app.get('/healthz', { schema: healthSchema, ...quiet }, () => ({ status: 'ok' }));

  app.get('/readyz', { schema: readySchema, ...quiet }, async (_request, reply) => {
    const { ready, problem, model, workers } = pool.status;
    void reply.header('cache-control', 'no-store');
    if (!ready) void reply.code(503).header('retry-after', '5');
    const { maxFiles, maxFileMegabytes, maxRequestMegabytes, maxBeam } = config;
    return Promise.resolve<Readiness>({
      status: ready ? 'ready' : 'not-ready',
      ...(problem !== undefined && { error: { code: 'not-ready', message: problem } }),
      ...(model && { model: answeredModel(model) }),
      workers,
      limits: { maxFiles, maxFileMegabytes, maxRequestMegabytes, maxBeam },
      needsKey: keys.clients.length > 0,
    });
  });

  app.get('/metrics', { schema: metricsSchema, ...quiet }, async (request, reply) => {
    if (keys.clients.length > 0) requireKey(request, [...keys.clients, ...(keys.admin ? [keys.admin] : [])]);
    void reply.header('content-type', metrics.registry.contentType);
    return metrics.registry.metrics();
  });

  app.post('/-/reload', { schema: reloadSchema, config: service.guarded.config }, async (request) => {
    if (keys.admin === undefined) {
      throw new ServiceError(
        403,
        'no-admin',
        'Nobody may reload over HTTP: set CAPTIONER_ADMIN_KEY, or send the process a SIGHUP.',
      );
    }
    requireKey(request, [keys.admin]);
    const model = await pool.reload();
    request.log.info({ model }, 'checkpoint reloaded');
    return { status: 'reloaded', model: answeredModel(model) };
  });
}

/** Where it lies is nobody's business. */
function answeredModel({ fingerprint, encoder, dataset, words }: ModelInfo): AnsweredModel {
  return { fingerprint, encoder, dataset, words };
}
