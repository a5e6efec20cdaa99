import type { Caption } from '../captioner/caption-model.js';
import type { Explanation } from '../captioner/explain.js';
import type { SearchConfig } from '../config.js';
import { CaptionerError } from '../errors.js';
import type { Call, Device, DownloadProgress, Reply, Request, SentPhoto } from './messages.js';

/** A photo in a page: a file, an image with or without an element, or pixels. */
export type BrowserPhoto =
  Blob | ImageBitmap | ImageData | HTMLImageElement | HTMLCanvasElement | OffscreenCanvas | HTMLVideoElement;

/** Options of {@link Captioner.load}. */
export interface LoadOptions {
  /** Receives the progress of the download, in bytes. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Aborting stops the download. */
  readonly signal?: AbortSignal;
  /** Threads that compute. Default: up to four on a page that is isolated (`crossOriginIsolated`), one on others. */
  readonly threads?: number;
  /**
   * The device that computes the encoder. `wasm` (default): the processor. `webgpu`: the graphics
   * card. `auto`: the graphics card if WebGPU works here, else the processor. The decoder's small
   * steps always run on the processor. WebGPU downloads 13 MB more and needs files that are not in
   * the npm package: see docs/browser.md.
   */
  readonly device?: Device | 'auto';
  /** Folder of ONNX Runtime's files. Default: `onnxruntime-web/` beside this script. */
  readonly runtime?: string | URL;
}

/** Options of a call. */
export interface CallOptions {
  /** Aborting rejects the call and stops its computation at the next opportunity. */
  readonly signal?: AbortSignal;
}

/**
 * A captioner that runs in the visitor's browser. No photo leaves the device.
 *
 * ```ts
 * const captioner = await Captioner.load('/model/');
 * const [{ caption }] = await captioner.caption(file);
 * ```
 */
export class Captioner {
  private readonly open = new Map<number, OpenCall>();
  private calls = 0;
  private failure: CaptionerError | undefined;
  private loadedOn: Device = 'wasm';

  private constructor(private readonly worker: Worker) {
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      this.receive(data);
    };
    worker.onerror = (event) => {
      this.fail(
        new CaptionerError(
          'unsupported',
          `The captioner's worker failed: ${event.message || 'its script can not be loaded'}.`,
        ),
      );
    };
  }

  /**
   * Downloads a model and starts it in a worker.
   *
   * @param model address of a checkpoint's folder, as `captioner export --storage int8` writes it.
   * @throws CaptionerError `unsupported`: the browser lacks WebAssembly with SIMD, or WebGPU where
   *   `device` is `webgpu`, or there is not enough memory. `download`: a file is missing, or the connection breaks. `corrupt`, `mismatch`:
   *   the files are damaged, or do not belong together. Anything that `signal` was aborted with.
   */
  static async load(model: string | URL, options: LoadOptions = {}): Promise<Captioner> {
    const { onProgress, signal, threads, device, runtime = new URL('onnxruntime-web/', import.meta.url) } = options;
    signal?.throwIfAborted();
    const captioner = new Captioner(new Worker(new URL('./captioner-worker.js', import.meta.url), { type: 'module' }));
    try {
      const engine = { runtime: folderUrl(runtime), threads, device };
      const call: Call = { kind: 'load', model: folderUrl(model), options: engine };
      captioner.loadedOn = (await captioner.call(call, { signal, onProgress })) as Device;
      return captioner;
    } catch (error) {
      captioner.release();
      throw error;
    }
  }

  /** The device that computes the encoder. */
  get device(): Device {
    return this.loadedOn;
  }

  /**
   * Captions a photo.
   * @returns its captions, the likeliest first: one, or `n` of the search.
   * @throws CaptionerError `bad-option`; `bad-image`: it is not a photo that this browser reads.
   *   `bad-input`: its pixels can't be read. Anything that `signal` was aborted with.
   */
  async caption(
    photo: BrowserPhoto,
    search: Partial<SearchConfig> = {},
    options: CallOptions = {},
  ): Promise<Caption[]> {
    return (await this.send('caption', photo, search, options)) as Caption[];
  }

  /**
   * Captions a photo and explains the result: see `explainPhoto`. Takes about fifty times as long.
   * @throws CaptionerError as {@link caption} does.
   */
  async explain(
    photo: BrowserPhoto,
    search: Partial<SearchConfig> = {},
    options: CallOptions = {},
  ): Promise<Explanation> {
    return (await this.send('explain', photo, search, options)) as Explanation;
  }

  /** Stops the worker and frees its memory. */
  release(): void {
    this.fail(new CaptionerError('interrupted', 'The captioner was released.'));
    this.worker.terminate();
  }

  private async send(
    kind: 'caption' | 'explain',
    photo: BrowserPhoto,
    search: Partial<SearchConfig>,
    options: CallOptions,
  ): Promise<unknown> {
    options.signal?.throwIfAborted();
    return await this.call({ kind, photo: await sendable(photo), search }, options);
  }

  private call(call: Call, { signal, onProgress }: CallOptions & Pick<LoadOptions, 'onProgress'>): Promise<unknown> {
    if (this.failure) return Promise.reject(this.failure);
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const id = this.calls++;
    return new Promise<unknown>((resolve, reject) => {
      const cancel = () => {
        this.open.delete(id);
        this.post({ id, kind: 'cancel' });
        reject(signal!.reason as Error);
      };
      signal?.addEventListener('abort', cancel, { once: true });
      const end = () => signal?.removeEventListener('abort', cancel);
      this.open.set(id, { resolve, reject, end, onProgress });
      const moved = call.kind !== 'load' && call.photo instanceof ImageBitmap ? [call.photo] : [];
      this.post({ id, ...call }, moved);
    });
  }

  private post(request: Request, moved: Transferable[] = []): void {
    this.worker.postMessage(request, moved);
  }

  private receive(reply: Reply): void {
    const call = this.open.get(reply.id);
    if (!call) return;
    if (reply.kind === 'progress') {
      call.onProgress?.(reply.progress);
      return;
    }
    this.open.delete(reply.id);
    call.end();
    if (reply.kind === 'result') call.resolve(reply.result);
    else call.reject(new CaptionerError(reply.code, reply.message));
  }

  /** Rejects all calls, and all that follow. */
  private fail(error: CaptionerError): void {
    this.failure = error;
    for (const { reject, end } of this.open.values()) {
      end();
      reject(error);
    }
    this.open.clear();
  }
}

/** A call that the worker has not answered yet. */
interface OpenCall {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly end: () => void;
  readonly onProgress?: LoadOptions['onProgress'];
}

/** The absolute address of a folder, with a slash at its end. */
function folderUrl(folder: string | URL): string {
  const url = new URL(folder, document.baseURI);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}

/** A photo in a form that a worker takes. Elements become bitmaps; the photo given stays as it is. */
async function sendable(photo: BrowserPhoto): Promise<SentPhoto> {
  if (photo instanceof Blob || photo instanceof ImageData) return photo;
  try {
    if (photo instanceof HTMLImageElement) await photo.decode();
    return await createImageBitmap(photo);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new CaptionerError('bad-image', `The photo can't be read (${reason}). Choose one that the browser shows.`, {
      cause,
    });
  }
}
