import type { FigureSpec, Layout, Trace } from '../spec.js';
import { ink, seriesColours } from '../theme.js';
import { dashOf, legendColour } from './marks.js';
import { drawAnnotation, drawImage, drawShape } from './overlays.js';
import { drawPanel, panelsOf, type PlaneTrace } from './panel.js';
import { drawParallel } from './parallel.js';
import { scaleBarOf, type Area } from './scale-bar.js';
import { makeScale } from './scale.js';
import { drawMarkup, drawText, markupLines, textWidth } from './text.js';

/** Draws a figure as SVG, without a browser and without fonts: what Plotly draws of the same spec, at rest. */
export function renderSvg({ data, layout }: FigureSpec): string {
  const { width, height } = layout;
  const area = plotArea(data, layout);
  const colours = new Map(data.map((trace, i) => [trace as Trace, seriesColours[i % seriesColours.length]]));
  const panels = panelsOf(data, layout, area);
  let svg = `<rect width="${width}" height="${height}" fill="${ink.paper}"/>`;
  svg += (layout.images ?? [])
    .filter(({ layer }) => layer === 'below')
    .map((image) => drawImage(image, panels, area))
    .join('');
  svg += (layout.shapes ?? [])
    .filter(({ layer }) => layer === 'below')
    .map((shape) => drawShape(shape, panels, area))
    .join('');
  for (const panel of panels.values()) svg += drawPanel(panel, layout, colours);
  for (const trace of data) if (trace.type === 'parcoords') svg += drawParallel(trace, area);
  svg += (layout.images ?? [])
    .filter(({ layer }) => layer !== 'below')
    .map((image) => drawImage(image, panels, area))
    .join('');
  svg += (layout.shapes ?? [])
    .filter(({ layer }) => layer !== 'below')
    .map((shape) => drawShape(shape, panels, area))
    .join('');
  svg += (layout.annotations ?? []).map((annotation) => drawAnnotation(annotation, panels, area)).join('');
  if (layout.title) svg += drawMarkup(`<b>${layout.title.text}</b>`, 14, 12, { size: 16, vertical: 'top' });
  if (hasLegend(data, layout)) svg += drawLegend(data, colours, area, width);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${svg}</svg>`;
}

function plotArea(data: readonly Trace[], layout: Layout): Area {
  const title = layout.title ? 20 + 20 * markupLines(layout.title.text).length : 16;
  const legend = hasLegend(data, layout) ? 4 + legendRow * legendPlaces(data, 40, layout.width).rows : 0;
  const labels = (layout.yaxis?.title ? 24 : 0) + longestLabel(data, layout);
  const {
    l = Math.max(20, labels + 18),
    r = 22,
    t = title + legend,
    b = layout.xaxis?.title ? 54 : 34,
  } = layout.margin ?? {};
  const bar = data.some((trace) => scaleBarOf(trace)) ? 56 : 0;
  return { left: l, right: layout.width - r - bar, top: t, bottom: layout.height - b };
}

/** Width of the labels beside the first y axis. */
function longestLabel(data: readonly Trace[], layout: Layout): number {
  const axis = layout.yaxis ?? {};
  if (axis.visible === false || axis.showticklabels === false) return 0;
  const traces = data.filter(
    (trace): trace is PlaneTrace => trace.type !== 'parcoords' && (trace.yaxis ?? 'y') === 'y',
  );
  const { ticks } = makeScale(axis, traces, 'y', [layout.height, 0]);
  return Math.max(0, ...ticks.map(({ label }) => textWidth(label, 12)));
}

function hasLegend(data: readonly Trace[], { showlegend }: Layout): boolean {
  if (showlegend === false) return false;
  const named = data.filter(
    (trace) => trace.type !== 'parcoords' && trace.type !== 'heatmap' && trace.name && trace.showlegend !== false,
  );
  return showlegend === true ? named.length > 0 : named.length > 1;
}

/** Height of a line of the legend. */
const legendRow = 20;

/** The place of each name of the legend: in lines that are as wide as the figure. @param start left end of the lines. */
function legendPlaces(data: readonly Trace[], start: number, width: number) {
  let [x, row] = [start, 0];
  const entries = data.flatMap((trace) => {
    if ((trace.type !== 'scatter' && trace.type !== 'bar') || !trace.name || trace.showlegend === false) return [];
    const size = 24 + textWidth(trace.name, 12.5);
    if (x > start && x + size > width - 8) [x, row] = [start, row + 1];
    const place = { trace, name: trace.name, x, row };
    x += size + 20;
    return [place];
  });
  return { entries, rows: row + 1 };
}

function drawLegend(
  data: readonly Trace[],
  colours: ReadonlyMap<Trace, string>,
  { left, top }: Area,
  width: number,
): string {
  const { entries, rows } = legendPlaces(data, Math.min(left, 40), width);
  const drawn = entries.map(({ trace, name, x, row }) => {
    const colour = legendColour(trace, colours.get(trace)!);
    const y = top - 15 - legendRow * (rows - 1 - row);
    const mark =
      trace.type === 'scatter' && trace.mode.includes('lines')
        ? `<path d="M${x} ${y}h18" stroke="${colour}" stroke-width="2.5"${dashOf(trace.line?.dash)}/>`
        : `<rect x="${x + 3}" y="${y - 6}" width="12" height="12" rx="2" fill="${colour}"/>`;
    return mark + drawText(name, x + 24, y + 4, { size: 12.5 });
  });
  return drawn.join('');
}
