import type { BarTrace, Colour, HeatmapTrace, ScatterTrace, TextPosition } from '../spec.js';
import { amounts, channels, colourAt, ink, palette } from '../theme.js';
import { drawMarkup, drawText, round } from './text.js';
import type { Scale } from './scale.js';

/** The two axes that a trace lies on. */
export interface Plane {
  readonly x: Scale;
  readonly y: Scale;
}

const dashes = { solid: '', dot: ' stroke-dasharray="2 4"', dash: ' stroke-dasharray="7 5"' } as const;

export function dashOf(dash: 'solid' | 'dot' | 'dash' = 'solid'): string {
  return dashes[dash];
}

export function drawScatter(trace: ScatterTrace, { x, y }: Plane, colour: Colour): string {
  const points = trace.x.map((value, i) => {
    const other = trace.y[i];
    return value === null || other === null || other === undefined
      ? undefined
      : { x: round(x.place(value)), y: round(y.place(other)) };
  });
  let svg = '';
  if (trace.mode.includes('lines')) {
    let path = '';
    let before: { x: number; y: number } | undefined;
    for (const point of points) {
      if (point)
        path += before
          ? trace.line?.shape === 'hv'
            ? `H${point.x}V${point.y}`
            : `L${point.x} ${point.y}`
          : `M${point.x} ${point.y}`;
      before = point;
    }
    const { color = colour, width = 2, dash } = trace.line ?? {};
    if (trace.fill) svg += `<path d="${path}Z" fill="${trace.fillcolor ?? color}"/>`;
    if (width > 0)
      svg += `<path d="${path}" fill="none" stroke="${color}" stroke-width="${width}" stroke-linejoin="round" stroke-linecap="round"${dashOf(dash)}/>`;
  }
  if (trace.mode.includes('markers')) {
    const { size = 6, line } = trace.marker ?? {};
    const colours = markerColours(trace, colour);
    const rim = line ? ` stroke="${line.color ?? ink.paper}" stroke-width="${line.width ?? 1}"` : '';
    points.forEach((point, i) => {
      if (!point) return;
      const radius = (typeof size === 'number' ? size : size[i]) / 2;
      svg += `<circle cx="${point.x}" cy="${point.y}" r="${round(radius)}" fill="${colours(i)}"${rim}/>`;
    });
  }
  if (trace.text && trace.mode.includes('text')) {
    points.forEach((point, i) => {
      if (!point) return;
      const place = typeof trace.textposition === 'string' ? trace.textposition : trace.textposition?.[i];
      svg += label(trace.text?.[i] ?? '', point, place ?? 'middle center', trace.mode === 'text' ? 0 : 5, trace);
    });
  }
  return trace.opacity === undefined ? svg : `<g opacity="${trace.opacity}">${svg}</g>`;
}

function label(
  text: string,
  point: { x: number; y: number },
  place: TextPosition,
  gap: number,
  { textfont }: ScatterTrace,
): string {
  const style = { size: textfont?.size ?? 12, colour: textfont?.color ?? ink.text, halo: ink.paper };
  switch (place) {
    case 'middle right':
      return drawMarkup(text, point.x + gap + 3, point.y, style);
    case 'middle left':
      return drawMarkup(text, point.x - gap - 3, point.y, { ...style, anchor: 'end' });
    case 'top center':
      return drawMarkup(text, point.x, point.y - gap - 1, { ...style, anchor: 'middle', vertical: 'bottom' });
    case 'bottom center':
      return drawMarkup(text, point.x, point.y + gap + 1, { ...style, anchor: 'middle', vertical: 'top' });
    default:
      return drawMarkup(text, point.x, point.y, { ...style, anchor: 'middle' });
  }
}

/** The colour of each point. */
function markerColours({ marker }: ScatterTrace, colour: Colour): (point: number) => Colour {
  const given = marker?.color;
  if (given === undefined) return () => colour;
  if (typeof given === 'string') return () => given;
  if (typeof given[0] !== 'number') return (i) => String(given[i]);
  const numbers = given as readonly number[];
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  return (i) => colourAt(marker?.colorscale ?? amounts, (numbers[i] - low) / (high - low || 1));
}

/**
 * @param slot index and number of the bars side by side at a place.
 * @param base start of the bar at each place, for stacked bars.
 */
export function drawBars(
  trace: BarTrace,
  { x, y }: Plane,
  colour: Colour,
  slot: { readonly index: number; readonly of: number; readonly gap: number },
  base?: readonly number[],
): string {
  const flat = trace.orientation === 'h';
  const [along, across] = flat ? [x, y] : [y, x];
  const [lengths, places] = flat ? [trace.x, trace.y] : [trace.y, trace.x];
  const unit = Math.abs(across.place(1) - across.place(0)) || 20;
  const thickness = Math.max(1, (unit * (trace.width ?? 1 - slot.gap)) / slot.of);
  let svg = '';
  lengths.forEach((length, i) => {
    const place = places[i];
    if (length === null || place === null) return;
    const middle = across.place(place) + (slot.index - (slot.of - 1) / 2) * thickness;
    const from = along.place(along.log ? 10 ** along.domain[0] : (base?.[i] ?? 0));
    const to = along.place(Number(length) + (base?.[i] ?? 0));
    const given = trace.marker?.color;
    const fill = given === undefined ? colour : typeof given === 'string' ? given : given[i];
    const [start, size] = [round(Math.min(from, to)), round(Math.abs(to - from))];
    const edge = round(middle - thickness / 2);
    svg += flat
      ? `<rect x="${start}" y="${edge}" width="${size}" height="${round(thickness)}" fill="${fill}"/>`
      : `<rect x="${edge}" y="${start}" width="${round(thickness)}" height="${size}" fill="${fill}"/>`;
    const text = trace.text?.[i];
    if (text && trace.textposition !== 'none') {
      svg += flat
        ? drawText(text, to + 4, middle + 4, { size: 12, colour: ink.quiet })
        : drawText(text, middle, to - 5, { size: 12, colour: ink.quiet, anchor: 'middle' });
    }
  });
  return trace.opacity === undefined ? svg : `<g opacity="${trace.opacity}">${svg}</g>`;
}

/** Cells of a heat map; with `zsmooth`, finer ones between which colours are interpolated. */
export function drawHeatmap(trace: HeatmapTrace, { x, y }: Plane): string {
  const rows = trace.z.length;
  const columns = trace.z[0]?.length ?? 0;
  const values = trace.z.flat();
  const low = trace.zmin ?? Math.min(...values);
  const high = trace.zmax ?? Math.max(...values);
  const finer = trace.zsmooth === 'best' ? Math.ceil(42 / Math.max(rows, columns)) : 1;
  const at = (row: number, column: number) => {
    const [r, c] = [clamp(row, rows - 1), clamp(column, columns - 1)];
    const [r0, c0] = [Math.floor(r), Math.floor(c)];
    const [r1, c1] = [Math.min(rows - 1, r0 + 1), Math.min(columns - 1, c0 + 1)];
    const [dr, dc] = [r - r0, c - c0];
    return (
      (1 - dr) * ((1 - dc) * trace.z[r0][c0] + dc * trace.z[r0][c1]) +
      dr * ((1 - dc) * trace.z[r1][c0] + dc * trace.z[r1][c1])
    );
  };
  const position = (values_: HeatmapTrace['x'], scale: Scale, index: number) => {
    const near = Math.round(index);
    const value = scale.categories ? near : Number(values_?.[clamp(near, (values_?.length ?? 1) - 1)] ?? near);
    const step = scale.categories || !values_ || values_.length < 2 ? 1 : Number(values_[1]) - Number(values_[0]);
    return scale.place(value + (index - near) * step);
  };
  let svg = '';
  for (let row = 0; row < rows * finer; row++) {
    for (let column = 0; column < columns * finer; column++) {
      const [r, c] = [(row + 0.5) / finer - 0.5, (column + 0.5) / finer - 0.5];
      const half = 0.5 / finer;
      const fill = colourAt(trace.colorscale, (at(r, c) - low) / (high - low || 1));
      if (channels(fill)[3] === 0) continue;
      const [left, right] = [c - half, c + half].map((edge) => halfPixel(position(trace.x, x, edge))).sort(ascending);
      const [top, bottom] = [r - half, r + half].map((edge) => halfPixel(position(trace.y, y, edge))).sort(ascending);
      svg += `<rect x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" fill="${fill}"/>`;
    }
  }
  return `<g shape-rendering="crispEdges"${trace.opacity === undefined ? '' : ` opacity="${trace.opacity}"`}>${svg}</g>`;
}

/** The colour of a trace as its legend shows it. */
export function legendColour(trace: ScatterTrace | BarTrace, colour: Colour): Colour {
  const marker = trace.marker?.color;
  if (trace.type === 'scatter' && trace.mode.includes('lines')) return trace.line?.color ?? colour;
  return typeof marker === 'string' ? marker : Array.isArray(marker) ? palette.grey : colour;
}

/** Neighbouring cells share their edges to the half pixel: translucent ones neither overlap nor leave a seam. */
function halfPixel(value: number): number {
  return Math.round(2 * value) / 2;
}

function ascending(a: number, b: number): number {
  return a - b;
}

function clamp(value: number, most: number): number {
  return Math.min(most, Math.max(0, value));
}
