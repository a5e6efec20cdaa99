import { display, type Displayable, type DisplayData } from './display.js';
import { rasterise } from './figure.js';
import { escapeHtml } from './html.js';
import { photoUrl, type ImageSource } from './photos.js';
import { drawText, wrapText } from './static/text.js';
import { fontFamily, ink } from './theme.js';

/** A photo of a gallery, with its texts. */
export interface GalleryItem {
  readonly photo: ImageSource;
  /** Heading in bold. */
  readonly name?: string;
  /** Captions by a captioner, the likeliest first. */
  readonly captions?: readonly string[];
  /** Captions by people. */
  readonly references?: readonly string[];
  /** Note in small type. */
  readonly note?: string;
}

/** Options of a gallery. */
export interface GalleryOptions {
  /** Photos per row. Default: 4, or as many as there are. */
  readonly columns?: number;
  /** Width of a card in pixels. Default 210. */
  readonly card?: number;
  /** Photos as the encoder sees them: squashed to a square. */
  readonly square?: boolean;
}

/** Lines of a card as drawn. */
interface CardLine {
  readonly text: string;
  readonly bold?: boolean;
  readonly colour?: string;
  readonly size: number;
}

/** Photos with their captions. */
export class Gallery implements Displayable {
  constructor(
    readonly items: readonly GalleryItem[],
    private readonly options: GalleryOptions = {},
  ) {}

  /** HTML with the cards side by side and the photos embedded. It needs no script. */
  async toHtml(): Promise<string> {
    const { card = 210, square } = this.options;
    const cards = await Promise.all(
      this.items.map(async ({ photo, name, captions = [], references = [], note }) => {
        const { url } = await photoUrl(photo, 2 * card, square);
        const alt = escapeHtml(captions[0] ?? references[0] ?? name ?? 'a photo');
        const lines = [
          name && `<b>${escapeHtml(name)}</b>`,
          ...captions.map(
            (caption, i) => `<div style="${i ? `color:${ink.quiet}` : 'font-weight:600'}">${escapeHtml(caption)}</div>`,
          ),
          references.length > 0 &&
            `<ul style="margin:4px 0 0;padding-left:16px;color:${ink.quiet}">${references.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul>`,
          note && `<div style="color:${ink.quiet};font-size:12px">${escapeHtml(note)}</div>`,
        ];
        return `<figure style="margin:0;width:${card}px"><img src="${url}" alt="${alt}" style="width:100%;border-radius:6px"><figcaption style="line-height:1.35">${lines.filter(Boolean).join('')}</figcaption></figure>`;
      }),
    );
    const columns = Math.min(this.options.columns ?? 4, this.items.length);
    return `<div style="display:grid;grid-template-columns:repeat(${columns},${card}px);gap:16px;overflow-x:auto;font:14px ${fontFamily.replaceAll('"', "'")};color:${ink.text};background:${ink.paper};padding:8px">${cards.join('')}</div>`;
  }

  /** The cards as a picture. */
  async toSvg(): Promise<string> {
    const { card = 210, square } = this.options;
    const columns = Math.min(this.options.columns ?? 4, this.items.length);
    const gap = 16;
    const cards = await Promise.all(
      this.items.map(async (item) => {
        const { url, width, height } = await photoUrl(item.photo, 2 * card, square);
        const lines = linesOf(item, card);
        const photoHeight = Math.min(card * 1.25, (height / width) * card);
        return {
          url,
          lines,
          photoHeight,
          height: photoHeight + 8 + lines.reduce((sum, { size }) => sum + size * 1.3, 0),
        };
      }),
    );
    let svg = '';
    let y = gap;
    for (let first = 0; first < cards.length; first += columns) {
      const row = cards.slice(first, first + columns);
      row.forEach(({ url, lines, photoHeight }, i) => {
        const x = gap + i * (card + gap);
        svg += `<image href="${url}" x="${x}" y="${y}" width="${card}" height="${photoHeight}" preserveAspectRatio="xMidYMid meet"/>`;
        let baseline = y + photoHeight + 6;
        for (const { text, bold, colour, size } of lines) {
          baseline += size * 1.3;
          svg += drawText(text, x, baseline - size * 0.3, { size, bold, colour });
        }
      });
      y += Math.max(...row.map(({ height }) => height)) + gap;
    }
    const width = gap + columns * (card + gap);
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${Math.ceil(y)}"><rect width="100%" height="100%" fill="${ink.paper}"/>${svg}</svg>`;
  }

  async [display](): Promise<DisplayData> {
    const [html, svg] = await Promise.all([this.toHtml(), this.toSvg()]);
    const { type, bytes } = await rasterise(svg, true, 1.5);
    const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(svg)!;
    const text = this.items.map(
      ({ name, captions, references }) => captions?.[0] ?? references?.[0] ?? name ?? 'a photo',
    );
    return {
      data: { 'text/html': html, [type]: bytes.toString('base64'), 'text/plain': `[Photos: ${text.join(' | ')}]` },
      metadata: { [type]: { width: Number(width), height: Number(height) } },
    };
  }
}

function linesOf({ name, captions = [], references = [], note }: GalleryItem, width: number): CardLine[] {
  const wrap = (text: string, size: number, style: Omit<CardLine, 'text' | 'size'> = {}) =>
    wrapText(text, width, size, style.bold).map((line): CardLine => ({ text: line, size, ...style }));
  return [
    ...(name ? wrap(name, 14, { bold: true }) : []),
    ...captions.flatMap((caption, i) => wrap(caption, 14, i ? { colour: ink.quiet } : { bold: true })),
    ...references.flatMap((reference) => wrap(`· ${reference}`, 13, { colour: ink.quiet })),
    ...(note ? wrap(note, 12, { colour: ink.quiet }) : []),
  ];
}
