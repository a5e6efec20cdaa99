import { fileURLToPath } from 'node:url';
import { CaptionerError } from '../errors.js';

/** The content of a photo's file. */
export type PhotoBytes = Uint8Array | ArrayBuffer | Blob | AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>;

/**
 * A photo to caption: a file's path or `file:` URL; the content of a file (Buffer, ArrayBuffer, Blob, a stream of Node or of the web); or content
 * with the name that results have.
 */
export type PhotoSource = string | URL | PhotoBytes | { readonly file: string; readonly bytes: PhotoBytes };

/** A photo's name, and its file: a path, or the content. */
export interface NamedPhoto {
  readonly file: string;
  readonly read: () => Promise<string | Uint8Array>;
}

/**
 * Resolves a photo. Nothing is read before its turn.
 * @param place counted from 1. Unnamed content is called `photo 3`, for example.
 * @returns a photo whose reading throws CaptionerError `bad-input` if it is not a {@link
 *   PhotoSource}.
 */
export function namePhoto(source: unknown, place: number): NamedPhoto {
  const nameless = `photo ${place}`;
  if (typeof source === 'string' && !/^(?:file|https?):\/\//i.test(source)) {
    return { file: source, read: () => Promise.resolve(source) };
  }
  if (source instanceof URL || typeof source === 'string') {
    return { file: String(source), read: () => Promise.resolve(pathOf(source)) };
  }
  if (typeof source === 'object' && source !== null && 'bytes' in source && typeof source.bytes !== 'function') {
    const { file, bytes } = source as { file?: unknown; bytes: unknown };
    return { file: typeof file === 'string' ? file : nameless, read: () => contentOf(bytes, nameless) };
  }
  const name = source instanceof Blob && 'name' in source ? source.name : undefined;
  return { file: typeof name === 'string' && name ? name : nameless, read: () => contentOf(source, nameless) };
}

function pathOf(source: URL | string): string {
  const url = new URL(source);
  if (url.protocol === 'file:') return fileURLToPath(url);
  throw new CaptionerError('bad-input', `${url.href} is a web address, which is not fetched. Pass the photo itself.`);
}

async function contentOf(source: unknown, nameless: string): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  if (typeof source === 'object' && source !== null && Symbol.asyncIterator in source) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of source as AsyncIterable<unknown>) {
      if (!(chunk instanceof Uint8Array)) throw wrong(nameless, 'a stream of something other than bytes');
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }
  const what = source === null ? 'null' : Array.isArray(source) ? 'a list' : typeof source;
  throw wrong(nameless, what);
}

function wrong(name: string, what: string): CaptionerError {
  return new CaptionerError(
    'bad-input',
    `${name} is ${what}. A photo is a path, a file URL, a Buffer, a Blob, a stream, or {file, bytes}.`,
  );
}
