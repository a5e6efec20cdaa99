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
import type { DownloadProgress, EngineOptions, SentPhoto } from './messages.js';
import { photoPixels } from './pixels.js';
import { checkSupport, loadRuntime, runtimeFiles } from './runtime.js';

/** The captioner in the worker: the same search, vocabulary and explanations as in Node, on the browser's ONNX Runtime. */
export class Engine {
  private constructor(
    private readonly model: CaptionModel,
    private readonly encoder: BrowserEncoder,
  ) {}

  /**
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
    const names = [...checkpointFiles, encoderFileName];
    const urls = names.map((name) => [name, folder + name] as const);
    const { binary } = runtimeFiles;
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
    const runtime = await loadRuntime(files.get(binary)!, options);
    const encoder = await BrowserEncoder.load(files.get(encoderFileName)!, folder + encoderFileName, runtime);
    const { graphs, weights, config } = checkpoint;
    if (encoder.dimension !== config.encoder.dimension) {
      throw new CaptionerError(
        'mismatch',
        `The encoder gives ${encoder.dimension} features, but the decoder takes ${config.encoder.dimension}. Copy the whole folder again.`,
      );
    }
    const decoder = new OnnxStepper(await loadNetworks(runtime, graphs, weights, false, runtime.session));
    return new Engine(new CaptionModel(checkpoint, decoder, config.confidence), encoder);
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
