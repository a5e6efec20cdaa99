import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as z from 'zod';
import { decodeBase64, mediaType, readJsonBody, readUpload, type UploadedPhoto } from '../body.js';
import { ServiceError } from '../errors.js';
import { readSearch } from '../search-options.js';
import { guard, type Service } from '../service.js';
import type { UploadLease } from '../uploads.js';
import { captionPhotos } from './caption.js';
import { GenerationParameters, ImageToTextRequest, imageToTextSchema } from './schemas.js';

/** Options of a search by the names of Hugging Face's generation parameters. */
const optionOf = {
  max_new_tokens: 'maxLength',
  num_beams: 'beam',
  num_return_sequences: 'n',
  temperature: 'temperature',
  top_k: 'topK',
  top_p: 'topP',
} as const;

/** `POST /huggingface/image-to-text`: a photo in and its captions out, in the shape of Hugging Face's image-to-text task. */
export function imageToTextRoute(app: FastifyInstance, service: Service): void {
  const { budget, keys, config, searchFields } = service;
  const path = '/huggingface/image-to-text';
  app.post(path, { schema: imageToTextSchema, ...guard(service, keys.clients) }, async (request, reply) => {
    const lease = budget.lease();
    reply.raw.once('close', lease.release);
    const asJson = mediaType(request) === 'application/json';
    const { photo, fields } = asJson
      ? await readInputs(request, service, lease)
      : await readPhoto(request, service, lease);
    const search = readSearch(searchFields, {}, fields, config);
    const [found] = await captionPhotos(service, request, reply, [photo], search);
    const captions = await found;
    if (captions instanceof ServiceError) throw captions;
    const texts = captions.map(({ caption }) => ({ generated_text: caption }));
    return asJson ? texts : texts[0];
  });
}

interface Task {
  readonly photo: UploadedPhoto;
  readonly fields: Record<string, unknown>;
}

async function readPhoto(request: FastifyRequest, { limits }: Service, lease: UploadLease): Promise<Task> {
  const { photos } = await readUpload(request, limits, lease);
  if (photos.length > 1)
    throw new ServiceError(400, 'too-many-photos', 'Only one photo can be captioned at a time here.');
  return { photo: photos[0], fields: {} };
}

async function readInputs(request: FastifyRequest, { limits }: Service, lease: UploadLease): Promise<Task> {
  const parsed = ImageToTextRequest.safeParse(await readJsonBody(request, limits, lease));
  if (!parsed.success)
    throw new ServiceError(400, 'bad-json', `${z.prettifyError(parsed.error).replaceAll('\n', ' ')}.`);
  const { inputs, parameters: { generate_kwargs: more, ...parameters } = {} } = parsed.data;
  return { photo: { bytes: decodeBase64(inputs, limits) }, fields: searchOf({ ...more, ...parameters }) };
}

function searchOf({
  do_sample: sample,
  ...parameters
}: z.output<typeof GenerationParameters>): Record<string, unknown> {
  const fields = Object.entries(parameters).map(([name, value]) => [optionOf[name as keyof typeof optionOf], value]);
  return { ...(sample && { method: 'sample' }), ...Object.fromEntries(fields) };
}
