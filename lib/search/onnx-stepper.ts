import type { InferenceSession, Tensor } from 'onnxruntime-common';
import { CaptionerError } from '../errors.js';
import type { Weights } from '../files/safetensors.js';
import { graphFiles } from '../model/checkpoint/checkpoint-config.js';
import { addLikeliest, likeliest } from '../onnx/likeliest.js';
import { decodeModel, encodeModel, type Model } from '../onnx/protobuf.js';
import { nextOf, quantizeRecurrence } from '../onnx/recurrence.js';
import type { OnnxRuntime } from '../onnx/onnx-runtime.js';
import { fillWeights, moveWeightsOut } from '../onnx/weights.js';
import type { LikeliestWords, Stepper } from './stepper.js';

/** The decoder's state: its arrays by name, [rows, H] each. */
export type SessionState = Readonly<Record<string, Tensor>>;

/** The two networks of a decoder, loaded. */
export interface DecoderNetworks {
  readonly start: InferenceSession;
  readonly step: InferenceSession;
  /** Inputs of a step that are zero after the first step, and then not part of the state. */
  readonly first: readonly string[];
  readonly vocabularySize: number;
  readonly featureSize: number;
  readonly TensorType: typeof Tensor;
}

/**
 * Loads the networks of a decoder.
 *
 * @param graphs ONNX files of the decoder without weights, as `exportDecoder` writes them.
 * @param weights the decoder's arrays by name.
 * @param quantized whether products are computed in 8-bit integers.
 * @throws CaptionerError `corrupt` or `mismatch` if graphs and weights do not fit together.
 */
export async function loadNetworks(
  { InferenceSession, Tensor: TensorType }: OnnxRuntime,
  graphs: ReadonlyMap<string, Uint8Array>,
  weights: Weights,
  quantized: boolean,
  options: InferenceSession.SessionOptions,
): Promise<DecoderNetworks> {
  const { start, step, first } = networks(graphs, weights, quantized);
  const load = async (network: Model) => {
    const { graph, externalData } = moveWeightsOut(network.graph);
    try {
      return await InferenceSession.create(encodeModel({ ...network, graph }), { ...options, externalData });
    } catch (cause) {
      throw unusable(cause);
    }
  };
  const vocabularySize = weights.get('output/bias')?.shape[0] ?? 0;
  const featureSize = weights.get('init/kernel')?.shape[0] ?? 0;
  return { start: await load(start), step: await load(step), first, vocabularySize, featureSize, TensorType };
}

/** A trained decoder on ONNX Runtime, whichever build of it. */
export class OnnxStepper implements Stepper<SessionState> {
  constructor(private readonly networks: DecoderNetworks) {}

  get vocabularySize(): number {
    return this.networks.vocabularySize;
  }

  /**
   * @throws CaptionerError `mismatch` if the features do not have the dimension that the decoder
   * was trained on.
   */
  async start(features: Float32Array, rows: number): Promise<SessionState> {
    const { start, featureSize, TensorType } = this.networks;
    if (features.length !== rows * featureSize) {
      throw new CaptionerError(
        'mismatch',
        `The decoder takes features of ${featureSize} dimensions, but got ${features.length} numbers for ${rows} photos. Extract the features with the encoder that the checkpoint names.`,
      );
    }
    return start.run({ features: new TensorType('float32', features, [rows, featureSize]) });
  }

  async step(
    state: SessionState,
    tokens: Int32Array,
  ): Promise<{ logProbabilities: Float32Array; state: SessionState }> {
    const { found, next } = await this.runStep(state, tokens, 1, ['logProbabilities']);
    return { logProbabilities: found.logProbabilities.data as Float32Array, state: next };
  }

  async stepLikeliest(
    state: SessionState,
    tokens: Int32Array,
    count: number,
  ): Promise<{ likeliest: LikeliestWords; state: SessionState }> {
    const { values, places } = likeliest;
    const { found, next } = await this.runStep(state, tokens, count, [values, places]);
    return {
      likeliest: {
        count,
        tokens: found[places].data as Int32Array,
        logProbabilities: found[values].data as Float32Array,
      },
      state: next,
    };
  }

  gather(state: SessionState, rows: Int32Array): SessionState {
    const picked = Object.entries(state).map(([name, { data, dims }]): [string, Tensor] => {
      const [from, width] = [data as Float32Array, dims[1]];
      const to = new Float32Array(rows.length * width);
      rows.forEach((row, i) => {
        to.set(from.subarray(row * width, (row + 1) * width), i * width);
      });
      return [name, new this.networks.TensorType('float32', to, [rows.length, width])];
    });
    return Object.fromEntries(picked);
  }

  /** Runs one step. Computes only the requested outputs and the next state. */
  private async runStep(
    state: SessionState,
    tokens: Int32Array,
    count: number,
    outputs: readonly string[],
  ): Promise<{ found: Readonly<Record<string, Tensor>>; next: SessionState }> {
    const { first, step } = this.networks;
    const names = Object.keys(state).filter((name) => !first.includes(name));
    const later = first.map(
      (name) => [name, new this.networks.TensorType('float32', Float32Array.of(0), [1, 1])] as const,
    );
    const feeds = {
      ...Object.fromEntries(later),
      ...state,
      tokens: new this.networks.TensorType('int32', tokens, [tokens.length]),
      [likeliest.count]: new this.networks.TensorType('int64', BigInt64Array.of(BigInt(count)), [1]),
    };
    const found = await step.run(feeds, [...outputs, ...names.map(nextOf)]);
    return { found, next: Object.fromEntries(names.map((name) => [name, found[nextOf(name)]])) };
  }

  /** Frees the memory of both networks. */
  async release(): Promise<void> {
    await Promise.all([this.networks.start.release(), this.networks.step.release()]);
  }
}

/**
 * The two models to run: the initial state, and one step. `first` lists the inputs that are zero in
 * all steps but the first.
 */
function networks(graphs: ReadonlyMap<string, Uint8Array>, weights: Weights, quantized: boolean) {
  const [start, step] = [graphFiles.start, graphFiles.step].map((name) => {
    const graph = graphs.get(name);
    if (!graph) throw new CaptionerError('corrupt', `The checkpoint has no ${name}. Copy the whole folder.`);
    const model = decodeModel(graph);
    fillWeights(model.graph, weights, !quantized);
    return model;
  });
  try {
    addLikeliest(step.graph, 'logProbabilities');
    const first = quantized ? quantizeRecurrence({ start, step }) : [];
    return { start, step, first };
  } catch (cause) {
    throw unusable(cause);
  }
}

const unusable = (cause: unknown) =>
  new CaptionerError(
    'corrupt',
    `The decoder's graphs can't be loaded (${(cause as Error).message}). Copy the checkpoint again.`,
    { cause },
  );
