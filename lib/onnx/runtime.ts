import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import type { Env } from 'onnxruntime-common';
import { CaptionerError } from '../errors.js';
import type { OnnxRuntime } from './onnx-runtime.js';

/*
 * ONNX Runtime in Node: the native one of onnxruntime-node, or, where that is not installed, its WebAssembly build.
 *
 * This is the one file that loads onnxruntime-node. Its library reports usage unless the environment forbids it, so the environment
 * has to be set first. With reporting on, each process writes a database to the user's cache folder and a log to the temporary
 * folder, looks up an address, and crashes on command lines longer than about 25 kB.
 */

/** The command that installs the native runtime. Its install script only fetches CUDA files, from a host that many networks block. */
export const installCommand = 'npm install --ignore-scripts onnxruntime-node@1.30.0';

/** The WebAssembly build: in the published package, and among the development dependencies of a clone. */
const webAssembly = ['../../browser/onnxruntime-web/ort.node.min.js', 'onnxruntime-web'];

const require = createRequire(import.meta.url);

let loaded: OnnxRuntime | undefined;

/**
 * ONNX Runtime, loaded on the first call. Warns if only the slow one is installed.
 * @throws CaptionerError `unsupported`: neither is installed.
 */
export function onnxRuntime(): OnnxRuntime {
  return (loaded ??= load());
}

function load(): OnnxRuntime {
  try {
    return requireNative('') as OnnxRuntime;
  } catch (cause) {
    const runtime = requireWebAssembly();
    if (!runtime) {
      const message = `ONNX Runtime can't be loaded: ${firstLine(cause)} Install it with '${installCommand}'.`;
      throw new CaptionerError('unsupported', message, { cause });
    }
    const reason =
      (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND' ? 'is not installed' : "can't be loaded";
    console.warn(
      `captioner: onnxruntime-node ${reason}, so captions are computed in WebAssembly, several times slower. ` +
        `To install it: ${installCommand}`,
    );
    return runtime;
  }
}

/** Requires a file of onnxruntime-node. */
export function requireNative(file: string): unknown {
  disableTelemetry();
  return require(`onnxruntime-node${file}`);
}

function requireWebAssembly(): OnnxRuntime | undefined {
  for (const name of webAssembly) {
    try {
      const runtime = require(name) as OnnxRuntime & { readonly env: Env };
      runtime.env.wasm.numThreads = Math.min(4, availableParallelism());
      return runtime;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/** An error's first line, as a sentence. Node adds the files that required a missing one. */
export function firstLine(error: unknown): string {
  return (error as Error).message.split('\n')[0].replace(/\.?$/, '.');
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
