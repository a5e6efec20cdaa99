import type { Env, InferenceSession } from 'onnxruntime-common';
import { CaptionerError } from '../errors.js';
import type { OnnxRuntime } from '../onnx/onnx-runtime.js';
import type { Device, EngineOptions } from './messages.js';

/** ONNX Runtime in a browser. */
export interface BrowserRuntime extends OnnxRuntime {
  /** The device of the encoder. */
  readonly device: Device;
  /** Options of the encoder's session. */
  readonly encoder: InferenceSession.SessionOptions;
  /** Options of the decoder's sessions. They run on the processor: their steps are too small for a graphics card. */
  readonly decoder: InferenceSession.SessionOptions;
}

/** Places of ONNX Runtime's files in its folder, by device: the loader, and the WebAssembly. */
export const runtimeFiles = {
  wasm: { loader: 'ort-wasm-simd-threaded.mjs', binary: 'ort-wasm-simd-threaded.wasm' },
  webgpu: {
    loader: 'webgpu/ort-wasm-simd-threaded.asyncify.mjs',
    binary: 'webgpu/ort-wasm-simd-threaded.asyncify.wasm',
  },
} as const satisfies Record<Device, object>;

/** The script of ONNX Runtime with WebGPU. It is not part of the worker, so that only pages that use WebGPU load it. */
const webgpuScript = 'webgpu/ort.webgpu.min.mjs';

/** Most threads that are worth their start for networks of this size. */
const mostThreads = 4;

/**
 * Checks that this browser can run the networks at all, before anything is downloaded.
 * @throws CaptionerError `unsupported`
 */
export function checkSupport(): void {
  if (typeof WebAssembly !== 'object' || !WebAssembly.validate(simd)) {
    throw new CaptionerError(
      'unsupported',
      'This browser has no WebAssembly with SIMD, which captions are computed in. Update it, or try another browser.',
    );
  }
  if (typeof OffscreenCanvas !== 'function') {
    throw new CaptionerError(
      'unsupported',
      'This browser can not decode photos in a worker. Update it, or try another browser.',
    );
  }
}

/** A module whose one function uses SIMD: () -> v128, i32.const 0; i8x16.splat; i8x16.popcnt. */
const simd = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0],
  ...[10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
);

/** The part of WebGPU that is used. */
interface WebGpu {
  requestAdapter(): Promise<object | null>;
}

/** Whether WebGPU has a graphics card to compute on. */
export async function hasWebGpu(): Promise<boolean> {
  const { gpu } = navigator as { readonly gpu?: WebGpu };
  try {
    return Boolean(await gpu?.requestAdapter());
  } catch {
    return false;
  }
}

/**
 * Loads ONNX Runtime.
 * @param device of the encoder.
 * @param binary its WebAssembly, downloaded before.
 */
export async function loadRuntime(
  device: Device,
  binary: Uint8Array,
  { runtime, threads }: EngineOptions,
): Promise<BrowserRuntime> {
  const ort = (await (device === 'webgpu'
    ? import(runtime + webgpuScript)
    : import('onnxruntime-web/wasm'))) as OnnxRuntime & { readonly env: Env };
  const { wasm } = ort.env;
  // Threads share memory, which browsers allow on isolated pages only.
  const isolated = globalThis.crossOriginIsolated;
  wasm.numThreads = isolated ? (threads ?? Math.min(mostThreads, navigator.hardwareConcurrency)) : 1;
  wasm.wasmPaths = { mjs: runtime + runtimeFiles[device].loader };
  wasm.wasmBinary = binary.buffer as ArrayBuffer;
  const on = (provider: Device) => ({ executionProviders: [provider], logSeverityLevel: 3 as const });
  return { ...pick(ort), device, encoder: on(device), decoder: on('wasm') };
}

const pick = ({ InferenceSession, Tensor }: OnnxRuntime): OnnxRuntime => ({ InferenceSession, Tensor });
