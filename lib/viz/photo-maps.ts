import { Figure } from './figure.js';
import { photoUrl, type ImageSource } from './photos.js';
import type { Annotation, Axis, ColourScale, HeatmapTrace, LayoutImage } from './spec.js';
import { amounts, heat, ink } from './theme.js';
import { plainWord } from './words.js';

/** A map to draw, rows from top to bottom. */
interface NamedMap {
  readonly name: string;
  /** Smaller text below the name. */
  readonly note?: string;
  readonly values: readonly (readonly number[])[];
}

/** Options of maps over a photo. */
export interface PhotoMapOptions {
  readonly title: string;
  /** Panels per row. */
  readonly columns?: number;
  /** Width of a panel in pixels. */
  readonly panel?: number;
  /** Names of the rows and columns of square maps, drawn at their axes beside a scale of colours. */
  readonly labels?: readonly string[];
}

/** Maps side by side, over a photo or alone, on one scale or each on its own. */
async function panels(
  maps: readonly NamedMap[],
  photo: ImageSource | undefined,
  { title, columns = 5, panel = 150, labels }: PhotoMapOptions,
  scale: { colours: ColourScale; low?: number; high?: number; opacity?: number; smooth: boolean },
): Promise<Figure> {
  const across = Math.min(columns, maps.length);
  const down = Math.ceil(maps.length / across);
  const names = maps.some(({ note }) => note) ? 42 : 26;
  // Room for the names of rows and columns, and for the scale of colours.
  const around = labels ? { l: 84, r: 64, b: 70 } : { l: 12, r: 12, b: 12 };
  const [width, height] = [across * panel + around.l + around.r, down * (panel + names) + 40 + around.b];
  const url = photo === undefined ? undefined : (await photoUrl(photo, panel * 2, true)).url;
  const data: HeatmapTrace[] = [];
  const images: LayoutImage[] = [];
  const annotations: Annotation[] = [];
  const axes: Record<string, Axis> = {};
  maps.forEach(({ name, note, values }, i) => {
    const number = i === 0 ? '' : String(i + 1);
    const [column, row] = [i % across, Math.floor(i / across)];
    const rows = values.length;
    const cells = values[0].length;
    const inner = height - 40 - around.b;
    const top = 1 - (row * (panel + names) + names) / inner;
    const x = [(column + 0.03) / across, (column + 0.97) / across] as const;
    const y = [Math.max(0, top - (panel * 0.94) / inner), top] as const;
    const ticks = labels
      ? { tickvals: labels.map((_, at) => at), ticktext: labels, showgrid: false }
      : { visible: false };
    axes[`xaxis${number}`] = {
      domain: x,
      ...ticks,
      ...(labels && { tickangle: -45 }),
      range: [-0.5, cells - 0.5],
      anchor: `y${number}`,
    };
    axes[`yaxis${number}`] = {
      domain: y,
      ...ticks,
      ...(labels && { showticklabels: column === 0 }),
      range: [-0.5, rows - 0.5],
      autorange: 'reversed',
      anchor: `x${number}`,
    };
    const place = { xref: `x${number}`, yref: `y${number}` };
    if (url) {
      images.push({
        source: url,
        x: -0.5,
        y: -0.5,
        sizex: cells,
        sizey: rows,
        ...place,
        sizing: 'stretch',
        layer: 'below',
      });
    }
    data.push({
      type: 'heatmap',
      z: values,
      xaxis: place.xref,
      yaxis: place.yref,
      colorscale: scale.colours,
      ...(scale.low !== undefined && { zmin: scale.low }),
      ...(scale.high !== undefined && { zmax: scale.high }),
      ...(scale.opacity !== undefined && { opacity: scale.opacity }),
      zsmooth: scale.smooth ? 'best' : false,
      showscale: labels !== undefined && i === maps.length - 1,
      hoverinfo: 'skip',
    });
    annotations.push({
      text: `<b>${name}</b>${note ? `<br>${note}` : ''}`,
      x: (x[0] + x[1]) / 2,
      y: y[1],
      xref: 'paper',
      yref: 'paper',
      showarrow: false,
      xanchor: 'center',
      yanchor: 'bottom',
      font: { size: 13, color: ink.text },
    });
  });
  return new Figure(
    {
      data,
      layout: {
        title: { text: title },
        width,
        height,
        margin: { ...around, t: 40 },
        ...axes,
        images,
        annotations,
        showlegend: false,
      },
    },
    `${title}: ${maps.map(({ name }) => name).join(', ')}`,
  );
}

/**
 * Draws the part of a photo that each word of its caption comes from. The photo glows where hiding
 * it makes the word less probable. All words share one scale.
 *
 * @param words of the caption, and its end.
 * @param drops [words][grid][grid], as returned by `occlusion`.
 */
export async function occlusionMaps(
  photo: ImageSource,
  words: readonly string[],
  drops: readonly (readonly (readonly number[])[])[],
  options: Partial<PhotoMapOptions> = {},
): Promise<Figure> {
  const high = Math.max(0.05, ...drops.flat(2));
  const maps = words.map((word, i) => ({
    name: plainWord(word),
    note: `−${Math.max(0, ...drops[i].flat()).toFixed(1)}`,
    values: drops[i].map((row) => row.map((drop) => Math.max(0, drop))),
  }));
  return panels(
    maps,
    photo,
    { title: 'What each word rests on', ...options },
    { colours: heat, low: 0, high, smooth: true },
  );
}

/**
 * Draws some channels of an encoder's feature map over the photo, each on its own scale.
 * @param map [C, h, w], as `Encoder.featureMap` returns it for one photo.
 */
export async function channelMaps(
  photo: ImageSource,
  map: Float32Array,
  [, height, width]: readonly [channels: number, height: number, width: number],
  chosen: readonly number[],
  options: Partial<PhotoMapOptions> = {},
): Promise<Figure> {
  const maps = chosen.map((channel) => ({
    name: `channel ${channel}`,
    values: Array.from({ length: height }, (_, row) =>
      Array.from(map.subarray((channel * height + row) * width, (channel * height + row + 1) * width)),
    ),
  }));
  return panels(maps, photo, { title: 'What channels answer to', ...options }, { colours: heat, smooth: true });
}

/**
 * Draws maps of numbers without a photo on a common scale; with `labels`, the scale is drawn beside
 * them.
 */
export async function numberMaps(maps: readonly NamedMap[], options: PhotoMapOptions): Promise<Figure> {
  const values = maps.flatMap((map) => map.values.flat());
  const range = { low: Math.min(...values), high: Math.max(...values) };
  return panels(maps, undefined, options, { colours: amounts, smooth: false, ...range });
}
