import { F32, I32, V128, instantiate, type Code, type WasmFunction } from '../../wasm/module.js';

/**
 * The arithmetic of Adam as WebAssembly, four numbers at a time: each array is read and written
 * once, where TensorFlow.js operations pass over it ten times. Changes `bytes` bytes of arrays at
 * the given addresses.
 */
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

const f32x4 = (op: number): Code => [0xfd, op, 0x01];
const [SQRT, ADD, SUB, MUL, DIV, MAX] = [0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe9].map(f32x4);

/** A function of addresses, a number of bytes and scalars that handles four numbers per round. */
class KernelFunction {
  private readonly locals: string[] = [];
  private readonly body: number[] = [];
  private readonly offset = 'offset';

  constructor(
    private readonly arrays: readonly string[],
    private readonly scalars: readonly string[],
  ) {}

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

  /** The function as part of a module. */
  named(name: string): WasmFunction {
    const splats = this.scalars.flatMap((s) => [0x20, this.index(s), 0xfd, 0x13, 0x21, this.index(`${s}x4`)]);
    const offset = this.index(this.offset);
    const next = [0x20, offset, 0x41, 16, 0x6a, 0x22, offset]; // offset += 16
    const again = [0x20, this.index('bytes'), 0x49, 0x0d, 0x00]; // if offset < bytes
    return {
      name,
      parameters: [...this.arrays.map(() => I32), I32, ...this.scalars.map(() => F32)],
      locals: [I32, ...this.scalars.map(() => V128), ...this.locals.map(() => V128)],
      body: [...splats, 0x03, 0x40, ...this.body, ...next, ...again, 0x0b],
    };
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
  return instantiate<AdamKernel>([stepFunction(amsgrad).named('step'), averageFunction().named('average')], memory);
}
