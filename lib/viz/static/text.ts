import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import opentype from 'opentype.js';
import { ink } from '../theme.js';

/**
 * Text as outlines of Source Sans 3 (SIL Open Font License), which comes as a package: a figure looks the same on every machine, also where no font is
 * installed, and its size is known before it is drawn.
 */

export interface TextStyle {
  readonly size?: number;
  readonly bold?: boolean;
  readonly colour?: string;
  readonly anchor?: 'start' | 'middle' | 'end';
  /** Degrees, clockwise, around the anchor. */
  readonly rotate?: number;
  /** A rim in this colour keeps text legible over a picture or a line. */
  readonly halo?: string;
}

type Face = 'regular' | 'bold';

const files: Record<Face, readonly string[]> = {
  regular: ['latin-400', 'latin-ext-400'],
  bold: ['latin-600', 'latin-ext-600'],
};

const loaded = new Map<string, opentype.Font>();

function font(name: string): opentype.Font {
  let face = loaded.get(name);
  if (!face) {
    const file = createRequire(import.meta.url).resolve(
      `@fontsource/source-sans-3/files/source-sans-3-${name}-normal.woff`,
    );
    const bytes = readFileSync(file);
    face = opentype.parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer);
    loaded.set(name, face);
  }
  return face;
}

/** Glyphs of a line, each of the first font that has it, with their places along the line in pixels. Kerned, not shaped: enough for labels. */
function layOut(
  text: string,
  size: number,
  face: Face,
): { glyphs: { glyph: opentype.Glyph; at: number }[]; width: number } {
  const [main, extended] = files[face].map(font);
  const glyphs: { glyph: opentype.Glyph; at: number }[] = [];
  const scale = size / main.unitsPerEm;
  let at = 0;
  let before: opentype.Glyph | undefined;
  for (const character of text) {
    const missing = main.charToGlyphIndex(character) === 0 && extended.charToGlyphIndex(character) > 0;
    const glyph = (missing ? extended : main).charToGlyph(character);
    if (before && !missing) at += main.getKerningValue(before, glyph) * scale;
    glyphs.push({ glyph, at });
    at += (glyph.advanceWidth ?? 0) * scale;
    before = missing ? undefined : glyph;
  }
  return { glyphs, width: at };
}

/** Width of a line of text in pixels. */
export function textWidth(text: string, size = 13, bold = false): number {
  return layOut(text, size, bold ? 'bold' : 'regular').width;
}

/** A line of text, its baseline at y. */
export function drawText(text: string, x: number, y: number, style: TextStyle = {}): string {
  const { size = 13, bold = false, colour = ink.text, anchor = 'start', rotate = 0, halo } = style;
  const { glyphs, width } = layOut(text, size, bold ? 'bold' : 'regular');
  const from = x - (anchor === 'middle' ? width / 2 : anchor === 'end' ? width : 0);
  const outline = glyphs.map(({ glyph, at }) => pathData(glyph.getPath(from + at, y, size).commands)).join('');
  if (!outline) return '';
  const turned = rotate ? ` transform="rotate(${rotate} ${round(x)} ${round(y)})"` : '';
  const rim = halo ? ` stroke="${halo}" stroke-width="3.5" stroke-linejoin="round" paint-order="stroke"` : '';
  return `<path d="${outline}" fill="${colour}"${rim}${turned}/>`;
}

function pathData(commands: readonly opentype.PathCommand[]): string {
  const point = (x: number, y: number) => `${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10}`;
  return commands
    .map((command) => {
      switch (command.type) {
        case 'C':
          return `C${point(command.x1, command.y1)} ${point(command.x2, command.y2)} ${point(command.x, command.y)}`;
        case 'Q':
          return `Q${point(command.x1, command.y1)} ${point(command.x, command.y)}`;
        case 'Z':
          return 'Z';
        default:
          return `${command.type}${point(command.x, command.y)}`;
      }
    })
    .join('');
}

/** Lines of a text with `<br>`, and which of them are `<b>bold</b>` as a whole: the part of Plotly's markup that figures use. */
export function markupLines(text: string): { text: string; bold: boolean }[] {
  return text.split(/<br\s*\/?>/).map((line) => {
    const bold = /^<b>.*<\/b>$/.test(line.trim());
    const plain = line.replaceAll(/<\/?[a-z][^>]*>/g, '');
    return { text: plain.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'), bold };
  });
}

/** A text with markup around a point. */
export function drawMarkup(
  text: string,
  x: number,
  y: number,
  style: TextStyle & { readonly vertical?: 'top' | 'middle' | 'bottom' } = {},
): string {
  const { size = 13, vertical = 'middle' } = style;
  const lines = markupLines(text);
  const height = lines.length * size * 1.25;
  const top = vertical === 'top' ? y : vertical === 'middle' ? y - height / 2 : y - height;
  return lines
    .map((line, i) =>
      drawText(line.text, x, top + size * (0.98 + 1.25 * i), { ...style, bold: line.bold || style.bold }),
    )
    .join('');
}

/** Words in lines of at most `width` pixels. */
export function wrapText(text: string, width: number, size = 13, bold = false): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const longer = lines.length > 0 ? `${lines.at(-1)!} ${word}` : word;
    if (lines.length > 0 && textWidth(longer, size, bold) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** A number as SVG wants it, short. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
