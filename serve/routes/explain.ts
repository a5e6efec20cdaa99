import type { FastifyInstance } from 'fastify';
import { answeredExplanation } from '../answered.js';
import { readUpload } from '../body.js';
import { ServiceError } from '../errors.js';
import { priceOf } from '../price.js';
import { readSearch } from '../search-options.js';
import { guard, type Service } from '../service.js';
import { departure } from './caption.js';
import { explainSchema } from './schemas.js';

/** `POST /explain`: the captions of a photo, and how the captioner came to them. */
export function explainRoute(app: FastifyInstance, service: Service): void {
  const { pool, budget, limits, config, keys, rateLimit, searchFields } = service;
  const schema = explainSchema(config, searchFields);

  app.post('/explain', { schema, ...guard(service, keys.clients) }, async (request, reply) => {
    const lease = budget.lease();
    reply.raw.once('close', lease.release);
    const { photos, fields } = await readUpload(request, limits, lease);
    if (photos.length > 1) throw new ServiceError(400, 'too-many-photos', 'Only one photo can be explained at a time.');
    const search = readSearch(searchFields, request.query as Record<string, unknown>, fields, config);
    await rateLimit.charge(request, reply, priceOf({ kind: 'explain', search }) - 1);
    return answeredExplanation(await pool.explain({ bytes: photos[0].bytes, search }, departure(reply)));
  });
}
