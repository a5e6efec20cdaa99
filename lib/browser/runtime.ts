import type { Env, InferenceSession } from 'onnxruntime-common';
import { CaptionerError } from '../errors.js';
import type { OnnxRuntime } from '../onnx/onnx-runtime.js';
import type { Device, EngineOptions } from './messages.js';

/** ONNX Runtime in a browser. */
export interface BrowserRuntime extends OnnxRuntime {
  readonly device: Device;
  /** Options of its sessions. */
  readonly session: InferenceSession.SessionOptions;
}

/** Names of the runtime's files: its loader, and the WebAssembly. */
export const runtimeFiles = { loader: 'ort-wasm-simd-threaded.mjs', binary: 'ort-wasm-simd-threaded.wasm' } as const;

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

/**
 * Loads ONNX Runtime.
 * @param binary its WebAssembly, downloaded before.
 */
export async function loadRuntime(
  binary: Uint8Array,
  { runtime, threads, device = 'wasm' }: EngineOptions,
): Promise<BrowserRuntime> {
  const ort = (await import('onnxruntime-web/wasm')) as OnnxRuntime & { readonly env: Env };
  const { wasm } = ort.env;
  // Threads share memory, which browsers allow on isolated pages only.
  const isolated = globalThis.crossOriginIsolated;
  wasm.numThreads = isolated ? (threads ?? Math.min(mostThreads, navigator.hardwareConcurrency)) : 1;
  wasm.wasmPaths = { mjs: runtime + runtimeFiles.loader };
  wasm.wasmBinary = binary.buffer as ArrayBuffer;
  return { ...pick(ort), device, session: { executionProviders: [device], logSeverityLevel: 3 } };
}

const pick = ({ InferenceSession, Tensor }: OnnxRuntime): OnnxRuntime => ({ InferenceSession, Tensor });
