/**
 * WebAssembly modules, written byte by byte (https://webassembly.github.io/spec/core/binary), so
 * that a kernel takes no compiler and no build step.
 */

/** Instructions or other parts of a module, as bytes. */
export type Code = readonly number[];

/** Types of values. */
export const [I32, F32, V128] = [0x7f, 0x7d, 0x7b];

/** A function that a module exports. It returns nothing: its results are in memory. */
export interface WasmFunction {
  readonly name: string;
  /** Types of the parameters. */
  readonly parameters: Code;
  /** Types of the local variables, which follow the parameters. */
  readonly locals: Code;
  readonly body: Code;
}

/** The exports of a module that works on a memory, or undefined if its instructions are not available here. */
export function instantiate<Exports>(
  functions: readonly WasmFunction[],
  memory: WebAssembly.Memory,
): Exports | undefined {
  const bytes = Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, list(functions.map(({ parameters }) => [0x60, ...vector(parameters), 0x00]))),
    ...section(2, list([[...text('env'), ...text('memory'), 0x02, 0x00, 0x00]])),
    ...section(3, list(functions.map((_, type) => unsigned(type)))),
    ...section(7, list(functions.map(({ name }, index) => [...text(name), 0x00, ...unsigned(index)]))),
    ...section(
      10,
      list(functions.map(({ locals, body }) => sized([...list(locals.map((type) => [1, type])), ...body, 0x0b]))),
    ),
  ]);
  if (!WebAssembly.validate(bytes)) return undefined;
  const module = new WebAssembly.Module(bytes);
  return new WebAssembly.Instance(module, { env: { memory } }).exports as Exports;
}

/** A natural number in LEB128. */
export function unsigned(n: number): Code {
  return n < 128 ? [n] : [(n & 127) | 128, ...unsigned(n >>> 7)];
}

const sized = (bytes: Code): Code => [...unsigned(bytes.length), ...bytes];
const vector = (items: Code): Code => [...unsigned(items.length), ...items];
const list = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const section = (id: number, content: Code): Code => [id, ...sized(content)];
const text = (name: string): Code => sized([...new TextEncoder().encode(name)]);
