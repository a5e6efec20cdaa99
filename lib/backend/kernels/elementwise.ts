import { DataType } from '../../onnx/protobuf.js';
import { isDtype, onnxType, type GraphBuilder } from '../../onnx/graph-builder.js';
import { rule, type KernelRule } from './rule.js';
import type { DataType as TfDataType } from '@tensorflow/tfjs-core';

const anyShape = { anyShape: true };

/** y = op(x), for an operator of ONNX. */
const unary = (op: string) => rule((g, { x }) => g.node(op, [x.name]), anyShape);

/** y = op(a, b), broadcast. */
const binary = (op: string) => rule((g, { a, b }) => g.node(op, [a.name, b.name]), anyShape);

/** y = f(x), composed of several operators. */
const formula = <A extends object>(f: (g: GraphBuilder, x: string, attributes: A) => string) =>
  rule<A>((g, { x }, attributes) => f(g, x.name, attributes), anyShape);

// Klambauer et al. 2017
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

export const elementwise: Record<string, KernelRule> = {
  Abs: unary('Abs'),
  Acos: unary('Acos'),
  Acosh: unary('Acosh'),
  Asin: unary('Asin'),
  Asinh: unary('Asinh'),
  Atan: unary('Atan'),
  Atanh: unary('Atanh'),
  Ceil: unary('Ceil'),
  Cos: unary('Cos'),
  Cosh: unary('Cosh'),
  Erf: unary('Erf'),
  Exp: unary('Exp'),
  Floor: unary('Floor'),
  IsNan: unary('IsNaN'),
  Log: unary('Log'),
  LogicalNot: unary('Not'),
  Neg: unary('Neg'),
  Reciprocal: unary('Reciprocal'),
  Relu: unary('Relu'),
  Round: unary('Round'),
  Sigmoid: unary('Sigmoid'),
  Sign: unary('Sign'),
  Sin: unary('Sin'),
  Sinh: unary('Sinh'),
  Softplus: unary('Softplus'),
  Sqrt: unary('Sqrt'),
  Tan: unary('Tan'),
  Tanh: unary('Tanh'),

  Square: formula((g, x) => g.node('Mul', [x, x])),
  Rsqrt: formula((g, x) => g.node('Reciprocal', [g.node('Sqrt', [x])])),
  Log1p: formula((g, x) => g.node('Log', [g.node('Add', [x, g.scalar(1)])])),
  Expm1: formula((g, x) => g.node('Sub', [g.node('Exp', [x]), g.scalar(1)])),
  Relu6: formula((g, x) => g.node('Clip', [x, g.scalar(0), g.scalar(6)])),
  Elu: formula((g, x) => g.node('Elu', [x])),
  Selu: formula((g, x) => g.node('Selu', [x], { alpha: { float: SELU_ALPHA }, gamma: { float: SELU_SCALE } })),
  LeakyRelu: formula<{ alpha: number }>((g, x, { alpha }) => g.node('LeakyRelu', [x], { alpha: { float: alpha } })),
  ClipByValue: formula<{ clipValueMin: number; clipValueMax: number }>((g, x, { clipValueMin, clipValueMax }) =>
    g.node('Clip', [x, g.scalar(clipValueMin), g.scalar(clipValueMax)]),
  ),
  // 1 where x > 0, alpha elsewhere
  Step: formula<{ alpha?: number }>((g, x, { alpha = 0 }) => {
    const positive = g.node('Greater', [x, g.scalar(0)]);
    if (alpha === 0) return g.cast(positive, DataType.float);
    return g.node('Where', [positive, g.scalar(1), g.scalar(alpha)]);
  }),
  EluGrad: rule((g, { dy, y }) => {
    const slope = g.node('Add', [g.node('Min', [y.name, g.scalar(0)]), g.scalar(1)]);
    return g.node('Mul', [dy.name, slope]);
  }, anyShape),
  Prelu: rule((g, { x, alpha }) => g.node('PRelu', [x.name, alpha.name]), anyShape),

  Add: binary('Add'),
  Sub: binary('Sub'),
  Multiply: binary('Mul'),
  RealDiv: binary('Div'),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Pow: binary('Pow'),
  Greater: binary('Greater'),
  GreaterEqual: binary('GreaterOrEqual'),
  Less: binary('Less'),
  LessEqual: binary('LessOrEqual'),
  Equal: binary('Equal'),
  NotEqual: rule((g, { a, b }) => g.node('Not', [g.node('Equal', [a.name, b.name])]), anyShape),
  LogicalAnd: binary('And'),
  LogicalOr: binary('Or'),
  SquaredDifference: rule((g, { a, b }) => {
    const difference = g.node('Sub', [a.name, b.name]);
    return g.node('Mul', [difference, difference]);
  }, anyShape),
  FloorDiv: rule((g, { a, b }) => {
    // TensorFlow.js returns integers, also for floats. Integer division in ONNX truncates; doubles
    // hold every int32 and floor exactly.
    const [p, q] = [a, b].map(({ name }) => g.cast(name, DataType.double));
    return g.cast(g.node('Floor', [g.node('Div', [p, q])]), DataType.int32);
  }, anyShape),
  AddN: rule(
    (g, inputs) =>
      g.node(
        'Sum',
        Object.values(inputs).map(({ name }) => name),
      ),
    anyShape,
  ),

  Select: rule((g, { condition, t, e }) => g.node('Where', [condition.name, t.name, e.name]), anyShape),
  Cast: rule<{ dtype: TfDataType }>((g, { x }, { dtype }) => {
    if (!isDtype(dtype)) throw new Error(`no cast to ${dtype}`);
    // TensorFlow.js casts floats to floats. Without the node, rewrites see what is behind it.
    if (x.dtype === dtype) return g.node('Identity', [x.name]);
    // As in TensorFlow.js: nonzero numbers become true; integers truncate towards zero.
    return g.cast(x.name, onnxType(dtype));
  }, anyShape),
};
