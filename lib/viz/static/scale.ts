import type { Axis, BarTrace, Trace, Values } from '../spec.js';

/** A mark on an axis. */
export interface Tick {
  /** Pixels. */
  readonly at: number;
  readonly label: string;
}

/** Maps values of an axis to pixels. */
export interface Scale {
  /** The position of a number, or of a category by name or index. */
  place(value: number | string): number;
  readonly ticks: readonly Tick[];
  readonly categories?: readonly string[];
  /**
   * Whether the axis is logarithmic. Coordinates of annotations and images are then logarithms, as
   * in Plotly.
   */
  readonly log: boolean;
  /** Minimum and maximum (logarithms on logarithmic axes). */
  readonly domain: readonly [number, number];
}

/** Creates the scale of an axis from its data. */
export function makeScale(
  axis: Axis,
  traces: readonly Exclude<Trace, { type: 'parcoords' }>[],
  along: 'x' | 'y',
  [from, to]: readonly [number, number],
): Scale {
  const values = traces.flatMap((trace) => valuesOf(trace, along));
  const words = values.filter((value): value is string => typeof value === 'string');
  const categorical = axis.type === 'category' || (axis.type === undefined && words.length > 0);
  const categories = categorical ? [...new Set(values.map(String))] : undefined;
  const log = axis.type === 'log';
  const numbers = values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value));
  let [low, high] = categories
    ? [-0.5, categories.length - 0.5]
    : (axis.range ?? extent(log ? numbers.filter((n) => n > 0).map(Math.log10) : numbers, traces, along));
  if (axis.range && categories) [low, high] = axis.range;
  if (axis.autorange === 'reversed') [low, high] = [high, low];
  const linear = (value: number) => from + ((value - low) / (high - low || 1)) * (to - from);
  const place = (value: number | string) => {
    if (categories) return linear(typeof value === 'number' ? value : categories.indexOf(value));
    return linear(log ? Math.log10(Number(value)) : Number(value));
  };
  return { place, ticks: ticksOf(), ...(categories && { categories }), log, domain: [low, high] };

  function ticksOf(): Tick[] {
    if (axis.tickvals) {
      return axis.tickvals.map((value, i) => ({
        at: place(value),
        label: axis.ticktext?.[i] ?? formatTick(value, axis),
      }));
    }
    if (categories) return categories.map((label, i) => ({ at: linear(i), label }));
    const [least, most] = [Math.min(low, high), Math.max(low, high)];
    if (log) return powers(least, most).map((value) => ({ at: place(value), label: formatTick(value, axis) }));
    const count = along === 'x' ? Math.max(2, Math.abs(to - from) / 70) : Math.max(2, Math.abs(to - from) / 48);
    return niceSteps(least, most, count).map((value) => ({ at: place(value), label: formatTick(value, axis) }));
  }
}

function valuesOf(trace: Exclude<Trace, { type: 'parcoords' }>, along: 'x' | 'y'): Values {
  if (trace.type !== 'heatmap') return trace[along];
  const cells = along === 'x' ? (trace.z[0]?.length ?? 0) : trace.z.length;
  return trace[along] ?? Array.from({ length: cells }, (_, i) => i);
}

/** Minimum and maximum with some margin. Bars begin at 0; heat maps end with their cells. */
function extent(
  numbers: readonly number[],
  traces: readonly Exclude<Trace, { type: 'parcoords' }>[],
  along: 'x' | 'y',
): [number, number] {
  if (numbers.length === 0) return [0, 1];
  let low = Infinity;
  let high = -Infinity;
  for (const value of numbers) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (traces.some(({ type }) => type === 'heatmap')) return [low - 0.5, high + 0.5];
  const bars = traces.filter((trace): trace is BarTrace => trace.type === 'bar');
  const lengths = bars.some((bar) => (bar.orientation === 'h') === (along === 'x'));
  if (lengths) return [Math.min(0, low * 1.06), Math.max(0, high * 1.06)];
  if (bars.length > 0) return [low - 0.5, high + 0.5];
  const lines = traces.every((trace) => trace.type === 'scatter' && trace.mode === 'lines');
  const room = high > low ? (high - low) * (lines && along === 'x' ? 0 : 0.06) : Math.abs(high) * 0.1 || 1;
  return [low - room, high + room];
}

/** About `count` round numbers between two numbers. */
export function niceSteps(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999) ?? 10 * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Powers of ten between two logarithms; 2 and 5 times those where there are few. */
function powers(low: number, high: number): number[] {
  const factors = high - low < 2.2 ? [1, 2, 5] : [1];
  const found: number[] = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
    for (const factor of factors) {
      const log = power + Math.log10(factor);
      if (log >= low - 1e-9 && log <= high + 1e-9) found.push(Number((factor * 10 ** power).toPrecision(6)));
    }
  }
  return found;
}

function formatTick(value: number | string, { tickformat }: Axis): string {
  if (typeof value === 'string') return value;
  if (tickformat === '.0%') return `${Math.round(value * 100)}%`;
  if (tickformat === '.1f' || tickformat === '.2f') return value.toFixed(Number(tickformat[1]));
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e7))
    return value.toExponential(0).replace('e+', 'e');
  return Number(value.toPrecision(6)).toLocaleString('en', { maximumFractionDigits: 6 });
}
