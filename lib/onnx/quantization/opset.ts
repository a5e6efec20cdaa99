import { CaptionerError } from '../../errors.js';
import type { Model, Node } from '../protobuf.js';

/** The first version of ONNX' operators in which all of those that quantised networks consist of take 8 bits. */
const firstWithBytes = 13;

/** Operators that mean the same in versions 7 to 13. */
const unchanged = new Set([
  ...[
    'Conv',
    'Gemm',
    'MatMul',
    'Relu',
    'LeakyRelu',
    'Sigmoid',
    'Tanh',
    'Add',
    'Sub',
    'Mul',
    'Div',
    'Concat',
    'Flatten',
    'Reshape',
  ],
  ...[
    'MaxPool',
    'AveragePool',
    'GlobalAveragePool',
    'GlobalMaxPool',
    'Identity',
    'Transpose',
    'Constant',
    'Cast',
    'Shape',
    'Gather',
  ],
]);

/**
 * Raises the version of the ONNX operators in a model to one that supports 8 bits.
 * @param nodes those that stay as they are.
 * @throws CaptionerError `unsupported`: one of them means something else in that version.
 */
export function raiseOpset(model: Model, nodes: readonly Node[]): void {
  const isOnnx = ({ domain = '' }: { domain?: string }) => domain === '' || domain === 'ai.onnx';
  const version = Number(model.opsetImport?.find(isOnnx)?.version ?? 1);
  if (version >= firstWithBytes) return;
  const other = nodes.find(({ opType, domain }) => isOnnx({ domain }) && !unchanged.has(opType));
  if (other) {
    throw new CaptionerError(
      'unsupported',
      `The network can't be converted to 8 bits: its ${other.opType} follows version ${version} of the ONNX operators. Export the network with version ${firstWithBytes} or later.`,
    );
  }
  const others = (model.opsetImport ?? []).filter((each) => !isOnnx(each));
  model.opsetImport = [{ domain: '', version: firstWithBytes }, ...others];
}
