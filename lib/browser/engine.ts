import { CaptionModel, type Caption } from '../captioner/caption-model.js';
import { explainPixels, type Explanation } from '../captioner/explain.js';
import type { SearchConfig } from '../config.js';
import { viewsOf } from '../data/features/encoder-identity.js';
import { CaptionerError } from '../errors.js';
import { encoderFileName } from '../model/checkpoint/checkpoint-config.js';
import { checkpointFiles, readCheckpoint } from '../model/checkpoint/read-checkpoint.js';
import { loadNetworks, OnnxStepper } from '../search/onnx-stepper.js';
import { download } from './download.js';
import { BrowserEncoder } from './encoder.js';
import type { Device, DownloadProgress, EngineOptions, SentPhoto } from './messages.js';
import { photoPixels } from './pixels.js';
import { checkSupport, hasWebGpu, loadRuntime, runtimeFiles } from './runtime.js';

/** The captioner in the worker: the same search, vocabulary and explanations as in Node, on the browser's ONNX Runtime. */
export class Engine {
  private constructor(
    private readonly model: CaptionModel,
    private readonly encoder: BrowserEncoder,
    /** The device that computes the encoder. */
    readonly device: Device,
  ) {}

  /**
   * Loads a model for the device that is asked for. `auto` takes WebGPU if it works here, and
   * WebAssembly if it does not.
   * @param folder address of a checkpoint's folder, which ends with a slash.
   * @throws CaptionerError `unsupported`, `download`, `corrupt`, `mismatch`.
   */
  static async load(
    folder: string,
    options: EngineOptions,
    onProgress: (progress: DownloadProgress) => void,
    signal: AbortSignal,
  ): Promise<Engine> {
    checkSupport();
    const load = (device: Device) => Engine.loadOn(device, folder, options, onProgress, signal);
    const { device = 'wasm' } = options;
    if (device === 'wasm') return await load('wasm');
    const available = await hasWebGpu();
    if (device === 'webgpu') {
      if (available) return await load('webgpu');
      throw new CaptionerError(
        'unsupported',
        "This browser offers no graphics card through WebGPU. Load the captioner with device: 'auto', which then uses WebAssembly.",
      );
    }
    if (!available) return await load('wasm');
    try {
      return await load('webgpu');
    } catch {
      signal.throwIfAborted();
      return await load('wasm'); // a fault of the model itself shows here, too
    }
  }

  private static async loadOn(
    device: Device,
    folder: string,
    options: EngineOptions,
    onProgress: (progress: DownloadProgress) => void,
    signal: AbortSignal,
  ): Promise<Engine> {
    const names = [...checkpointFiles, encoderFileName];
    const urls = names.map((name) => [name, folder + name] as const);
    const { binary } = runtimeFiles[device];
    const files = await download(new Map([...urls, [binary, options.runtime + binary]]), onProgress, signal);
    const checkpoint = readCheckpoint(
      (name) => files.get(name)!,
      (name) => folder + name,
    );
    const views = viewsOf(checkpoint.config.encoder);
    if (views !== 'one') {
      throw new CaptionerError(
        'unsupported',
        `The model needs several views of a photo ('${views}'), which browsers do not make.`,
      );
    }
    const runtime = await loadRuntime(device, files.get(binary)!, options);
    const encoder = await BrowserEncoder.load(files.get(encoderFileName)!, folder + encoderFileName, runtime);
    const { graphs, weights, config } = checkpoint;
    if (encoder.dimension !== config.encoder.dimension) {
      throw new CaptionerError(
        'mismatch',
        `The encoder gives ${encoder.dimension} features, but the decoder takes ${config.encoder.dimension}. Copy the whole folder again.`,
      );
    }
    const decoder = new OnnxStepper(await loadNetworks(runtime, graphs, weights, false, runtime.decoder));
    return new Engine(new CaptionModel(checkpoint, decoder, config.confidence), encoder, device);
  }

  /** The captions of a photo, the likeliest first. */
  async caption(photo: SentPhoto, search: Partial<SearchConfig>, signal: AbortSignal): Promise<Caption[]> {
    this.model.check(search);
    const pixels = await photoPixels(photo, this.encoder.inputSize);
    const features = await this.encoder.features([pixels], signal);
    const [captions] = await this.model.captionFeatures(features, 1, search);
    return captions;
  }

  /** The captions of a photo, and how the first of them came about. */
  async explain(photo: SentPhoto, search: Partial<SearchConfig>, signal: AbortSignal): Promise<Explanation> {
    this.model.check(search);
    const pixels = await photoPixels(photo, this.encoder.inputSize);
    const encoder = {
      inputSize: this.encoder.inputSize,
      features: (photos: readonly Uint8Array[]) => this.encoder.features(photos, signal),
    };
    return await explainPixels(this.model, encoder, pixels, search, { signal });
  }
}
