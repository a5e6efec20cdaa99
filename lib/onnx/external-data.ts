import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CaptionerError } from '../errors.js';
import { decodeModel, encodeModel, type Tensor } from './protobuf.js';

/** TensorProto.DataLocation of weights in a separate file. */
const external = 1;

/**
 * An ONNX model with the weights that it keeps in files beside it, as exporters write large ones, moved into it:
 * https://onnx.ai/onnx/repo-docs/ExternalData.html
 *
 * @param bytes an .onnx file; returned unchanged if it has no external weights.
 * @param file its path: the others are looked for in its folder.
 * @throws CaptionerError `not-found`: a file is missing. `corrupt`: a file is too short, or outside the folder.
 */
export function embedExternalData(bytes: Uint8Array, file: string): Uint8Array {
  // Only such tensors have an entry with this key; the search takes milliseconds, decoding more.
  if (!Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('location')) return bytes;
  const model = decodeModel(bytes);
  const tensors = (model.graph.initializer ?? []).filter(({ dataLocation }) => dataLocation === external);
  if (!tensors.length) return bytes;
  const files = new Map<string, Uint8Array>();
  for (const tensor of tensors) embed(tensor, file, files);
  return encodeModel(model);
}

function embed(tensor: Tensor, file: string, files: Map<string, Uint8Array>): void {
  const entries = new Map(tensor.externalData?.map(({ key, value }) => [key, value]));
  const location = entries.get('location') ?? '';
  const data = files.get(location) ?? readBeside(file, location);
  files.set(location, data);
  const offset = Number(entries.get('offset') ?? 0);
  const length = Number(entries.get('length') ?? data.length - offset);
  if (!(offset >= 0 && length >= 0 && offset + length <= data.length)) {
    throw new CaptionerError('corrupt', `${location} is too short for the weights of ${file}: copy both files again.`);
  }
  tensor.rawData = data.subarray(offset, offset + length);
  delete tensor.externalData;
  delete tensor.dataLocation;
}

function readBeside(file: string, location: string): Uint8Array {
  const folder = path.dirname(path.resolve(file));
  const full = path.resolve(folder, location);
  if (!full.startsWith(folder + path.sep)) {
    throw new CaptionerError('corrupt', `${file} names weights outside its folder (${JSON.stringify(location)}).`);
  }
  try {
    return readFileSync(full);
  } catch (cause) {
    const message = `The weights of ${file} are in ${full}, which can't be read (${(cause as Error).message}). Copy both files.`;
    throw new CaptionerError('not-found', message, { cause });
  }
}
