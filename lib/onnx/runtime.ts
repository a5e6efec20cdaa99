import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import type { InferenceSession, Tensor } from 'onnxruntime-common';

/**
 * ONNX Runtime. This is the one file that loads onnxruntime-node: its library reports usage unless the environment forbids it, so
 * the environment has to be set first. With reporting on, each process writes a database to the user's cache folder and a log to
 * the temporary folder, looks up an address, and crashes on command lines longer than about 25 kB.
 */
export interface OnnxRuntime {
  readonly InferenceSession: typeof InferenceSession;
  readonly Tensor: typeof Tensor;
}

const require = createRequire(import.meta.url);

let loaded: OnnxRuntime | undefined;

/** ONNX Runtime, loaded on the first call. */
export function onnxRuntime(): OnnxRuntime {
  return (loaded ??= requireRuntime('') as OnnxRuntime);
}

/** Requires a file of onnxruntime-node. */
export function requireRuntime(file: string): unknown {
  disableTelemetry();
  return require(`onnxruntime-node${file}`);
}

const telemetrySwitch = 'ORT_DISABLE_TELEMETRY';

/** Switches the library's usage reports off. Call it before anything loads the library. */
export function disableTelemetry(): void {
  if (process.env[telemetrySwitch] === '1') return;
  process.env[telemetrySwitch] = '1';
  if (!isMainThread) setNativeEnvironment(telemetrySwitch, '1');
}

/** Sets a variable that native code sees. In a worker thread `process.env` is a copy, which native code does not. */
function setNativeEnvironment(name: string, value: string): void {
  if (process.platform === 'win32') return; // there the library reports nothing by itself
  try {
    const koffi = require('koffi') as typeof import('koffi');
    const setenv = koffi.load(null).func('int setenv(const char *name, const char *value, int overwrite)') as (
      name: string,
      value: string,
      overwrite: number,
    ) => number;
    setenv(name, value, 1);
  } catch {
    // Without koffi the variable has to be set outside.
  }
}
