import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Caption } from '../../lib/index.js';
import { answered } from '../answered.js';
import type { AnsweredLine, AnsweredPhoto } from '../answers.js';
import { readUpload, type UploadedPhoto } from '../body.js';
import { plainError, ServiceError } from '../errors.js';
import { priceOf } from '../price.js';
import { readSearch } from '../search-options.js';
import { guard, type Service } from '../service.js';
import { captionSchema } from './schemas.js';

/** Aborted when the client leaves before it is answered. */
export function departure(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** Starts captioning photos for a request: counts them, and watches whether the client leaves. */
export async function captionPhotos(
  { pool, metrics, rateLimit }: Service,
  request: FastifyRequest,
  reply: FastifyReply,
  photos: readonly UploadedPhoto[],
  search: ReturnType<typeof readSearch>,
): Promise<Promise<readonly Caption[] | ServiceError>[]> {
  // The request itself was counted as one.
  await rateLimit.charge(request, reply, photos.length * priceOf({ kind: 'caption', search }) - 1);
  const found = pool.caption(
    photos.map(({ bytes }) => ({ bytes, search })),
    departure(reply),
  );
  for (const photo of found) {
    void photo.then((result) => {
      metrics.photo(result instanceof ServiceError ? result.code : 'captioned');
    });
  }
  return found;
}

/** `POST /caption`: photos in, captions out. */
export function captionRoute(app: FastifyInstance, service: Service): void {
  const { budget, limits, config, keys, searchFields } = service;
  const schema = captionSchema(config, searchFields);

  app.post('/caption', { schema, ...guard(service, keys.clients) }, async (request, reply) => {
    const lease = budget.lease();
    reply.raw.once('close', lease.release);
    const { photos, fields, list } = await readUpload(request, limits, lease);
    const search = readSearch(searchFields, request.query as Record<string, unknown>, fields, config);
    const found = await captionPhotos(service, request, reply, photos, search);
    const format = streamFormat(request);
    if (format) return stream(reply, format, photos, found);
    const results = await Promise.all(found);
    if (!list) {
      if (results[0] instanceof ServiceError) throw results[0];
      return { ...named(photos[0]), captions: answered(results[0]) };
    }
    const failures = results.flatMap((result) => (result instanceof ServiceError ? [result.status] : []));
    // A photo that fails is an error in its place. The request fails only when all of its photos do.
    if (failures.length === results.length) void reply.code(Math.max(...failures));
    return { images: results.map((result, i) => answer(photos[i], result)) };
  });
}

function named({ name }: UploadedPhoto): { name?: string } {
  return name === undefined ? {} : { name };
}

function answer(photo: UploadedPhoto, result: readonly Caption[] | ServiceError): AnsweredPhoto {
  return result instanceof ServiceError
    ? { ...named(photo), error: plainError(result) }
    : { ...named(photo), captions: answered(result) };
}

type StreamFormat = 'application/x-ndjson' | 'text/event-stream';

/** The format in which a client wants each photo as soon as it is captioned, if it wants that. */
function streamFormat({ headers }: FastifyRequest): StreamFormat | undefined {
  const accepted = (headers.accept ?? '').toLowerCase();
  if (accepted.includes('text/event-stream')) return 'text/event-stream';
  return /ndjson|jsonl/.test(accepted) ? 'application/x-ndjson' : undefined;
}

/** Answers with a line, or an event `photo`, for each photo in order; an event `end` ends the events. */
function stream(
  reply: FastifyReply,
  format: StreamFormat,
  photos: readonly UploadedPhoto[],
  found: readonly Promise<readonly Caption[] | ServiceError>[],
): FastifyReply {
  const events = format === 'text/event-stream';
  async function* lines() {
    for (const [index, photo] of photos.entries()) {
      const line: AnsweredLine = { index, ...answer(photo, await found[index]) };
      const json = JSON.stringify(line);
      yield events ? `event: photo\nid: ${index}\ndata: ${json}\n\n` : `${json}\n`;
    }
    if (events) yield `event: end\ndata: ${JSON.stringify({ photos: photos.length })}\n\n`;
  }
  return reply
    .header('content-type', `${format}; charset=utf-8`)
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no') // nginx would hold the lines back
    .send(Readable.from(lines(), { objectMode: false }));
}
