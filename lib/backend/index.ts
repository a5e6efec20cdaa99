import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
// The core alone has no gradients and no tensor methods; the layers package registers both.
import '@tensorflow/tfjs-layers';
import { registerOnnxBackend } from './backend.js';
import { CaptionerError } from '../errors.js';

export { compile, type CompiledStep, type StepHooks } from './compile.js';
export { exportGraph, type ExportedGraph } from './export.js';

/**
 * The backend that computes: ONNX Runtime, tfjs-node (if installed), WebAssembly, or plain
 * JavaScript.
 */
export type BackendName = 'onnx' | 'tensorflow' | 'wasm' | 'cpu';

/**
 * Selects the backend for all TensorFlow.js operations from now on.
 * @throws CaptionerError `unsupported` if it is not available on this machine; the message says
 * what to do.
 */
export async function useBackend(name: BackendName): Promise<void> {
  if (name === 'onnx') registerOnnxBackend();
  if (name === 'wasm') await importBackend('@tensorflow/tfjs-backend-wasm', name);
  if (name === 'tensorflow') await importBackend('tfjs-node', name);
  if (!(await tf.setBackend(name)))
    throw new CaptionerError('unsupported', `The backend '${name}' could not be started.`);
  await tf.ready();
}

async function importBackend(module: string, name: BackendName): Promise<void> {
  try {
    await import(module);
  } catch (error) {
    const remedy =
      name === 'tensorflow'
        ? "Install it with 'npm install tfjs-node@npm:@tensorflow/tfjs-node@4.22.0' (it needs Node < 23 and a download from Google's servers), or choose 'onnx', which is as fast"
        : `Install it with 'npm install ${module}'`;
    throw new CaptionerError('unsupported', `The backend '${name}' needs the package ${module}. ${remedy}.`, {
      cause: error,
    });
  }
}
