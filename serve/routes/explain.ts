import type { FastifyInstance } from 'fastify';
import type { Explanation } from '../../lib/index.js';
import type { AnsweredExplanation } from '../answers.js';
import { readUpload } from '../body.js';
import { ServiceError } from '../errors.js';
import { readSearch } from '../search-options.js';
import type { Service } from '../service.js';
import { answered, departure } from './caption.js';
import { explainSchema } from './schemas.js';

/** `POST /explain`: a photo's captions, and how the captioner came to them. */
export function explainRoute(app: FastifyInstance, service: Service): void {
  const { pool, budget, limits, config } = service;

  app.post('/explain', { schema: explainSchema(config), ...service.guarded }, async (request, reply) => {
    const lease = budget.lease();
    reply.raw.once('close', lease.release);
    const { photos, fields } = await readUpload(request, limits, lease);
    if (photos.length > 1) throw new ServiceError(400, 'too-many-photos', 'One photo is explained at a time.');
    const search = readSearch({ ...(request.query as object), ...fields }, config.maxBeam);
    return describe(await pool.explain({ bytes: photos[0].bytes, search }, departure(reply)));
  });
}

function describe({ captions, words, search, occlusion }: Explanation): AnsweredExplanation {
  const brief = ({ word, probability }: { word: string; probability: number }) => ({ word, p: probability });
  return {
    captions: answered(captions),
    words: words.map((word) => ({ ...brief(word), alternatives: word.alternatives.map(brief) })),
    search: search.map((step) =>
      step.map(({ id, parent, score, kept, finished, ...word }) => ({
        id,
        parent,
        ...brief(word),
        score,
        kept,
        finished,
      })),
    ),
    occlusion,
  };
}
