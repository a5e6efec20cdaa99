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
  /** The state's names. */
  private readonly states: readonly string[];
  /** The inputs of the first step, as they are in later ones. */
  private readonly later: SessionState;
  /** Numbers of likeliest words, as the graph reads them. */
  private readonly counts = new Map<number, Tensor>();
  private readonly outputs: Readonly<Record<'all' | 'likeliest', readonly string[]>>;

  constructor(private readonly networks: DecoderNetworks) {
    const { step, first, TensorType } = networks;
    this.states = step.inputNames.filter((name) => step.outputNames.includes(nextOf(name)));
    this.later = Object.fromEntries(first.map((name) => [name, new TensorType('float32', Float32Array.of(0), [1, 1])]));
    const next = this.states.map(nextOf);
    this.outputs = { all: ['logProbabilities', ...next], likeliest: [likeliest.values, likeliest.places, ...next] };
  }

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
    const found = await this.runStep(state, tokens, 1, this.outputs.all);
    return { logProbabilities: found.logProbabilities.data as Float32Array, state: this.nextState(found) };
  }

  async stepLikeliest(
    state: SessionState,
    tokens: Int32Array,
    count: number,
  ): Promise<{ likeliest: LikeliestWords; state: SessionState }> {
    const found = await this.runStep(state, tokens, count, this.outputs.likeliest);
    return {
      likeliest: {
        count,
        tokens: found[likeliest.places].data as Int32Array,
        logProbabilities: found[likeliest.values].data as Float32Array,
      },
      state: this.nextState(found),
    };
  }

  gather(state: SessionState, rows: Int32Array): SessionState {
    const picked: Record<string, Tensor> = {};
    for (const name of Object.keys(state)) {
      const { data, dims } = state[name];
      const [from, width] = [data as Float32Array, dims[1]];
      const to = new Float32Array(rows.length * width);
      for (let i = 0; i < rows.length; i++) {
        to.set(from.subarray(rows[i] * width, (rows[i] + 1) * width), i * width);
      }
      picked[name] = new this.networks.TensorType('float32', to, [rows.length, width]);
    }
    return picked;
  }

  /** Runs one step. Computes only the requested outputs. */
  private runStep(
    state: SessionState,
    tokens: Int32Array,
    count: number,
    outputs: readonly string[],
  ): Promise<SessionState> {
    const { step, TensorType } = this.networks;
    let counted = this.counts.get(count);
    if (!counted) this.counts.set(count, (counted = new TensorType('int64', BigInt64Array.of(BigInt(count)), [1])));
    const words = new TensorType('int32', tokens, [tokens.length]);
    return step.run({ ...this.later, ...state, tokens: words, [likeliest.count]: counted }, outputs);
  }

  private nextState(found: SessionState): SessionState {
    const next: Record<string, Tensor> = {};
    for (const name of this.states) next[name] = found[nextOf(name)];
    return next;
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
