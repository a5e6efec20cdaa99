import { rule, type KernelRule } from './rule.js';

export const normalization: Record<string, KernelRule> = {
  // (x - mean) * scale / sqrt(variance + epsilon) + offset, with one number per channel (the last
  // axis)
  FusedBatchNorm: rule<{ varianceEpsilon?: number }>(
    (g, { x, scale, offset, mean, variance }, { varianceEpsilon = 0.001 }) => {
      const deviation = g.node('Sqrt', [g.node('Add', [variance.name, g.scalar(varianceEpsilon)])]);
      const factor = g.node('Div', [scale?.name ?? g.scalar(1), deviation]);
      const y = g.node('Mul', [g.node('Sub', [x.name, mean.name]), factor]);
      return offset ? g.node('Add', [y, offset.name]) : y;
    },
    { anyShape: true },
  ),
};
