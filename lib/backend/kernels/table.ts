import { convolutions } from './convolution.js';
import { elementwise } from './elementwise.js';
import { indexing } from './indexing.js';
import { linear } from './linear.js';
import { normalization } from './normalization.js';
import { pooling } from './pooling.js';
import { reductions } from './reduction.js';
import type { KernelRule } from './rule.js';
import { shapes } from './shape.js';

/**
 * Every TensorFlow.js kernel with an ONNX rule. All other kernels run in JavaScript and can't be
 * compiled.
 */
export const kernelTable: ReadonlyMap<string, KernelRule> = new Map(
  Object.entries({
    ...elementwise,
    ...reductions,
    ...linear,
    ...shapes,
    ...indexing,
    ...convolutions,
    ...pooling,
    ...normalization,
  }),
);
