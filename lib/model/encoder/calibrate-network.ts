import { normalise } from '../../images/photo.js';
import { DataType, encodeModel, type Model } from '../../onnx/protobuf.js';
import type { Pixels } from '../../onnx/quantization/network.js';
import { StatisticsCollector, type ValueStatistics } from '../../onnx/quantization/statistics.js';
import { onnxRuntime } from '../../onnx/runtime.js';
import { silent, type ProgressReporter } from '../../progress.js';
import { createSession } from './load-network.js';

export interface CalibrationOptions {
  readonly progress?: ProgressReporter | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Photos per run. All of the network's values are in memory at once. */
const batchSize = 4;

/**
 * Runs a network on photos and collects statistics of some of its values.
 *
 * @param model a network of normalised photos [N, 3, S, S], for any N.
 * @param file its name, for messages.
 * @param values names of the values.
 * @param photos RGB bytes, [S, S, 3] each.
 */
export async function calibrateNetwork(
  model: Model,
  file: string,
  values: readonly string[],
  photos: readonly Uint8Array[],
  { mean, std, inputSize }: Pixels,
  { progress = silent, signal }: CalibrationOptions = {},
): Promise<Map<string, ValueStatistics>> {
  const input = model.graph.input![0].name;
  const wanted = values.filter((name) => name !== input);
  const output = wanted.map((name) => ({ name, type: { tensorType: { elemType: DataType.float } } }));
  const session = await createSession(encodeModel({ ...model, graph: { ...model.graph, output } }), file);
  const collectors = new Map(values.map((name) => [name, new StatisticsCollector()]));
  const size = 3 * inputSize ** 2;
  progress.start('Calibrating', photos.length, 'photos');
  try {
    for (let first = 0; first < photos.length; first += batchSize) {
      signal?.throwIfAborted();
      const batch = photos.slice(first, first + batchSize);
      const pixels = new Float32Array(batch.length * size);
      batch.forEach((photo, i) => {
        normalise(photo, inputSize, mean, std, pixels, i * size);
      });
      const tensor = new (onnxRuntime().Tensor)('float32', pixels, [batch.length, 3, inputSize, inputSize]);
      const results = { ...(await session.run({ [input]: tensor }, wanted)), [input]: tensor };
      for (const [name, collector] of collectors) {
        const { data, dims } = results[name];
        collector.add(data as Float32Array, dims);
      }
      progress.update(first + batch.length);
    }
  } finally {
    progress.stop();
    await session.release();
  }
  return new Map([...collectors].map(([name, collector]) => [name, collector.finish()]));
}
