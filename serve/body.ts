import type { FastifyRequest } from 'fastify';
import * as z from 'zod';
import { ServiceError } from './errors.js';
import { megabytes, readAll, type UploadLease } from './uploads.js';

/** Limits on an upload, in photos and bytes. */
export interface UploadLimits {
  readonly files: number;
  readonly fileBytes: number;
  readonly requestBytes: number;
}

/** The file of a photo. Its content decides on its format. */
export interface UploadedPhoto {
  readonly name?: string;
  readonly bytes: Buffer;
}

/** The photos of a request, and the options that came with them. */
export interface Upload {
  readonly photos: readonly UploadedPhoto[];
  readonly fields: Readonly<Record<string, unknown>>;
  /** Whether the client sent a list, and expects one, even of one photo. */
  readonly list: boolean;
}

const base64 = () =>
  z.string({ error: 'A photo in JSON must be a string of base64.' }).describe('A photo in base64, or a data: address.');

/** The photos of a JSON body; its other fields are options. */
export const JsonUpload = z.looseObject(
  {
    image: base64().optional(),
    images: z
      .array(base64(), { error: "'images' must be a list of photos in base64." })
      .optional()
      .describe('Photos in base64, in place of image.'),
  },
  { error: 'The body must be an object: {"image": "<base64>"} or {"images": ["<base64>", …]}.' },
);

/**
 * Reads the photos of a request: from a form (any field that is a file), from JSON (`image` or `images` in base64), or the body itself.
 * @throws ServiceError 400, 413, 415 or 503, with a sentence.
 */
export async function readUpload(request: FastifyRequest, limits: UploadLimits, lease: UploadLease): Promise<Upload> {
  checkHeaders(request, limits);
  const upload = mediaType(request).startsWith('multipart/')
    ? await readForm(request, limits, lease)
    : mediaType(request) === 'application/json'
      ? await readJson(request, limits, lease)
      : await readPhoto(request, limits, lease);
  if (upload.photos.length > 0) return upload;
  throw new ServiceError(
    400,
    'no-photo',
    'There is no photo in this request. Send a form with a file, the photo itself as the body, or JSON {"image": "<base64>"}.',
  );
}

/** The type of the body, without its parameters. */
export function mediaType({ headers }: FastifyRequest): string {
  return (headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
}

/** @throws ServiceError 413, 415 */
function checkHeaders({ headers }: FastifyRequest, limits: UploadLimits): void {
  if (Number(headers['content-length'] ?? 0) > limits.requestBytes) throw requestTooLarge(limits);
  const encoding = headers['content-encoding']?.trim().toLowerCase();
  if (encoding === undefined || encoding === '' || encoding === 'identity') return;
  throw new ServiceError(
    415,
    'compressed-body',
    'Compressed bodies are not supported. Send the photo without Content-Encoding.',
    {
      headers: { 'accept-encoding': 'identity' },
    },
  );
}

async function readPhoto(request: FastifyRequest, limits: UploadLimits, lease: UploadLease): Promise<Upload> {
  const bytes = await readBody(request, limits.fileBytes, lease, () => fileTooLarge(limits));
  return { photos: bytes.length > 0 ? [{ bytes }] : [], fields: {}, list: false };
}

/** Reads the body. One that is too large does not close the connection, so that the client receives the error. */
async function readBody(
  { raw }: FastifyRequest,
  limit: number,
  lease: UploadLease,
  tooLarge: () => ServiceError,
): Promise<Buffer> {
  try {
    return await readAll(raw.iterator({ destroyOnReturn: false }), lease, limit, tooLarge);
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    throw new ServiceError(400, 'cut-short', 'The request ended too early. Send it again.');
  }
}

async function readForm(request: FastifyRequest, limits: UploadLimits, lease: UploadLease): Promise<Upload> {
  const photos: UploadedPhoto[] = [];
  const fields: Record<string, unknown> = {};
  let left = limits.requestBytes;
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') {
        if (part.valueTruncated) throw new ServiceError(400, 'bad-field', `The field '${part.fieldname}' is too long.`);
        if (Object.hasOwn(fields, part.fieldname))
          throw new ServiceError(400, 'bad-option', `'${part.fieldname}' is given more than once.`);
        fields[part.fieldname] = part.value;
        continue;
      }
      const [limit, tooLarge] = left < limits.fileBytes ? [left, requestTooLarge] : [limits.fileBytes, fileTooLarge];
      const bytes = await readAll(part.file, lease, limit, () => tooLarge(limits));
      if (part.file.truncated) throw tooLarge(limits);
      left -= bytes.length;
      photos.push({ ...(part.filename && { name: part.filename }), bytes });
    }
  } catch (error) {
    throw formError(error, limits);
  }
  return { photos, fields, list: photos.length > 1 };
}

/** JSON is for one photo or a few small ones: while it is parsed, no other request is answered. */
async function readJson(request: FastifyRequest, limits: UploadLimits, lease: UploadLease): Promise<Upload> {
  const parsed = JsonUpload.safeParse(await readJsonBody(request, limits, lease));
  if (!parsed.success) throw new ServiceError(400, 'bad-json', parsed.error.issues[0].message);
  const { image, images, ...fields } = parsed.data;
  if (image !== undefined && images !== undefined) {
    throw new ServiceError(400, 'bad-json', "Give 'image' or 'images', not both.");
  }
  const given = images ?? (image === undefined ? [] : [image]);
  if (given.length > limits.files) throw tooMany(limits);
  return { photos: given.map((photo) => ({ bytes: decodeBase64(photo, limits) })), fields, list: images !== undefined };
}

/**
 * Reads a body as JSON.
 * @throws ServiceError 400, 413 or 503.
 */
export async function readJsonBody(
  request: FastifyRequest,
  limits: UploadLimits,
  lease: UploadLease,
): Promise<unknown> {
  checkHeaders(request, limits);
  const most = Math.min(limits.requestBytes, Math.floor(1.4 * limits.fileBytes) + 65536);
  const bytes = await readBody(request, most, lease, () => {
    const message = `A JSON body may have at most ${megabytes(most)}. Send larger requests as a form.`;
    return new ServiceError(413, 'too-large', message);
  });
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new ServiceError(400, 'bad-json', `The body is not JSON: ${(error as Error).message}.`);
  }
}

/** The bytes of a photo in base64 or a data: address. @throws ServiceError 400, 413 */
export function decodeBase64(photo: string, limits: UploadLimits): Buffer {
  if (/^https?:/i.test(photo)) {
    throw new ServiceError(400, 'bad-json', 'Web addresses are not fetched. Send the photo itself, in base64.');
  }
  const data = photo.replace(/^data:[^,]{0,100},/i, '').replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(data)) throw new ServiceError(400, 'bad-json', 'A photo in JSON is not base64.');
  const bytes = Buffer.from(data, 'base64');
  if (bytes.length > limits.fileBytes) throw fileTooLarge(limits);
  return bytes;
}

/** An error of the parser of forms, as a sentence. */
function formError(error: unknown, limits: UploadLimits): Error {
  if (error instanceof ServiceError) return error;
  const { code, message } = error as Error & { code?: string };
  switch (code) {
    case 'FST_REQ_FILE_TOO_LARGE':
      return fileTooLarge(limits);
    case 'FST_FILES_LIMIT':
      return tooMany(limits);
    case 'FST_PARTS_LIMIT':
    case 'FST_FIELDS_LIMIT':
      return new ServiceError(413, 'too-many-fields', 'The form has too many fields.');
    case 'FST_PROTO_VIOLATION':
      return new ServiceError(400, 'bad-field', 'The form has a field whose name is not allowed.');
    case 'FST_MP_PREMATURE_CLOSE':
      return new ServiceError(400, 'cut-short', 'The request ended too early. Send it again.');
    default:
      return new ServiceError(400, 'bad-form', `The form can't be read: ${message}.`);
  }
}

function tooMany({ files }: UploadLimits): ServiceError {
  return new ServiceError(413, 'too-many-photos', `A request may have at most ${files} photos.`);
}

function fileTooLarge({ fileBytes }: UploadLimits): ServiceError {
  return new ServiceError(413, 'too-large', `A photo may have at most ${megabytes(fileBytes)}.`);
}

function requestTooLarge({ requestBytes }: UploadLimits): ServiceError {
  return new ServiceError(413, 'too-large', `A request may have at most ${megabytes(requestBytes)}.`);
}
