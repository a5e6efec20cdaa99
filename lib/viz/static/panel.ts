import type { Axis, BarTrace, Layout, ParallelTrace, Trace } from '../spec.js';
import { ink } from '../theme.js';
import { drawBars, drawHeatmap, drawScatter, type Plane } from './marks.js';
import { drawScaleBar, type Area } from './scale-bar.js';
import { makeScale } from './scale.js';
import { drawMarkup, drawText, round, textWidth } from './text.js';

/** A trace that lies on two axes. */
export type PlaneTrace = Exclude<Trace, ParallelTrace>;

/** A pair of axes with what lies on it. */
export interface Panel extends Plane {
  readonly xAxis: Axis;
  readonly yAxis: Axis;
  readonly traces: readonly PlaneTrace[];
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** The pairs of axes of a figure, by their names (`x2 y2`). */
export function panelsOf(data: readonly Trace[], layout: Layout, area: Area): Map<string, Panel> {
  const panels = new Map<string, Panel>();
  const flat = data.filter((trace): trace is PlaneTrace => trace.type !== 'parcoords');
  for (const trace of flat) {
    const [xName, yName] = [trace.xaxis ?? 'x', trace.yaxis ?? 'y'];
    const name = `${xName} ${yName}`;
    if (panels.has(name)) continue;
    const xAxis = axisOf(layout, xName);
    const yAxis = axisOf(layout, yName);
    const [x0, x1] = xAxis.domain ?? [0, 1];
    const [y0, y1] = yAxis.domain ?? [0, 1];
    let [left, right] = [x0, x1].map((share) => area.left + share * (area.right - area.left));
    let [bottom, top] = [y0, y1].map((share) => area.bottom - share * (area.bottom - area.top));
    const onX = flat.filter((other) => (other.xaxis ?? 'x') === xName);
    const onY = flat.filter((other) => (other.yaxis ?? 'y') === yName);
    const traces = flat.filter((other) => (other.xaxis ?? 'x') === xName && (other.yaxis ?? 'y') === yName);
    if (yAxis.scaleanchor) {
      const [xs, ys] = [makeScale(xAxis, onX, 'x', [0, 1]).domain, makeScale(yAxis, onY, 'y', [1, 0]).domain];
      const unit = Math.min((right - left) / Math.abs(xs[1] - xs[0]), (bottom - top) / Math.abs(ys[1] - ys[0]));
      const [w, h] = [unit * Math.abs(xs[1] - xs[0]), unit * Math.abs(ys[1] - ys[0])];
      [left, right] = [(left + right - w) / 2, (left + right + w) / 2];
      [top, bottom] = [(top + bottom - h) / 2, (top + bottom + h) / 2];
    }
    const x = makeScale(xAxis, onX, 'x', [left, right]);
    const y = makeScale(yAxis, onY, 'y', [bottom, top]);
    panels.set(name, { x, y, xAxis, yAxis, traces, left, right, top, bottom });
  }
  return panels;
}

/** `x2` -> layout.xaxis2. */
function axisOf(layout: Layout, name: string): Axis {
  return layout[`${name[0] as 'x' | 'y'}axis${name.slice(1)}`] ?? {};
}

/** Axes, traces and titles. */
export function drawPanel(panel: Panel, layout: Layout, colours: ReadonlyMap<Trace, string>): string {
  const { y, xAxis, yAxis, traces, left, right, top, bottom } = panel;
  let svg = drawAxes(panel);
  const bars = traces.filter((trace): trace is BarTrace => trace.type === 'bar');
  const stacked = layout.barmode === 'stack';
  const base = new Map<string, number>();
  const clip = `clip${Math.round(left)}-${Math.round(top)}`;
  svg += `<clipPath id="${clip}"><rect x="${left - 6}" y="${top - 6}" width="${right - left + 12}" height="${bottom - top + 12}"/></clipPath><g clip-path="url(#${clip})">`;
  let labels = '';
  for (const trace of traces) {
    const colour = colours.get(trace)!;
    if (trace.type === 'heatmap') svg += drawHeatmap(trace, panel);
    else if (trace.type === 'scatter') {
      if (trace.mode.includes('text')) labels += drawScatter(trace, panel, colour);
      else svg += drawScatter(trace, panel, colour);
    } else {
      const slots = layout.barmode === 'group' || layout.barmode === undefined ? bars.length : 1;
      const slot = { index: slots > 1 ? bars.indexOf(trace) : 0, of: slots, gap: layout.bargap ?? 0.25 };
      const [lengths, places] = trace.orientation === 'h' ? [trace.x, trace.y] : [trace.y, trace.x];
      const from = stacked ? places.map((place) => base.get(String(place)) ?? 0) : undefined;
      labels += drawBars(trace, panel, colour, slot, from);
      if (stacked) lengths.forEach((length, i) => base.set(String(places[i]), from![i] + Number(length)));
    }
  }
  svg += `</g>${labels}`;
  if (xAxis.title && xAxis.visible !== false) {
    svg += drawMarkup(xAxis.title.text, (left + right) / 2, bottom + 30, {
      anchor: 'middle',
      size: 13,
      colour: ink.quiet,
      vertical: 'top',
    });
  }
  if (yAxis.title && yAxis.visible !== false) {
    const labels = yAxis.showticklabels === false ? [] : y.ticks.map(({ label }) => textWidth(label, 12));
    const widest = Math.max(0, ...labels);
    svg += drawText(yAxis.title.text, left - widest - 18, (top + bottom) / 2, {
      anchor: 'middle',
      size: 13,
      colour: ink.quiet,
      rotate: -90,
    });
  }
  for (const trace of traces) svg += drawScaleBar(trace, panel);
  return svg;
}

function drawAxes({ x, y, xAxis, yAxis, left, right, top, bottom }: Panel): string {
  let svg = '';
  const inside = ({ at }: { at: number }, low: number, high: number) => at >= low - 1 && at <= high + 1;
  if (xAxis.visible !== false) {
    const ticks = x.ticks.filter((tick) => inside(tick, left, right));
    if (xAxis.showgrid !== false && !x.categories) {
      for (const { at } of ticks) svg += `<path d="M${round(at)} ${top}V${bottom}" stroke="${ink.grid}"/>`;
    }
    svg += `<path d="M${left} ${bottom}H${right}" stroke="${ink.line}"/>`;
    const room = ticks.length > 1 ? Math.abs(ticks[1].at - ticks[0].at) : Infinity;
    const turned = xAxis.tickangle !== undefined || ticks.some(({ label }) => textWidth(label, 12) > room - 4);
    if (xAxis.showticklabels !== false) {
      for (const { at, label } of ticks) {
        svg +=
          turned && (x.categories || xAxis.tickangle !== undefined)
            ? drawText(label, at + 4, bottom + 10, { size: 12, anchor: 'end', rotate: xAxis.tickangle ?? -45 })
            : drawMarkup(label, at, bottom + 7, { size: 12, anchor: 'middle', vertical: 'top' });
      }
    }
  }
  if (yAxis.visible !== false) {
    const ticks = y.ticks.filter((tick) => inside(tick, top, bottom));
    if (yAxis.showgrid !== false && !y.categories) {
      for (const { at } of ticks) svg += `<path d="M${left} ${round(at)}H${right}" stroke="${ink.grid}"/>`;
    }
    if (yAxis.showticklabels !== false) {
      for (const { at, label } of ticks) svg += drawText(label, left - 8, at + 4, { size: 12, anchor: 'end' });
    }
  }
  return svg;
}
