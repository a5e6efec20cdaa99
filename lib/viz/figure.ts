import { randomUUID } from 'node:crypto';
import { display, type Displayable, type DisplayData } from './display.js';
import { escapeHtml } from './html.js';
import type { FigureSpec, Layout } from './spec.js';
import { renderSvg } from './static/render.js';
import { fontFamily, ink, seriesColours } from './theme.js';

/** Key of a figure's Plotly data, layout and config, as JSON, in the metadata of its output. Viewers ignore it. */
export const specKey = 'captioner.plotly';

/** Most characters of a spec in metadata. Figures with photos are larger: they remain pictures. */
const largestSpec = 20_000;

/**
 * A figure: a Plotly spec, and a description in words. It is interactive where Plotly runs (`toHtml`), and a
 * picture everywhere else (`toSvg`, `toImage`): the project draws the same spec without a browser.
 *
 * ```ts
 * await show(new Figure({ data: [{ type: 'bar', x: ['a', 'b'], y: [1, 2] }], layout: { width: 400, height: 300 } }, 'two bars'));
 * ```
 */
export class Figure implements Displayable {
  constructor(
    readonly spec: FigureSpec,
    /** Description for people who cannot see the figure. */
    readonly description: string,
  ) {}

  /** A drawing that needs neither fonts nor scripts. */
  toSvg(): string {
    return renderSvg(this.spec);
  }

  /**
   * The drawing as pixels: PNG, or JPEG if it contains photos.
   * @param scale pixels per unit of the layout.
   */
  async toImage(scale = 2): Promise<{ type: 'image/png' | 'image/jpeg'; bytes: Buffer }> {
    return rasterise(this.toSvg(), (this.spec.layout.images ?? []).length > 0, scale);
  }

  /**
   * HTML for a page that has loaded Plotly (see `plotlyScript`). Without Plotly it remains a
   * picture.
   */
  async toHtml(): Promise<string> {
    return this.htmlAround(await this.toImage());
  }

  /** Data, layout and config for `Plotly.newPlot`. */
  plotly(): readonly [data: FigureSpec['data'], layout: object, config: object] {
    const { data, layout } = this.spec;
    return [data, withTheme(layout), { displaylogo: false, displayModeBar: false }];
  }

  private htmlAround({ type, bytes }: { type: string; bytes: Buffer }): string {
    const { layout } = this.spec;
    const id = `figure-${randomUUID().slice(0, 8)}`;
    const parameters = this.plotly().map(scriptJson).join(',');
    return (
      `<div id="${id}" style="width:${layout.width}px;max-width:100%;min-height:${layout.height}px;overflow-x:auto">` +
      `<img src="data:${type};base64,${bytes.toString('base64')}" alt="${escapeHtml(this.description)}" style="width:${layout.width}px;max-width:100%"></div>` +
      // Neither the element nor Plotly may be in the page yet: keep trying for a while.
      `<script>(function draw(tries){var place=document.getElementById("${id}");if(!place||!window.Plotly){if(tries<50)setTimeout(draw,100,tries+1);return}` +
      `place.replaceChildren();window.Plotly.newPlot(place,${parameters})})(0)</script>`
    );
  }

  async [display](): Promise<DisplayData> {
    const image = await this.toImage();
    const { type, bytes } = image;
    const { width, height } = this.spec.layout;
    const spec = JSON.stringify(this.plotly());
    return {
      data: {
        'text/html': this.htmlAround(image),
        [type]: bytes.toString('base64'),
        'text/plain': `[${this.description}]`,
      },
      // Saved notebooks keep the picture alone: a small spec beside it lets a page draw the figure live.
      metadata: { [type]: { width, height }, ...(spec.length <= largestSpec && { [specKey]: spec }) },
      needsPlotly: true,
    };
  }
}

/** SVG as pixels. */
export async function rasterise(
  svg: string,
  photos: boolean,
  scale = 2,
): Promise<{ type: 'image/png' | 'image/jpeg'; bytes: Buffer }> {
  const { default: sharp } = await import('sharp');
  const image = sharp(Buffer.from(svg), { density: 72 * scale, unlimited: true });
  return photos
    ? {
        type: 'image/jpeg',
        bytes: await image.flatten({ background: ink.paper }).jpeg({ quality: 82, mozjpeg: true }).toBuffer(),
      }
    : { type: 'image/png', bytes: await image.png({ palette: true, colours: 96, compressionLevel: 9 }).toBuffer() };
}

/**
 * Layout common to all figures, in Plotly's terms: fonts, colours, the title on the left, the
 * legend above the plot.
 */
function withTheme(layout: Layout): Record<string, unknown> {
  const axes = Object.entries(layout).filter(([name]) => /^[xy]axis/.test(name));
  const theme = { automargin: true, gridcolor: ink.grid, linecolor: ink.line, zeroline: false };
  return {
    margin: { l: 60, r: 24, t: layout.title ? 68 : 24, b: 48 },
    font: { family: fontFamily, size: 13, color: ink.text },
    colorway: seriesColours,
    paper_bgcolor: ink.paper,
    plot_bgcolor: ink.paper,
    legend: { orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom' },
    bargap: 0.25,
    hovermode: 'closest',
    xaxis: theme,
    yaxis: theme,
    ...layout,
    ...(layout.title && {
      title: { text: `<b>${layout.title.text}</b>`, x: 0.015, xanchor: 'left', font: { size: 16 } },
    }),
    ...Object.fromEntries(axes.map(([name, axis]) => [name, { ...theme, ...(axis as object) }])),
  };
}

/** JSON that is safe inside a script of an HTML page. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
}
