import type { FastifySchema } from 'fastify';
import * as z from 'zod';
import { photoFormats } from '../../lib/index.js';
import * as answers from '../answers.js';
import { JsonUpload } from '../body.js';
import type { ServiceConfig } from '../config.js';
import type { SearchFields } from '../search-options.js';

/** Schemas of the routes. Requests and answers are checked by them, and the documentation is made from them. */

/** A schema of a route, with the bodies that the route reads by itself. */
export interface RouteSchema extends FastifySchema {
  /** Bodies by their type: for the documentation. */
  readonly bodies?: Readonly<Record<string, z.ZodType>>;
}

const failure = (description: string) => ({
  description,
  content: { 'application/json': { schema: answers.Failure } },
});

const json = (schema: z.ZodType, description: string) => ({ description, content: { 'application/json': { schema } } });

const errors = {
  400: failure('A field, the form or the JSON is wrong.'),
  401: failure('A key is needed.'),
  413: failure('The request is too large, or has too many photos.'),
  415: failure('The body is compressed.'),
  422: failure('A file is not a photo, is damaged, or has too many pixels.'),
  429: failure('Too many requests. Retry-After says when to come back.'),
  500: failure('The service failed.'),
  503: failure('The service is busy or not ready. Retry-After says when to come back.'),
  504: failure('The photo took too long.'),
};

const keyed: readonly Record<string, readonly string[]>[] = [{ bearer: [] }, { key: [] }, {}];

const binary = z.any().meta({ type: 'string', format: 'binary', description: 'A photo.' });

function photoBodies(fields: SearchFields, several: boolean): Record<string, z.ZodType> {
  const { image, images } = JsonUpload.shape;
  return {
    'multipart/form-data': z.object({
      photo: several ? z.array(binary).describe('Photos, in fields of any name.') : binary,
      ...fields.shape,
    }),
    'image/*': binary,
    'application/octet-stream': binary,
    'application/json': z.object({ image, ...(several && { images }), ...fields.shape }),
  };
}

const formats = `${photoFormats}, recognised by their content`;

export function captionSchema({ maxFiles }: ServiceConfig, fields: SearchFields): RouteSchema {
  return {
    operationId: 'captionPhotos',
    summary: 'Caption photos',
    description: `Captions up to ${maxFiles} photos: ${formats}. The response to one photo has its captions; the response to several is a list with the captions or the error of each, in order. Options are fields of the query or the body. With Accept: application/x-ndjson, each photo is sent as a line of JSON as soon as it is captioned; with Accept: text/event-stream, as an event.`,
    tags: ['captions'],
    security: keyed,
    querystring: fields,
    bodies: photoBodies(fields, true),
    response: {
      200: {
        description: 'Captions.',
        content: {
          'application/json': { schema: z.union([answers.CaptionedPhoto, answers.CaptionedPhotos]) },
          'application/x-ndjson': {
            schema: z.string().describe('A line of JSON for each photo: {"index", "name", "captions" or "error"}.'),
          },
          'text/event-stream': { schema: z.string().describe('An event `photo` for each photo, then an event `end`.') },
        },
      },
      ...errors,
      422: json(z.union([answers.Failure, answers.CaptionedPhotos]), errors[422].description),
      500: json(z.union([answers.Failure, answers.CaptionedPhotos]), errors[500].description),
      503: json(z.union([answers.Failure, answers.CaptionedPhotos]), errors[503].description),
      504: json(z.union([answers.Failure, answers.CaptionedPhotos]), errors[504].description),
    },
  };
}

export function explainSchema(_config: ServiceConfig, fields: SearchFields): RouteSchema {
  return {
    operationId: 'explainPhoto',
    summary: 'Explain a caption',
    description:
      'Captions a photo and explains how the first caption was chosen. It takes about as long as 50 captions.',
    tags: ['captions'],
    security: keyed,
    querystring: fields,
    bodies: photoBodies(fields, false),
    response: {
      200: json(answers.AnsweredExplanation, 'Captions, and how the first of them was chosen.'),
      ...errors,
    },
  };
}

/** Options of Hugging Face's image-to-text task, and the options of a search that they are. */
export const GenerationParameters = z.strictObject({
  max_new_tokens: z.int().min(1).optional().describe('maxLength'),
  num_beams: z.int().min(1).optional().describe('beam'),
  num_return_sequences: z.int().min(1).optional().describe('n'),
  do_sample: z.boolean().optional().describe('method=sample'),
  temperature: z.number().positive().optional().describe('temperature'),
  top_k: z.int().min(0).optional().describe('topK'),
  top_p: z.number().positive().max(1).optional().describe('topP'),
});

/** A photo in the shape of Hugging Face's image-to-text task. */
export const ImageToTextRequest = z.strictObject({
  inputs: z.string({ error: 'inputs must be a photo in base64.' }).describe('A photo in base64, or a data: address.'),
  parameters: GenerationParameters.extend({ generate_kwargs: GenerationParameters.optional() }).optional(),
});

export const imageToTextSchema: RouteSchema = {
  operationId: 'imageToText',
  summary: "Caption a photo in the shape of Hugging Face's image-to-text task",
  description:
    'The response to JSON is a list of texts. The response to a photo as the body is one text, as the official client expects.',
  tags: ['captions'],
  security: keyed,
  bodies: { 'application/json': ImageToTextRequest, 'image/*': binary, 'application/octet-stream': binary },
  response: {
    200: json(z.union([answers.GeneratedTexts, answers.GeneratedTexts.element]), 'Captions, most likely first.'),
    ...errors,
  },
};

export const healthSchema: RouteSchema = {
  operationId: 'getHealth',
  summary: 'Liveness',
  tags: ['operation'],
  response: { 200: json(answers.Health, 'The process is alive.') },
};

export const readySchema: RouteSchema = {
  operationId: 'getReadiness',
  summary: 'Readiness',
  tags: ['operation'],
  response: {
    200: json(answers.Readiness, 'The service is ready.'),
    503: json(answers.Readiness, 'The service is loading or stopping, or the checkpoint cannot be loaded.'),
  },
};

export const metricsSchema: RouteSchema = {
  operationId: 'getMetrics',
  summary: 'Metrics for Prometheus',
  tags: ['operation'],
  security: keyed,
  response: {
    200: {
      description: 'https://prometheus.io/docs/instrumenting/exposition_formats',
      content: { 'text/plain': { schema: z.string() } },
    },
    401: errors[401],
    429: errors[429],
  },
};

export const reloadSchema: RouteSchema = {
  operationId: 'reloadCheckpoint',
  summary: 'Reload the checkpoint',
  description: 'Needs the admin key. No request is lost; a checkpoint that cannot be loaded changes nothing.',
  tags: ['operation'],
  security: [{ bearer: [] }, { key: [] }],
  response: {
    200: json(answers.Reloaded, 'The new checkpoint is in service.'),
    401: errors[401],
    403: failure('The service has no admin key.'),
    409: failure('Another reload is running.'),
    429: errors[429],
    500: failure('The checkpoint cannot be loaded.'),
  },
};
