import { expect } from 'chai';
import { GraphBuilder } from '../../lib/onnx/graph-builder.js';
import { DataType } from '../../lib/onnx/protobuf.js';
import { Session } from '../../lib/onnx/session.js';
import { optimize } from '../../lib/backend/optimize.js';
import { Random } from '../../lib/random.js';
import { onnxRuntime } from '../../lib/onnx/runtime.js';

const { Tensor } = onnxRuntime();

/**
 * A_0^T B_0 + A_1^T B_1 + …, or A_0 B_0^T + A_1 B_1^T + …, as a tape of gradients adds it up, plus a term that is not
 * a product.
 */
function sumOfProducts(count: number, bias: boolean, form: 'transA' | 'transB' = 'transA'): GraphBuilder {
  const graph = new GraphBuilder();
  const product = (i: number) => {
    const dims = (width: number) => (form === 'transA' ? [4, width] : [width, 4]);
    const [a, b] = [graph.input(`a${i}`, 'float32', dims(3)), graph.input(`b${i}`, 'float32', dims(2))];
    const name = graph.node('Gemm', [a, b], { [form]: 1 });
    graph.shapes.set(name, [3, 2]);
    return name;
  };
  const terms = Array.from({ length: count }, (_, i) => product(i));
  if (bias) terms.push(graph.input('bias', 'float32', [3, 2]));
  graph.shapes.set('bias', [3, 2]);
  const sum = terms.reduce((left, right) => {
    const name = graph.node('Add', [left, right]);
    graph.shapes.set(name, [3, 2]);
    return name;
  });
  graph.output(graph.node('Identity', [sum]), 'float32', [3, 2]);
  return graph;
}

function run(graph: GraphBuilder): number[] {
  const random = new Random(3);
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, type }) => {
      const dims = type!.tensorType!.shape!.dim!.map(({ dimValue }) => Number(dimValue));
      return [
        name,
        new Tensor(
          'float32',
          Float32Array.from({ length: dims.reduce((size, d) => size * d, 1) }, () => random.normal()),
          dims,
        ),
      ];
    }),
  );
  const session = new Session(graph.encode());
  const outputs = Object.values(session.run(feeds));
  session.release();
  return outputs.flatMap(({ data }) => Array.from(data as Float32Array));
}

const operators = ({ nodes }: GraphBuilder) => nodes.map(({ opType }) => opType);

describe('optimize', () => {
  for (const [form, bias] of [
    ['transA', false],
    ['transA', true],
    ['transB', false],
    ['transB', true],
  ] as const) {
    it(`joins a sum of products (${form}) into one${bias ? ', and keeps the other terms' : ''}`, () => {
      const graph = sumOfProducts(5, bias, form);
      const expected = run(graph);
      optimize(graph);
      expect(operators(graph).filter((op) => op === 'Gemm')).to.have.length(1);
      run(graph).forEach((x, i) => {
        expect(x).to.be.closeTo(expected[i], 1e-5);
      });
    });
  }

  it('sums squares without an array of them', () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', [4, 3]);
    const sum = graph.node('ReduceSum', [graph.node('Mul', [x, x]), graph.ints([0, 1])], { keepdims: 0 });
    graph.output(sum, 'float32', []);
    const expected = run(graph);
    optimize(graph);
    expect(operators(graph)).to.deep.equal(['ReduceSumSquare']);
    expect(run(graph)[0]).to.be.closeTo(expected[0], 1e-5);
  });

  it('takes the logarithm of a softmax in one step, even of probabilities too small for a float', () => {
    const graph = new GraphBuilder();
    const x = graph.node('Mul', [graph.input('x', 'float32', [4, 30]), graph.scalar(100)]);
    const softmax = graph.node('Softmax', [x], { axis: 1 });
    graph.output(graph.node('Log', [softmax]), 'float32', [4, 30]);
    const [before, detour] = [run(graph), operators(graph).length];
    expect(before).to.include(-Infinity);
    optimize(graph);
    expect(operators(graph))
      .to.deep.equal(['Mul', 'LogSoftmax'])
      .and.have.length(detour - 1);
    run(graph).forEach((log, i) => {
      expect(log).to.be.above(-Infinity);
      if (before[i] > -80) expect(log).to.be.closeTo(before[i], 1e-4);
    });
  });

  it('takes a logarithm of a softmax in one step where it is written out', () => {
    const writtenOut = (summedAxis: number) => {
      const graph = new GraphBuilder();
      const x = graph.input('x', 'float32', [4, 4]);
      const [axis, summed] = [graph.ints([1]), graph.ints([summedAxis])];
      const shifted = graph.node('Sub', [x, graph.node('ReduceMax', [x, axis], { keepdims: 1 })]);
      const sum = graph.node('ReduceSum', [graph.node('Exp', [shifted]), summed], { keepdims: 1 });
      graph.output(graph.node('Sub', [shifted, graph.node('Log', [sum])]), 'float32', [4, 4]);
      return graph;
    };
    const graph = writtenOut(1);
    const before = run(graph);
    optimize(graph);
    expect(operators(graph)).to.deep.equal(['LogSoftmax']);
    run(graph).forEach((log, i) => expect(log).to.be.closeTo(before[i], 1e-6));

    const other = writtenOut(0); // the sum of columns belongs to no softmax of rows
    optimize(other);
    expect(operators(other)).not.to.include('LogSoftmax');
  });

  /** relu(x * scale + shift), and where that is above zero. */
  function scaled(images: number[], perChannel: number[]): GraphBuilder {
    const graph = new GraphBuilder();
    const [x, scale, shift] = [images, perChannel, perChannel].map((dims, i) => {
      graph.shapes.set(`input${i}`, dims);
      return graph.input(`input${i}`, 'float32', dims);
    });
    const product = graph.node('Mul', [scale, x]);
    graph.shapes.set(product, images);
    const sum = graph.node('Add', [product, shift]);
    graph.output(graph.node('Relu', [sum]), 'float32', images);
    graph.output(graph.cast(graph.node('Greater', [sum, graph.scalar(0)]), DataType.float), 'float32', images);
    return graph;
  }

  it('scales and shifts the channels of images in one pass, whose result only the relu reads', () => {
    const graph = scaled([2, 3, 4, 5], [1, 3, 1, 1]);
    const expected = run(graph);
    optimize(graph);
    expect(operators(graph)).to.deep.equal(['Reshape', 'Reshape', 'Conv', 'Relu', 'Greater', 'Cast']);
    expect(graph.nodes[4].input![0]).to.equal(graph.nodes[3].output![0]);
    run(graph).forEach((x, i) => {
      expect(x).to.be.closeTo(expected[i], 1e-6);
    });
  });

  it('leaves numbers along the last axis, and graphs that become files', () => {
    const [lastAxis, file] = [scaled([2, 4, 5, 3], [3]), scaled([2, 3, 4, 5], [1, 3, 1, 1])];
    optimize(lastAxis);
    optimize(file, { portable: true });
    expect(operators(lastAxis)).to.include('Mul');
    expect(operators(file)).to.include('Mul');
  });

  it('does not convert to channels last, and lets a convolution add its bias', () => {
    const graph = new GraphBuilder();
    const [x, w, b] = ([[2, 3, 5, 5], [4, 3, 3, 3], [1, 4, 1, 1]] as const).map((dims, i) => {
      graph.shapes.set(`input${i}`, dims);
      return graph.input(`input${i}`, 'float32', dims);
    }); // prettier-ignore
    const convolved = graph.node('Conv', [x, w], { kernel_shape: [3, 3] });
    const last = graph.node('Transpose', [convolved], { perm: [0, 2, 3, 1] });
    const first = graph.node('Transpose', [last], { perm: [0, 3, 1, 2] });
    graph.shapes.set(last, [2, 3, 3, 4]).set(first, [2, 4, 3, 3]);
    graph.output(graph.node('Add', [b, first]), 'float32', [2, 4, 3, 3]);
    const expected = run(graph);
    optimize(graph);
    expect(operators(graph)).to.deep.equal(['Reshape', 'Conv']);
    run(graph).forEach((value, i) => {
      expect(value).to.be.closeTo(expected[i], 1e-5);
    });
  });

  it('keeps transposes that give another order', () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', [2, 3, 4]);
    const turned = graph.node('Transpose', [x], { perm: [1, 2, 0] });
    graph.output(graph.node('Neg', [graph.node('Transpose', [turned], { perm: [1, 2, 0] })]), 'float32', [4, 2, 3]);
    const expected = run(graph);
    optimize(graph);
    expect(run(graph)).to.deep.equal(expected);
  });

  it('joins conditions before they become numbers', () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', [4, 3]);
    const [above, below] = [
      graph.node('Greater', [x, graph.scalar(-1)]),
      graph.node('LessOrEqual', [x, graph.scalar(1)]),
    ];
    const masks = [above, below].map((condition) => graph.cast(condition, DataType.float));
    masks[0] = graph.cast(masks[0], DataType.float);
    graph.output(graph.node('Mul', masks), 'float32', [4, 3]);
    const expected = run(graph);
    optimize(graph);
    expect(operators(graph)).to.deep.equal(['Greater', 'LessOrEqual', 'And', 'Cast']);
    expect(run(graph)).to.deep.equal(expected);
    expect(expected).to.include.members([0, 1]);
  });

  it('drops nodes that no output depends on', () => {
    const graph = sumOfProducts(1, false);
    graph.node('Exp', [graph.scalar(3)]);
    optimize(graph);
    expect(operators(graph)).to.deep.equal(['Transpose', 'Gemm']);
    expect(graph.constants.size).to.equal(0);
  });

  /** A graph of the inputs, whose values get the shapes that a trace would note. */
  function traced(dims: Record<string, number[]>): {
    graph: GraphBuilder;
    node: (shape: number[], ...parameters: Parameters<GraphBuilder['node']>) => string;
  } {
    const graph = new GraphBuilder();
    for (const [name, shape] of Object.entries(dims)) {
      graph.input(name, 'float32', shape);
      graph.shapes.set(name, shape);
    }
    const node = (shape: number[], ...parameters: Parameters<GraphBuilder['node']>) => {
      const name = graph.node(...parameters);
      graph.shapes.set(name, shape);
      return name;
    };
    return { graph, node };
  }

  for (const [what, shape] of [
    ['a row', [2]],
    ['a column', [3, 1]],
    ['a matrix', [3, 2]],
  ] as const) {
    it(`adds ${what} while it multiplies, on either side of the sum`, () => {
      for (const order of [0, 1]) {
        const { graph, node } = traced({ a: [3, 4], b: [4, 2], c: [...shape] });
        const terms = [node([3, 2], 'Gemm', ['a', 'b']), 'c'];
        graph.output(graph.node('Add', order ? terms.reverse() : terms), 'float32', [3, 2]);
        const expected = run(graph);
        optimize(graph);
        expect(operators(graph)).to.deep.equal(['Gemm']);
        run(graph).forEach((x, i) => expect(x).to.be.closeTo(expected[i], 1e-6));
      }
    });
  }

  it('does not add a vector of another length, or a product that has another use', () => {
    const { graph, node } = traced({ a: [3, 4], b: [4, 2], c: [3, 2] });
    const product = node([3, 2], 'Gemm', ['a', 'b']);
    graph.output(graph.node('Add', [product, graph.scalar(1)]), 'float32', [3, 2]);
    graph.output(graph.node('Mul', [node([3, 2], 'Add', [product, 'c']), 'c']), 'float32', [3, 2]);
    const expected = run(graph);
    optimize(graph);
    expect(operators(graph).filter((op) => op === 'Add')).to.have.length(2);
    expect(run(graph)).to.deep.equal(expected);
  });

  for (const [what, a, b, order] of [
    ['the result if it is smaller', [5, 3], [2, 5], ['Gemm', 'Transpose']],
    ['the left matrix if that is smaller', [5, 3], [20, 5], ['Transpose', 'Gemm']],
  ] as const) {
    it(`of a product of two transposed matrices, transposes ${what}`, () => {
      const { graph, node } = traced({ a: [...a], b: [...b] });
      graph.output(node([3, b[0]], 'Gemm', ['a', 'b'], { transA: 1, transB: 1 }), 'float32', [3, b[0]]);
      const expected = run(graph);
      optimize(graph);
      expect(operators(graph)).to.deep.equal(order);
      run(graph).forEach((x, i) => expect(x).to.be.closeTo(expected[i], 1e-6));
    });
  }

  it('computes once what is asked for twice, but not under other attributes', () => {
    const { graph, node } = traced({ x: [3, 4] });
    const turned = [0, 1].map(() => node([4, 3], 'Transpose', ['x'], { perm: [1, 0] }));
    const soft = [0, 1].map((axis) => node([4, 3], 'Softmax', [turned[axis]], { axis }));
    const same = turned.map((name) => node([4, 3], 'Tanh', [name]));
    graph.output(graph.node('Sum', [...soft, ...same]), 'float32', [4, 3]);
    const expected = run(graph);
    optimize(graph);
    expect(operators(graph)).to.deep.equal(['Transpose', 'Softmax', 'Softmax', 'Tanh', 'Sum']);
    expect(run(graph)).to.deep.equal(expected);
  });

  it('keeps all outputs where nodes only copy, also inputs and the same value twice', () => {
    const { graph, node } = traced({ x: [3] });
    const value = node([3], 'Neg', [node([3], 'Identity', ['x'])]);
    const copy = node([3], 'Identity', [value]);
    graph.output(graph.node('Identity', [copy]), 'float32', [3]);
    graph.output(graph.node('Identity', [value]), 'float32', [3]);
    graph.output(graph.node('Identity', ['x']), 'float32', [3]);
    graph.output(graph.node('Exp', [copy]), 'float32', [3]);
    const names = graph.outputs.map(({ name }) => name);
    const expected = run(graph);
    optimize(graph);
    expect(operators(graph)).to.deep.equal(['Neg', 'Identity', 'Identity', 'Exp']);
    expect(graph.outputs.map(({ name }) => name)).to.deep.equal(names);
    expect(run(graph)).to.deep.equal(expected);
  });
});
