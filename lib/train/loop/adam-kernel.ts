/**
 * The arithmetic of Adam as WebAssembly, four numbers at a time: each array is read and written
 * once, where TensorFlow.js operations pass over it ten times. The module is written here byte by
 * byte (https://webassembly.github.io/spec/core/binary); it takes no compiler.
 */

/** Changes `bytes` bytes of arrays at the given addresses. */
export interface AdamKernel {
  /**
   * One step: w, m, v (and u for AMSGrad) change, g is read. `bytes` is rounded up to 16. The
   * formulas are those of `Adam`, with the same rounding.
   */
  step(
    w: number,
    m: number,
    v: number,
    u: number,
    g: number,
    bytes: number,
    beta1: number,
    beta2: number,
    clip: number,
    rate: number,
    epsilon: number,
    keep: number,
  ): void;
  /** Moves the averages `a` towards w by the share `follow`. */
  average(a: number, w: number, bytes: number, follow: number): void;
}

type Code = readonly number[];

const [I32, F32, V128] = [0x7f, 0x7d, 0x7b];
const f32x4 = (op: number): Code => [0xfd, op, 0x01];
const [SQRT, ADD, SUB, MUL, DIV, MAX] = [0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe9].map(f32x4);

/** A function of addresses, a number of bytes and scalars that handles four numbers per round. */
class KernelFunction {
  private readonly locals: string[] = [];
  private readonly body: number[] = [];
  private readonly offset: string;

  constructor(
    private readonly arrays: readonly string[],
    private readonly scalars: readonly string[],
  ) {
    this.offset = 'offset';
  }

  private index(name: string): number {
    const parameters = [...this.arrays, 'bytes', ...this.scalars, this.offset, ...this.scalars.map((s) => `${s}x4`)];
    const at = parameters.indexOf(name);
    if (at >= 0) return at;
    if (!this.locals.includes(name)) this.locals.push(name);
    return parameters.length + this.locals.indexOf(name);
  }

  /** A scalar in all four places, or a value that was set before. */
  value(name: string): Code {
    return [0x20, this.index(this.scalars.includes(name) ? `${name}x4` : name)];
  }

  private address(array: string): Code {
    return [0x20, this.index(array), 0x20, this.index(this.offset), 0x6a];
  }

  load(array: string): Code {
    return [...this.address(array), 0xfd, 0x00, 0x04, 0x00];
  }

  set(name: string, code: Code): void {
    this.body.push(...code, 0x21, this.index(name));
  }

  store(array: string, code: Code): void {
    this.body.push(...this.address(array), ...code, 0xfd, 0x0b, 0x04, 0x00);
  }

  /** Types of the parameters. */
  get type(): Code {
    return [0x60, ...vector([...this.arrays, 'bytes'].map(() => I32).concat(this.scalars.map(() => F32))), 0x00];
  }

  get code(): Code {
    const splats = this.scalars.flatMap((s) => [0x20, this.index(s), 0xfd, 0x13, 0x21, this.index(`${s}x4`)]);
    const offset = this.index(this.offset);
    const next = [0x20, offset, 0x41, 16, 0x6a, 0x22, offset]; // offset += 16
    const again = [0x20, this.index('bytes'), 0x49, 0x0d, 0x00]; // if offset < bytes
    const vectors = this.scalars.length + this.locals.length;
    const locals = [0x02, 0x01, I32, ...unsigned(vectors), V128];
    const loop = [0x03, 0x40, ...this.body, ...next, ...again, 0x0b];
    return sized([...locals, ...splats, ...loop, 0x0b]);
  }
}

const of = (a: Code, b: Code, op: Code): Code => [...a, ...b, ...op];

function stepFunction(amsgrad: boolean): KernelFunction {
  const f = new KernelFunction(['w', 'm', 'v', 'u', 'g'], ['beta1', 'beta2', 'clip', 'rate', 'epsilon', 'keep']);
  f.set('gradient', of(f.load('g'), f.value('clip'), MUL));
  f.set('mean', of(of(f.load('m'), f.value('beta1'), MUL), f.value('gradient'), ADD));
  f.store('m', f.value('mean'));
  const square = of(f.value('gradient'), f.value('gradient'), MUL);
  f.set('square', of(of(f.load('v'), f.value('beta2'), MUL), square, ADD));
  f.store('v', f.value('square'));
  if (amsgrad) {
    f.set('square', of(f.load('u'), f.value('square'), MAX));
    f.store('u', f.value('square'));
  }
  const root = of([...f.value('square'), ...SQRT], f.value('epsilon'), ADD);
  const change = of(of(f.value('mean'), f.value('rate'), MUL), root, DIV);
  f.store('w', of(of(f.load('w'), f.value('keep'), MUL), change, SUB));
  return f;
}

function averageFunction(): KernelFunction {
  const f = new KernelFunction(['a', 'w'], ['follow']);
  f.set('now', f.load('a'));
  const way = of(of(f.load('w'), f.value('now'), SUB), f.value('follow'), MUL);
  f.store('a', of(f.value('now'), way, ADD));
  return f;
}

/** The kernel for arrays in a memory, or undefined if WebAssembly has no vector instructions here. */
export function adamKernel(memory: WebAssembly.Memory, amsgrad: boolean): AdamKernel | undefined {
  const functions = [stepFunction(amsgrad), averageFunction()];
  const code = functions.map((f) => f.code);
  const bytes = Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, list(functions.map((f) => f.type))),
    ...section(2, list([[...text('env'), ...text('memory'), 0x02, 0x00, 0x00]])),
    ...section(3, list([[0], [1]])),
    ...section(
      7,
      list([
        [...text('step'), 0x00, 0],
        [...text('average'), 0x00, 1],
      ]),
    ),
    ...section(10, list(code)),
  );
  if (!WebAssembly.validate(bytes)) return undefined;
  const module = new WebAssembly.Module(bytes);
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as AdamKernel;
}

/** A number in LEB128. */
function unsigned(n: number): Code {
  return n < 128 ? [n] : [(n & 127) | 128, ...unsigned(n >>> 7)];
}

const sized = (bytes: Code): Code => [...unsigned(bytes.length), ...bytes];
const vector = (items: Code): Code => [...unsigned(items.length), ...items];
const list = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const section = (id: number, content: Code): Code => [id, ...sized(content)];
const text = (name: string): Code => sized([...Buffer.from(name)]);
