import { Figure } from './figure.js';
import type { Axis, BarTrace, ScatterTrace, Values } from './spec.js';
import { palette } from './theme.js';

/** Options common to all charts. */
export interface ChartOptions {
  readonly title: string;
  readonly xTitle?: string;
  readonly yTitle?: string;
  readonly width?: number;
  readonly height?: number;
  readonly x?: Axis;
  readonly y?: Axis;
}

/** A line of a chart: its points and its name. */
export interface Series {
  readonly name?: string;
  readonly x: Values;
  readonly y: Values;
}

/** A line chart with one line per series. */
export function lineChart(
  series: readonly (Series & Partial<Pick<ScatterTrace, 'line' | 'mode' | 'text'>>)[],
  options: ChartOptions,
): Figure {
  return new Figure(
    {
      data: series.map(({ mode = 'lines', ...rest }) => ({ type: 'scatter', mode, ...rest })),
      layout: layoutOf(options),
    },
    `${options.title}: ${series.length > 1 ? `${series.length} lines` : 'a line'} over ${options.xTitle ?? 'x'}`,
  );
}

/** A bar chart with the bars of the series side by side. */
export function barChart(
  series: readonly (Series & Pick<BarTrace, 'marker' | 'text'>)[],
  options: ChartOptions,
): Figure {
  const one = series.length === 1 ? { marker: { color: palette.blue } } : {};
  return new Figure(
    { data: series.map((rest) => ({ type: 'bar', ...one, ...rest })), layout: { ...layoutOf(options), bargap: 0.2 } },
    `${options.title}: bars`,
  );
}

/** A horizontal bar chart with one bar per name, the first on top. */
export function rankedBars(
  items: readonly { readonly name: string; readonly value: number; readonly label?: string }[],
  { height = 70 + 20 * items.length, ...options }: ChartOptions,
): Figure {
  const rows = [...items].reverse();
  return new Figure(
    {
      data: [
        {
          type: 'bar',
          orientation: 'h',
          x: rows.map(({ value }) => value),
          // Two items may have the same name, so their positions are numbers.
          y: rows.map((_, i) => i),
          text: rows.map(({ value, label }) => label ?? value.toLocaleString('en')),
          textposition: 'outside',
          marker: { color: palette.blue },
        },
      ],
      layout: {
        ...layoutOf({ ...options, height }),
        yaxis: {
          tickvals: rows.map((_, i) => i),
          ticktext: rows.map(({ name }) => name),
          showgrid: false,
          range: [-0.6, rows.length - 0.4],
        },
        xaxis: { range: [0, 1.14 * Math.max(...items.map(({ value }) => value))], ...options.x },
      },
    },
    `${options.title}: ${items
      .slice(0, 5)
      .map(({ name, value }) => `${name} ${value}`)
      .join(', ')}`,
  );
}

/** A histogram of values. */
export function histogram(values: readonly number[], options: ChartOptions): Figure {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const x = [...counts.keys()].sort((a, b) => a - b);
  return barChart([{ x, y: x.map((value) => counts.get(value)!) }], options);
}

/** The layout of a chart with titles. */
export function layoutOf({ title, xTitle, yTitle, width = 720, height = 360, x, y }: ChartOptions) {
  return {
    title: { text: title },
    width,
    height,
    xaxis: { ...(xTitle && { title: { text: xTitle } }), ...x },
    yaxis: { ...(yTitle && { title: { text: yTitle } }), ...y },
  };
}
