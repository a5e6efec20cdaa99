import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { KoffiFunc } from 'koffi';
import { disableTelemetry } from './runtime.js';

/**
 * ONNX Runtime's C interface, called through koffi. Its functions are in a table with a fixed
 * order: https://onnxruntime.ai/docs/api/c/struct_ort_api.html. Every call except the releases
 * returns a status: null, or an error.
 */

/** An address. */
export type Pointer = bigint;

const version = 20;

/** Index in the table, and signature in C. */
const functions = {
  GetErrorMessage: [2, 'const char *GetErrorMessage(void *status)'],
  CreateEnv: [3, 'void *CreateEnv(int level, const char *id, _Out_ void **out)'],
  CreateSessionFromArray: [
    8,
    'void *CreateSessionFromArray(void *env, void *model, size_t length, void *options, _Out_ void **out)',
  ],
  Run: [
    9,
    'void *Run(void *session, void *options, const char **inputNames, void *inputs, size_t inputCount, ' +
      'const char **outputNames, size_t outputCount, void *outputs)',
  ],
  CreateSessionOptions: [10, 'void *CreateSessionOptions(_Out_ void **out)'],
  EnableProfiling: [14, 'void *EnableProfiling(void *options, const char *prefix)'],
  DisableMemPattern: [17, 'void *DisableMemPattern(void *options)'],
  SetSessionLogSeverityLevel: [22, 'void *SetSessionLogSeverityLevel(void *options, int level)'],
  SetSessionGraphOptimizationLevel: [23, 'void *SetSessionGraphOptimizationLevel(void *options, int level)'],
  SetIntraOpNumThreads: [24, 'void *SetIntraOpNumThreads(void *options, int threads)'],
  CreateTensorWithDataAsOrtValue: [
    49,
    'void *CreateTensorWithDataAsOrtValue(void *memory, void *data, size_t bytes, void *shape, size_t rank, int type, _Out_ void **out)',
  ],
  CreateCpuMemoryInfo: [69, 'void *CreateCpuMemoryInfo(int allocator, int kind, _Out_ void **out)'],
  ReleaseStatus: [93, 'void ReleaseStatus(void *status)'],
  ReleaseSession: [95, 'void ReleaseSession(void *session)'],
  ReleaseValue: [96, 'void ReleaseValue(void *value)'],
  ReleaseSessionOptions: [100, 'void ReleaseSessionOptions(void *options)'],
  CreateAndRegisterAllocator: [144, 'void *CreateAndRegisterAllocator(void *env, void *memory, void *arena)'],
  CreateArenaCfg: [
    156,
    'void *CreateArenaCfg(size_t most, int extendStrategy, int initialChunk, int mostDead, _Out_ void **out)',
  ],
  ReleaseArenaCfg: [157, 'void ReleaseArenaCfg(void *arena)'],
  AddSessionConfigEntry: [130, 'void *AddSessionConfigEntry(void *options, const char *key, const char *value)'],
} as const;

type Name = keyof typeof functions;

/** Calls one function and throws if its status is an error. */
type Call = (...parameters: unknown[]) => void;

export interface OrtApi {
  readonly call: Readonly<Record<Name, Call>>;
  /** `Run` on another thread. Resolves when it has finished. */
  run(...parameters: unknown[]): Promise<void>;
  /** Calls a function whose last parameter receives a pointer. */
  create(name: Name, ...parameters: unknown[]): Pointer;
  /** The environment of the process. */
  readonly environment: Pointer;
  /** CPU memory info. */
  readonly memory: Pointer;
  /** The loaded library. koffi unloads it when this object is garbage-collected. */
  readonly library: unknown;
}

let loaded: OrtApi | null | undefined;

/** The interface, or undefined if koffi or the library can't be loaded. */
export function ortApi(): OrtApi | undefined {
  if (loaded === undefined) {
    try {
      loaded = load();
    } catch {
      loaded = null;
    }
  }
  return loaded ?? undefined;
}

function load(): OrtApi {
  const require = createRequire(import.meta.url);
  const koffi = require('koffi') as typeof import('koffi');
  disableTelemetry();
  const library = koffi.load(libraryFile(require));
  const [getApi] = koffi.decode(library.func('void *OrtGetApiBase()')(), koffi.array('void *', 1)) as Pointer[];
  const table = (
    koffi.decode(getApi, koffi.proto('void *GetApi(uint32_t version)')) as KoffiFunc<(v: number) => Pointer>
  )(version);
  const last = Math.max(...Object.values(functions).map(([place]) => place));
  const pointers = koffi.decode(table, koffi.array('void *', last + 1)) as Pointer[];
  const native = Object.fromEntries(
    Object.entries(functions).map(([name, [place, prototype]]) => [
      name,
      koffi.decode(pointers[place], koffi.proto(prototype)) as KoffiFunc<(...parameters: unknown[]) => unknown>,
    ]),
  ) as Record<Name, KoffiFunc<(...parameters: unknown[]) => unknown>>;

  const check = (status: unknown) => {
    if (!status) return;
    const message = native.GetErrorMessage(status) as string;
    native.ReleaseStatus(status);
    throw new Error(message);
  };
  const call = Object.fromEntries(
    Object.entries(native).map(([name, f]) => [
      name,
      name.startsWith('Release')
        ? f
        : (...parameters: unknown[]) => {
            check(f(...parameters));
          },
    ]),
  ) as Record<Name, Call>;
  const create = (name: Name, ...parameters: unknown[]): Pointer => {
    const out: [Pointer | null] = [null];
    call[name](...parameters, out);
    return out[0]!;
  };
  const run = (...parameters: unknown[]) =>
    new Promise<void>((resolve, reject) => {
      native.Run.async(...parameters, (error: unknown, status: unknown) => {
        try {
          if (error) throw error as Error;
          check(status);
          resolve();
        } catch (failure) {
          reject(failure as Error);
        }
      });
    });
  const warning = 2;
  const environment = create('CreateEnv', warning, 'captioner');
  const arenaAllocator = 1;
  const memory = create('CreateCpuMemoryInfo', arenaAllocator, 0);
  // One arena for all graphs: memory freed by one serves the next without a page fault. It grows by
  // the requested amount.
  const growAsRequested = 1;
  const byDefault = -1;
  const arena = create('CreateArenaCfg', 0, growAsRequested, byDefault, byDefault);
  call.CreateAndRegisterAllocator(environment, memory, arena);
  call.ReleaseArenaCfg(arena);
  return { call, create, run, environment, memory, library };
}

/** Path of the library that onnxruntime-node ships for this system. */
function libraryFile(require: NodeJS.Require): string {
  const root = path.dirname(require.resolve('onnxruntime-node/package.json'));
  const folder = path.join(root, 'bin', 'napi-v6', process.platform, process.arch);
  const name = readdirSync(folder).find((file) => /^(lib)?onnxruntime\.(so|dll|dylib|[\d.]+dylib)/.test(file));
  if (name === undefined) throw new Error(`no ONNX Runtime library in ${folder}`);
  return path.join(folder, name);
}
