import type { FastifySchema } from 'fastify';
import { describeOptions, SearchConfig } from '../../lib/index.js';
import type { ServiceConfig } from '../config.js';

/** What the documentation says of each route. It checks nothing: the routes do, and say more about what is wrong. */

type Schema = Record<string, unknown>;

const object = (properties: Record<string, Schema>, description?: string): Schema => ({
  type: 'object',
  properties,
  ...(description && { description }),
});
const list = (items: Schema, description?: string): Schema => ({
  type: 'array',
  items,
  ...(description && { description }),
});
const text = (description: string, example?: string): Schema => ({
  type: 'string',
  description,
  ...(example && { example }),
});
const number = (description: string): Schema => ({ type: 'number', description });

const word = { word: text('The word.', 'dog'), p: number('Its probability given the photo and the words before it.') };
const caption = object({
  caption: text('The caption.', 'a dog runs through the grass'),
  p: number('The probability of the whole caption given the photo.'),
  logProbability: number('The natural logarithm of p.'),
  tokens: list(object(word), 'Its words.'),
});
const error = object({
  error: object({
    code: text('For programs.', 'bad-image'),
    message: text('For people.', 'The photo is damaged or cut short.'),
  }),
});
const photo = object({
  name: text('Name of the file, where the client gave one.', 'dog.jpg'),
  captions: list(caption, 'The likeliest first.'),
});
const errors = {
  400: { ...error, description: 'The request can not be understood: a field, the form or the JSON is wrong.' },
  401: { ...error, description: 'A key is needed.' },
  413: { ...error, description: 'Too large, or too many photos.' },
  422: { ...error, description: 'No photo, or one that is damaged.' },
  429: { ...error, description: 'Too many requests; Retry-After says when to come back.' },
  503: { ...error, description: 'Too much to do, or not ready; Retry-After says when to come back.' },
  504: { ...error, description: 'It took too long.' },
};

/** The one config of searching, as fields of a query. */
function searchFields(maxBeam: number): Record<string, Schema> {
  return Object.fromEntries(
    describeOptions(SearchConfig).map(({ name, type, minimum, maximum, default: standard, help, choices }) => [
      name,
      {
        ...(type === 'strings' ? { type: 'array', items: { type: 'string' } } : { type }),
        description: help,
        ...(choices && { enum: choices }),
        ...(minimum !== undefined && { minimum }),
        ...(maximum !== undefined && { maximum: name === 'beam' || name === 'n' ? maxBeam : maximum }),
        default: standard,
      },
    ]),
  );
}

function photoBodies(fields: Record<string, Schema>, several: boolean): Schema {
  const binary: Schema = { type: 'string', format: 'binary' };
  const base64 = text('A photo in base64, or a data: address.');
  return {
    content: {
      'multipart/form-data': {
        schema: object({
          photo: several ? list(binary, 'Photos, in fields of any name.') : binary,
          ...fields,
        }),
      },
      'image/*': { schema: binary },
      'application/octet-stream': { schema: binary },
      'application/json': {
        schema: object({ image: base64, ...(several && { images: list(base64) }), ...fields }),
      },
    },
  };
}

const keyed: readonly Record<string, readonly string[]>[] = [{ bearer: [] }, { key: [] }, {}];

export function captionSchema({ maxBeam, maxFiles }: ServiceConfig): FastifySchema {
  const fields = searchFields(maxBeam);
  return {
    summary: 'Caption photos',
    description:
      `Up to ${maxFiles} photos: JPEG, PNG, WebP, GIF, TIFF, AVIF, HEIC or BMP, told by their content. One photo is answered by its captions, ` +
      'several by a list with the captions or the error of each in its place. Options may stand in the query or in the body. With ' +
      'Accept: application/x-ndjson each photo is a line of JSON as soon as it is captioned, with Accept: text/event-stream an event.',
    tags: ['captions'],
    security: keyed,
    querystring: object(fields),
    body: photoBodies(fields, true),
    response: {
      200: {
        description: 'Captions.',
        content: {
          'application/json': {
            schema: {
              anyOf: [photo, object({ images: list({ anyOf: [photo, error] }, 'One for each photo, in order.') })],
            },
          },
          'application/x-ndjson': {
            schema: text('A line of JSON for each photo: {"index", "name", "captions" or "error"}.'),
          },
          'text/event-stream': { schema: text('An event `photo` for each photo, then an event `end`.') },
        },
      },
      ...errors,
    },
  };
}

export function explainSchema({ maxBeam }: ServiceConfig): FastifySchema {
  const fields = searchFields(maxBeam);
  const candidate = object({
    id: number('Unique within the search.'),
    parent: number('The id of the beginning that it continues; 0 is the empty one.'),
    ...word,
    score: number('What it was ranked by.'),
    kept: { type: 'boolean', description: 'Whether it went on.' },
    finished: { type: 'boolean', description: 'Whether the caption ends here.' },
  });
  return {
    summary: 'Caption a photo and say how',
    description: 'It takes some fifty times as long as a caption.',
    tags: ['captions'],
    security: keyed,
    querystring: object(fields),
    body: photoBodies(fields, false),
    response: {
      200: object(
        {
          captions: list(caption),
          words: list(object({ ...word, alternatives: list(object(word), 'The likeliest words for this place.') })),
          search: list(list(candidate), 'What the search looked at, step by step.'),
          occlusion: object({
            grid: number('Places along each side of the photo.'),
            drops: list(
              list(list(number('By how much ln p of the word drops when this part of the photo is hidden.'))),
              'For each of `words` a map of rows and columns.',
            ),
          }),
        },
        'The captions, and how the first of them came about.',
      ),
      ...errors,
    },
  };
}

const status = object({ status: text('How it is.') });

export const healthSchema: FastifySchema = {
  summary: 'Is it alive?',
  tags: ['operation'],
  response: { 200: { ...status, description: 'It is.' } },
};

export const readySchema: FastifySchema = {
  summary: 'Does it caption?',
  tags: ['operation'],
  response: {
    200: { ...status, description: 'It does.' },
    503: { ...error, description: 'Not yet, or not any more: why, and what to do.' },
  },
};

export const metricsSchema: FastifySchema = {
  summary: 'Numbers for Prometheus',
  tags: ['operation'],
  security: keyed,
  produces: ['text/plain'],
  response: { 200: { type: 'string', description: 'https://prometheus.io/docs/instrumenting/exposition_formats' } },
};

export const reloadSchema: FastifySchema = {
  summary: 'Load the checkpoint anew',
  description:
    'Wants the admin key. No request is lost; a checkpoint that can not be loaded leaves the former one in its place.',
  tags: ['operation'],
  security: [{ bearer: [] }, { key: [] }],
  response: {
    200: { ...status, description: 'It serves.' },
    401: errors[401],
    403: { ...error, description: 'There is no admin key.' },
    409: { ...error, description: 'Another one is being loaded.' },
    500: { ...error, description: 'It can not be loaded: why.' },
  },
};
