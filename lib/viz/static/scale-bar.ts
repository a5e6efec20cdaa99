import type { Trace } from '../spec.js';
import { colourAt, ink } from '../theme.js';
import { drawText, round } from './text.js';

/** A part of a figure, in pixels. */
export interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** The colour scale and range of a trace that shows them beside the plot. */
export function scaleBarOf(trace: Trace) {
  if (trace.type === 'heatmap' && trace.showscale) {
    const values = trace.z.flat();
    return { scale: trace.colorscale, low: trace.zmin ?? Math.min(...values), high: trace.zmax ?? Math.max(...values) };
  }
  if (
    trace.type === 'scatter' &&
    trace.marker?.showscale &&
    trace.marker.colorscale &&
    Array.isArray(trace.marker.color)
  ) {
    const values = trace.marker.color as number[];
    return { scale: trace.marker.colorscale, low: Math.min(...values), high: Math.max(...values) };
  }
  if (trace.type === 'parcoords' && trace.line.showscale !== false) {
    return { scale: trace.line.colorscale, low: Math.min(...trace.line.color), high: Math.max(...trace.line.color) };
  }
  return undefined;
}

/** A colour scale with its least and greatest number, to the right of an area. */
export function drawScaleBar(trace: Trace, { right, top, bottom }: Area): string {
  const bar = scaleBarOf(trace);
  if (!bar) return '';
  let svg = '';
  const steps = 48;
  const step = (bottom - top) / steps;
  for (let i = 0; i < steps; i++) {
    svg += `<rect x="${right + 14}" y="${round(bottom - (i + 1) * step)}" width="12" height="${round(step + 0.4)}" fill="${colourAt(bar.scale, (i + 0.5) / steps)}"/>`;
  }
  const number = (value: number) => Number(value.toPrecision(3)).toLocaleString('en');
  svg += drawText(number(bar.high), right + 30, top + 9, { size: 11.5, colour: ink.quiet });
  return svg + drawText(number(bar.low), right + 30, bottom, { size: 11.5, colour: ink.quiet });
}
