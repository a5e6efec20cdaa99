import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Caption } from '../../lib/index.js';
import type { AnsweredCaption, AnsweredLine, AnsweredPhoto } from '../answers.js';
import { readUpload, type UploadedPhoto } from '../body.js';
import { plainError, ServiceError } from '../errors.js';
import { readSearch } from '../search-options.js';
import type { Service } from '../service.js';
import { captionSchema } from './schemas.js';

/** Captions as `{captions: [{caption, p, …}]}`, the likeliest first. */
export function answered(captions: readonly Caption[]): AnsweredCaption[] {
  return captions.map(({ caption, probability: p, logProbability, words }) => ({
    caption,
    p,
    logProbability,
    tokens: words.map(({ word, probability }) => ({ word, p: probability })),
  }));
}

/** Whether the client has gone before it was answered. */
export function departure(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** `POST /caption`: photos in, captions out. */
export function captionRoute(app: FastifyInstance, service: Service): void {
  const { pool, budget, limits, config, metrics } = service;

  app.post('/caption', { schema: captionSchema(config), ...service.guarded }, async (request, reply) => {
    const lease = budget.lease();
    reply.raw.once('close', lease.release);
    const { photos, fields, list } = await readUpload(request, limits, lease);
    const search = readSearch({ ...(request.query as object), ...fields }, config.maxBeam);
    const found = pool.caption(
      photos.map(({ bytes }) => ({ bytes, search })),
      departure(reply),
    );
    for (const photo of found) {
      void photo.then((result) => {
        metrics.photo(result instanceof ServiceError ? result.code : 'captioned');
      });
    }
    const format = streamFormat(request);
    if (format) return stream(reply, format, photos, found);
    const results = await Promise.all(found);
    if (!list) {
      if (results[0] instanceof ServiceError) throw results[0];
      return { ...named(photos[0]), captions: answered(results[0]) };
    }
    const failures = results.flatMap((result) => (result instanceof ServiceError ? [result.status] : []));
    // A photo that fails is an error in its place; only when all fail, the request does, too.
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

/** How a client wants the photos one by one, as they are captioned. */
function streamFormat({ headers }: FastifyRequest): StreamFormat | undefined {
  const accepted = (headers.accept ?? '').toLowerCase();
  if (accepted.includes('text/event-stream')) return 'text/event-stream';
  return /ndjson|jsonl/.test(accepted) ? 'application/x-ndjson' : undefined;
}

/** A line, or an event `photo`, for each photo in order; at the end of events an event `end`. */
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
    .header('x-accel-buffering', 'no') // nginx would keep the lines until there are many
    .send(Readable.from(lines(), { objectMode: false }));
}
