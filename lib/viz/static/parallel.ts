import type { ParallelTrace } from '../spec.js';
import { colourAt, ink } from '../theme.js';
import { drawScaleBar, type Area } from './scale-bar.js';
import { niceSteps } from './scale.js';
import { drawText, round } from './text.js';

/** Parallel coordinates: an axis for each dimension, and for each run a line through its values. */
export function drawParallel(trace: ParallelTrace, area: Area): string {
  const { dimensions, line } = trace;
  const [left, right] = [area.left + 30, area.right - 34];
  const [top, bottom] = [area.top + 22, area.bottom - 4];
  const gap = dimensions.length > 1 ? (right - left) / (dimensions.length - 1) : 0;
  const axes = dimensions.map(
    ({ values, range = [Math.min(...values), Math.max(...values)] as const, ...dimension }, i) => {
      const [low, high] = range[0] === range[1] ? [range[0] - 1, range[1] + 1] : range;
      const place = (value: number) => bottom - ((value - low) / (high - low)) * (bottom - top);
      return { ...dimension, values, x: left + i * gap, low, high, place };
    },
  );
  const [least, most] = [Math.min(...line.color), Math.max(...line.color)];
  const order = line.color.map((_, run) => run).sort((a, b) => line.color[a] - line.color[b]); // the best on top
  let svg = '';
  for (const run of order) {
    const colour = colourAt(line.colorscale, (line.color[run] - least) / (most - least || 1));
    const points = axes.map(({ x, place, values }) => ({ x, y: place(values[run]) }));
    let path = `M${round(points[0].x)} ${round(points[0].y)}`;
    for (const [i, { x, y }] of points.slice(1).entries()) {
      const before = points[i];
      const bend = (x - before.x) * 0.4;
      path += `C${round(before.x + bend)} ${round(before.y)} ${round(x - bend)} ${round(y)} ${round(x)} ${round(y)}`;
    }
    svg += `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2.2" stroke-opacity="0.85"/>`;
  }
  for (const axis of axes) {
    svg += `<path d="M${round(axis.x)} ${top}V${bottom}" stroke="${ink.text}"/>`;
    svg += drawText(axis.label, axis.x, top - 12, { size: 13, bold: true, anchor: 'middle' });
    const ticks = axis.tickvals ?? niceSteps(axis.low, axis.high, 5);
    for (const [i, value] of ticks.entries()) {
      const label =
        axis.ticktext?.[i] ?? Number(value.toPrecision(5)).toLocaleString('en', { maximumFractionDigits: 6 });
      svg += `<path d="M${round(axis.x - 3)} ${round(axis.place(value))}h6" stroke="${ink.text}"/>`;
      svg += drawText(label, axis.x + 7, axis.place(value) + 4, { size: 12, halo: ink.paper });
    }
  }
  const title = line.colorbar?.title.text;
  if (title) svg += drawText(title, area.right + 14, top - 12, { size: 12, colour: ink.quiet });
  return svg + drawScaleBar(trace, { ...area, top, bottom });
}
