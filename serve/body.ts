import type { FastifyRequest } from 'fastify';
import { ServiceError } from './errors.js';
import { megabytes, readAll, type UploadLease } from './uploads.js';

/** How much of a request is accepted, in bytes and photos. */
export interface UploadLimits {
  readonly files: number;
  readonly fileBytes: number;
  readonly requestBytes: number;
}

/** A photo's file as it came; what it is, its content tells. */
export interface UploadedPhoto {
  readonly name?: string;
  readonly bytes: Buffer;
}

/** The photos of a request, and the options that came with them. */
export interface Upload {
  readonly photos: readonly UploadedPhoto[];
  readonly fields: Readonly<Record<string, unknown>>;
  /** Whether the client sent a list, and wants one, even of one. */
  readonly list: boolean;
}

/**
 * Reads a request's photos: of a form (any field that is a file), of JSON (`image` or `images` in base64), or the body itself.
 * @throws ServiceError 400, 413 or 503, with a sentence.
 */
export async function readUpload(request: FastifyRequest, limits: UploadLimits, lease: UploadLease): Promise<Upload> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > limits.requestBytes) throw requestTooLarge(limits);
  const type = (request.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  const upload = type.startsWith('multipart/')
    ? await readForm(request, limits, lease)
    : type === 'application/json'
      ? await readJson(request, limits, lease)
      : await readPhoto(request, limits, lease);
  if (upload.photos.length > 0) return upload;
  throw new ServiceError(
    400,
    'no-photo',
    'There is no photo in this request. Send a form with a file, the photo itself as the body, or JSON {"image": "<base64>"}.',
  );
}

async function readPhoto(request: FastifyRequest, limits: UploadLimits, lease: UploadLease): Promise<Upload> {
  const bytes = await readBody(request, limits.fileBytes, lease, () => fileTooLarge(limits));
  return { photos: bytes.length > 0 ? [{ bytes }] : [], fields: {}, list: false };
}

/** Reads the body without closing the connection when it is too large: the client shall hear that it is. */
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
    throw new ServiceError(400, 'cut-short', 'The request ended before all of it had come.');
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
        if (Object.hasOwn(fields, part.fieldname)) throw givenTwice(part.fieldname);
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

/** JSON is for a photo or a few small ones: it is parsed in one go, in which nobody else is answered. */
async function readJson(request: FastifyRequest, limits: UploadLimits, lease: UploadLease): Promise<Upload> {
  const most = Math.min(limits.requestBytes, Math.floor(1.4 * limits.fileBytes) + 65536);
  const bytes = await readBody(request, most, lease, () => {
    const message = `JSON may have ${megabytes(most)}, not more: send more photos as a form.`;
    return new ServiceError(413, 'too-large', message);
  });
  let body: unknown;
  try {
    body = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new ServiceError(400, 'bad-json', `The body is no JSON: ${(error as Error).message}.`);
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ServiceError(
      400,
      'bad-json',
      'The body must be an object: {"image": "<base64>"} or {"images": ["<base64>", …]}.',
    );
  }
  const { image, images, ...fields } = body as Record<string, unknown>;
  if (image !== undefined && images !== undefined) {
    throw new ServiceError(400, 'bad-json', "Give 'image' or 'images', not both.");
  }
  if (images !== undefined && !Array.isArray(images)) {
    throw new ServiceError(400, 'bad-json', "'images' must be a list of photos in base64.");
  }
  const given: unknown[] = images ?? (image === undefined ? [] : [image]);
  if (given.length > limits.files) throw tooMany(limits);
  return { photos: given.map((photo) => ({ bytes: decodeBase64(photo, limits) })), fields, list: images !== undefined };
}

function decodeBase64(photo: unknown, limits: UploadLimits): Buffer {
  if (typeof photo !== 'string') throw new ServiceError(400, 'bad-json', 'A photo in JSON must be a string of base64.');
  if (/^https?:/i.test(photo)) {
    throw new ServiceError(400, 'bad-json', 'Addresses are not fetched: send the photo itself, in base64.');
  }
  const data = photo.replace(/^data:[^,]{0,100},/i, '').replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(data)) throw new ServiceError(400, 'bad-json', 'A photo in JSON is not base64.');
  const bytes = Buffer.from(data, 'base64');
  if (bytes.length > limits.fileBytes) throw fileTooLarge(limits);
  return bytes;
}

/** What the parser of forms complains about, as a sentence. */
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
      return new ServiceError(400, 'cut-short', 'The request ended before all of it had come.');
    default:
      return new ServiceError(400, 'bad-form', `The form can't be read: ${message}.`);
  }
}

/** A field that was given more than once. */
export function givenTwice(name: string): ServiceError {
  return new ServiceError(400, 'bad-option', `'${name}' is given more than once.`);
}

function tooMany({ files }: UploadLimits): ServiceError {
  return new ServiceError(413, 'too-many-photos', `A request may have ${files} photos, not more.`);
}

function fileTooLarge({ fileBytes }: UploadLimits): ServiceError {
  return new ServiceError(413, 'too-large', `A photo may have ${megabytes(fileBytes)}, not more.`);
}

function requestTooLarge({ requestBytes }: UploadLimits): ServiceError {
  return new ServiceError(413, 'too-large', `A request may have ${megabytes(requestBytes)}, not more.`);
}
