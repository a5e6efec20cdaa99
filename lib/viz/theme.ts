import type { Colour, ColourScale } from './spec.js';

/**
 * Colours of series that people with red-green colour blindness can distinguish, too (after Okabe
 * and Ito 2008, darker on white).
 */
export const palette = {
  blue: '#2a6fb0',
  orange: '#d9762b',
  green: '#2b8a6b',
  purple: '#8a56a8',
  red: '#c8423f',
  gold: '#b8920f',
  sky: '#58a6d6',
  grey: '#7c8794',
} as const;

/** Colours of series in their order. */
export const seriesColours: readonly Colour[] = [
  palette.blue,
  palette.orange,
  palette.green,
  palette.purple,
  palette.red,
  palette.gold,
  palette.sky,
  palette.grey,
];

/** The colours of text and lines. */
export const ink = { text: '#1d2733', quiet: '#5d6b7a', line: '#b9c2cb', grid: '#e8ecf0', paper: '#ffffff' } as const;

export const fontFamily = "'Source Sans 3', 'Source Sans Pro', system-ui, 'Segoe UI', Helvetica, Arial, sans-serif";

/** From light to dark, for quantities. */
export const amounts: ColourScale = [
  [0, '#eef4fa'],
  [0.25, '#b9d5ea'],
  [0.5, '#6fa9d4'],
  [0.75, '#2f74b3'],
  [1, '#12365f'],
];

/** From transparent, over a photo: 0 is invisible. */
export const heat: ColourScale = [
  [0, 'rgba(255,225,120,0)'],
  [0.35, 'rgba(255,196,70,0.45)'],
  [0.7, 'rgba(240,110,40,0.7)'],
  [1, 'rgba(190,20,30,0.85)'],
];

/** From bad to good, through a light middle. */
export const scores: ColourScale = [
  [0, '#c9553a'],
  [0.5, '#e9c46a'],
  [1, '#1f7a5c'],
];

/** The colour at a position of a scale, 0 to 1, as `rgba()`. */
export function colourAt(scale: ColourScale, at: number): Colour {
  const place = Math.min(1, Math.max(0, Number.isFinite(at) ? at : 0));
  const next = Math.max(
    1,
    scale.findIndex(([stop]) => stop >= place),
  );
  const [[from, a], [to, b]] = [scale[next - 1], scale[next]];
  const share = to > from ? (place - from) / (to - from) : 0;
  const [start, end] = [channels(a), channels(b)];
  const mixed = start.map((value, i) => value + share * (end[i] - value));
  return `rgba(${mixed
    .slice(0, 3)
    .map((value) => Math.round(value))
    .join(',')},${Number(mixed[3].toFixed(3))})`;
}

/** Red, green, blue (0 to 255) and alpha (0 to 1) of `#rrggbb` or `rgba()`. */
export function channels(colour: Colour): [number, number, number, number] {
  const hex = /^#(..)(..)(..)$/.exec(colour);
  if (hex) return [Number.parseInt(hex[1], 16), Number.parseInt(hex[2], 16), Number.parseInt(hex[3], 16), 1];
  const [r = 0, g = 0, b = 0, a = 1] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return [r, g, b, a];
}
