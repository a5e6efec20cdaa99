import { createRequire } from 'node:module';
import { CaptionerError } from '../errors.js';
import type { RawPhoto } from './raw-photo.js';

/** A status returned by libheif. */
interface HeifError {
  readonly code: unknown;
  readonly message?: string;
}
/** Objects in the memory of libheif. */
type Context = object;
type Handle = object & { readonly code?: undefined };

/** The part of libheif's C API that is used, as libheif-js exposes it. */
interface Libheif {
  readonly heif_error_code: { readonly heif_error_Ok: unknown };
  readonly heif_colorspace: { readonly heif_colorspace_RGB: unknown };
  readonly heif_chroma: { readonly heif_chroma_interleaved_RGBA: unknown };
  readonly heif_channel: { readonly heif_channel_interleaved: unknown };
  heif_context_alloc(): Context | null;
  heif_context_free(context: Context): void;
  heif_context_read_from_memory(context: Context, bytes: Uint8Array): HeifError;
  heif_js_context_get_primary_image_handle(context: Context): Handle | HeifError;
  heif_image_handle_get_width(handle: Handle): number;
  heif_image_handle_get_height(handle: Handle): number;
  heif_image_handle_release(handle: Handle): void;
  heif_js_decode_image2(
    handle: Handle,
    colours: unknown,
    chroma: unknown,
  ): DecodedHeif | HeifError | Promise<DecodedHeif | HeifError>;
  heif_image_release(image: object): void;
}
interface DecodedHeif {
  readonly code?: undefined;
  readonly image: object;
  readonly channels: readonly {
    readonly id: unknown;
    readonly width: number;
    readonly height: number;
    readonly stride: number;
    readonly data: Uint8Array;
  }[];
}

let libheif: Libheif | undefined;
/** Serializes decoding: a photo of a phone takes 50 MB. */
let queue: Promise<unknown> = Promise.resolve();

/**
 * Decodes the main image of a HEIC file, applying the rotation in the file. It uses libheif
 * compiled to WebAssembly, from the package libheif-js (LGPL-3.0), which is loaded with the first
 * such photo. It is slower than other formats, and runs on the main thread. The colours are as stored:
 * see `heifProfile`.
 *
 * @returns RGBA bytes.
 * @throws CaptionerError `bad-image`, whose message is a reason.
 */
export async function decodeHeic(bytes: Uint8Array, maxPixels: number): Promise<RawPhoto> {
  const decoding = queue.then(() => decode(bytes, maxPixels));
  queue = decoding.catch(() => undefined);
  return await decoding;
}

async function decode(bytes: Uint8Array, maxPixels: number): Promise<RawPhoto> {
  const heif = (libheif ??= createRequire(import.meta.url)('libheif-js/wasm-bundle') as Libheif);
  const context = heif.heif_context_alloc();
  if (!context) throw new CaptionerError('bad-image', 'there is no memory left for it');
  let handle: Handle | undefined;
  try {
    const parsed = heif.heif_context_read_from_memory(context, bytes);
    if (parsed.code !== heif.heif_error_code.heif_error_Ok) throw refused(parsed);
    handle = sound(heif.heif_js_context_get_primary_image_handle(context));
    const [width, height] = [heif.heif_image_handle_get_width(handle), heif.heif_image_handle_get_height(handle)];
    if (width * height > maxPixels) throw new CaptionerError('bad-image', 'pixel limit');
    const { heif_colorspace_RGB: rgb } = heif.heif_colorspace;
    const decoded = sound(await heif.heif_js_decode_image2(handle, rgb, heif.heif_chroma.heif_chroma_interleaved_RGBA));
    try {
      const plane = decoded.channels.find(({ id }) => id === heif.heif_channel.heif_channel_interleaved);
      if (!plane) throw new CaptionerError('bad-image', 'it has no pixels');
      return { data: withoutPadding(plane), width: plane.width, height: plane.height, channels: 4 };
    } finally {
      heif.heif_image_release(decoded.image);
    }
  } finally {
    if (handle) heif.heif_image_handle_release(handle);
    heif.heif_context_free(context);
  }
}

function sound<T extends { readonly code?: undefined }>(answer: T | HeifError): T {
  if ((answer as T | HeifError | undefined) === undefined || answer.code !== undefined)
    throw refused(answer as HeifError);
  return answer as T;
}

function refused(error: HeifError | undefined): CaptionerError {
  return new CaptionerError('bad-image', error?.message?.trim() ?? 'it has no image');
}

/** Copies rows without their padding, because libheif reuses its memory. */
function withoutPadding({ data, width, height, stride }: DecodedHeif['channels'][number]): Uint8Array {
  const rows = new Uint8Array(4 * width * height);
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * stride, y * stride + 4 * width), 4 * width * y);
  return rows;
}
