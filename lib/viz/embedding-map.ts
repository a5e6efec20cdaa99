import { Figure } from './figure.js';
import { placeLabels } from './label-places.js';
import { photoUrl, type ImageSource } from './photos.js';
import { principalComponents } from './projection.js';
import type { LayoutImage, Trace } from './spec.js';
import { textWidth } from './static/text.js';
import { palette, seriesColours } from './theme.js';

/** A point of the map. */
export interface MappedPoint {
  readonly name: string;
  readonly vector: ArrayLike<number>;
  /** Group of the point; each group has its own colour. */
  readonly group?: string;
  readonly photo?: ImageSource;
}

/** Options of {@link embeddingMap}. */
export interface EmbeddingMapOptions {
  readonly title: string;
  readonly width?: number;
  readonly height?: number;
  /** Width of a photo, as a share of the map's. */
  readonly photoSize?: number;
  /** Whether to write names beside points without a photo. Default: for at most 120 of them. */
  readonly names?: boolean;
}

/**
 * Draws high-dimensional vectors as points in a plane (by {@link principalComponents}). Nearby
 * points are similar, as far as two dimensions can show.
 */
export async function embeddingMap(
  points: readonly MappedPoint[],
  { title, width = 760, height = 560, photoSize = 0.11, names = points.length <= 120 }: EmbeddingMapOptions,
): Promise<Figure> {
  const places = principalComponents(points.map(({ vector }) => vector));
  const spread = (axis: number) => {
    const values = places.map((place) => place[axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = (high - low || 1) * 0.09;
    return [low - room, high + room] as const;
  };
  const [xRange, yRange] = [spread(0), spread(1)];
  // The plot is the figure without its margins.
  const across = (place: readonly number[]) => ((place[0] - xRange[0]) / (xRange[1] - xRange[0])) * (width - 84);
  const down = (place: readonly number[]) => ((yRange[1] - place[1]) / (yRange[1] - yRange[0])) * (height - 130);
  const sides = placeLabels(
    points.map(({ name, photo }, i) => ({
      x: across(places[i]),
      y: down(places[i]),
      width: photo || !names ? 0 : textWidth(name, 12),
      height: photo || !names ? 0 : 14,
    })),
  );
  const groups = [...new Set(points.map(({ group }) => group ?? ''))];
  const data = groups.map((group, i): Trace => {
    const members = points.flatMap((point, at) =>
      (point.group ?? '') === group ? [{ ...point, place: places[at], index: at }] : [],
    );
    return {
      type: 'scatter',
      mode: names && members.some(({ photo }) => !photo) ? 'markers+text' : 'markers',
      ...(group && { name: group }),
      x: members.map(({ place }) => place[0]),
      y: members.map(({ place }) => place[1]),
      text: members.map(({ name, photo }) => (photo ? '' : name)),
      hovertext: members.map(({ name }) => name),
      hoverinfo: 'text',
      textposition: members.map(({ index }) => sides[index]),
      textfont: { size: 12 },
      marker: { color: groups.length > 1 ? seriesColours[i % seriesColours.length] : palette.blue, size: 6 },
    };
  });
  const images = await Promise.all(
    points.map(async ({ photo }, i): Promise<LayoutImage[]> => {
      if (!photo) return [];
      const { url } = await photoUrl(photo, Math.round(width * photoSize * 1.5), true);
      return [
        {
          source: url,
          x: places[i][0],
          y: places[i][1],
          sizex: (xRange[1] - xRange[0]) * photoSize,
          sizey: ((yRange[1] - yRange[0]) * photoSize * width) / height,
          xref: 'x',
          yref: 'y',
          xanchor: 'center',
          yanchor: 'middle',
          sizing: 'stretch',
        },
      ];
    }),
  );
  return new Figure(
    {
      data,
      layout: {
        title: { text: title },
        width,
        height,
        xaxis: { range: xRange, showticklabels: false, title: { text: 'first principal component' } },
        yaxis: { range: yRange, showticklabels: false, title: { text: 'second' } },
        images: images.flat(),
      },
    },
    `${title}: ${points.length} points in a plane`,
  );
}
