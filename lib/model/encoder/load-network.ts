import type { InferenceSession } from 'onnxruntime-common';
import { onnxRuntime } from '../../onnx/runtime.js';
import { sessionThreads, shortWaits } from '../../onnx/session-options.js';
import { CaptionerError } from '../../errors.js';
import { encoderValues } from './encoder-file.js';
import type { EncoderSource } from './encoder-source.js';
import type { HeadlessNetwork } from './detach-head.js';

/** A network on ONNX Runtime. */
export interface LoadedNetwork {
  readonly network: Omit<HeadlessNetwork, 'model'>;
  readonly session: InferenceSession;
}

/**
 * Loads a headless file: one from the registry, or one with its own metadata. Nothing needs to be
 * detached or detected.
 * @throws CaptionerError `corrupt`: it is damaged, or has other inputs and outputs.
 */
export async function loadHeadless(
  bytes: Uint8Array,
  file: string,
  { dimension, inputSize, map = true, int8 }: NonNullable<EncoderSource['known']>,
  threads?: number,
): Promise<LoadedNetwork> {
  const { map: mapName, ...values } = encoderValues;
  const session = await createSession(bytes, file, threads, int8 && asWritten);
  const lacking = [values.features, ...(map ? [mapName] : [])].find((name) => !session.outputNames.includes(name));
  if (session.inputNames.join() !== values.input || lacking !== undefined) {
    await session.release();
    throw notThatEncoder(file, lacking);
  }
  return { network: { ...values, ...(map && { map: mapName }), batch: 'any', dimension, inputSize }, session };
}

/** @param lacking the output that it lacks; undefined if its input is another. */
export function notThatEncoder(file: string, lacking: string | undefined): CaptionerError {
  const fault = lacking === undefined ? `its input is not '${encoderValues.input}'` : `it has no output '${lacking}'`;
  return new CaptionerError('corrupt', `${file} does not match its metadata: ${fault}.`);
}

/**
 * Loads a classifier: detaches its head and tests whether it accepts several photos at a time.
 * @param trusted whether to trust, without a test, that a network exported for any number of photos
 *   accepts them, as those of the registry do.
 */
export async function loadClassifier(
  bytes: Uint8Array,
  file: string,
  trusted: boolean,
  threads?: number,
): Promise<LoadedNetwork> {
  // A captioner with a headless network never loads what rewrites one.
  const { detachHead } = await import('./detach-head.js');
  const { model, ...network } = detachHead(bytes, file);
  const session = await createSession(model, file, threads);
  if (trusted && network.batch === 'any') return { network, session };

  const first = await run(session, network, [0]);
  const second = await run(session, network, [1]);
  if (first instanceof Error || second instanceof Error || first.length !== network.dimension) {
    const fault = [first, second].find((result) => result instanceof Error);
    const reason =
      fault instanceof Error ? fault.message : 'the number of its features differs from what its head takes';
    throw new CaptionerError('unsupported', `${file} can't be used as an encoder: given a photo, ${reason}.`);
  }
  const both = await run(session, network, [0, 1]);
  if (!(both instanceof Error) && isClose(both, [...first, ...second])) return { network, session };

  await session.release();
  const single = detachHead(bytes, file, false);
  return { network: { ...single, batch: 'one' }, session: await createSession(single.model, file, threads) };
}

/**
 * Session options of networks in 8 bits. Otherwise ONNX Runtime rounds weights that stay in floats between values in 8 bits, too, with
 * one scale for all channels.
 */
const asWritten = { disable_quant_qdq: '1' };

/** @throws CaptionerError `corrupt`: ONNX Runtime refuses the model. */
export async function createSession(
  model: Uint8Array,
  file: string,
  threads?: number,
  more: object = {},
): Promise<InferenceSession> {
  try {
    return await onnxRuntime().InferenceSession.create(model, {
      ...sessionThreads(threads),
      extra: { session: { ...shortWaits, ...more } },
      // Errors are thrown. The additional output of ONNX Runtime on stderr helps nobody.
      logSeverityLevel: 4,
    });
  } catch (error) {
    const reason = (error as Error).message;
    throw new CaptionerError('corrupt', `ONNX Runtime can't load ${file} (${reason}).`, { cause: error });
  }
}

/** The features of synthetic photos, or the error that occurred. */
async function run(
  session: InferenceSession,
  { input, features, inputSize }: LoadedNetwork['network'],
  photos: readonly number[],
): Promise<Float32Array | Error> {
  const { Tensor } = onnxRuntime();
  const values = photos.flatMap((photo) =>
    Array.from({ length: 3 * inputSize ** 2 }, (_, i) => 2 * Math.sin((photo + 1) * 12.9898 * i)),
  );
  const feeds = { [input]: new Tensor('float32', values, [photos.length, 3, inputSize, inputSize]) };
  try {
    return (await session.run(feeds, [features]))[features].data as Float32Array;
  } catch (error) {
    return error as Error;
  }
}

function isClose(a: Float32Array, b: readonly number[]): boolean {
  return a.length === b.length && b.every((value, i) => Math.abs(a[i] - value) <= 1e-3 * (1 + Math.abs(value)));
}
