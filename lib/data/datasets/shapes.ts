import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { temporaryName } from '../../files/temporary-name.js';
import { Random } from '../../random.js';
import { openCsv } from './own-data.js';
import type { Manifest } from './manifest.js';

/**
 * A data set that needs no download: drawn pictures of coloured shapes with five captions each. It
 * is small and simple enough to learn in seconds, yet has the traits of real data: several true
 * sentences about one picture, rare words, and words that only the picture determines.
 */

const colours = {
  red: '#d23b33',
  blue: '#2b62b8',
  green: '#2f9a52',
  yellow: '#eec52f',
  purple: '#8a44a8',
  orange: '#ef8a2b',
};
const backgrounds = { white: '#f7f7f4', black: '#22242a', grey: '#9aa0a6' };
const kinds = ['circle', 'square', 'triangle', 'star'] as const;
const sizes = { small: 0.13, large: 0.24 };

interface Shape {
  readonly kind: (typeof kinds)[number];
  readonly colour: keyof typeof colours;
  readonly size: keyof typeof sizes;
  /** Centre, as shares of the picture. */
  readonly x: number;
  readonly y: number;
}

interface Scene {
  readonly background: keyof typeof backgrounds;
  readonly shapes: readonly Shape[];
}

/** Options of {@link shapesDataset}. */
export interface ShapesOptions {
  readonly photos?: number;
  /** Width and height in pixels. */
  readonly pixels?: number;
  readonly seed?: number;
}

/**
 * Opens the data set of shapes in a folder, drawing it there if it is missing. The same options
 * give the same photos and captions.
 * @returns the data set, split into train, dev and test.
 */
export async function shapesDataset(folder: string, options: ShapesOptions = {}): Promise<Manifest> {
  const { photos = 600, pixels = 96, seed = 1 } = options;
  const list = path.join(folder, `shapes-${photos}-${pixels}-${seed}.csv`);
  if (!existsSync(list)) await draw(folder, list, photos, pixels, seed);
  return { ...(await openCsv(list)), name: 'shapes' };
}

async function draw(folder: string, list: string, photos: number, pixels: number, seed: number): Promise<void> {
  const { default: sharp } = await import('sharp');
  const name = path.basename(list, '.csv');
  mkdirSync(path.join(folder, name), { recursive: true });
  const random = new Random(seed);
  const rows: { file: string; caption: string; split: string }[] = [];
  for (let i = 0; i < photos; i++) {
    const scene = drawScene(random);
    const file = `${name}/${String(i).padStart(4, '0')}.jpg`;
    const jpeg = await sharp(Buffer.from(svgOf(scene, pixels)))
      .jpeg({ quality: 85 })
      .toBuffer();
    writeFileSync(path.join(folder, file), jpeg);
    const split = i % 10 === 8 ? 'dev' : i % 10 === 9 ? 'test' : 'train';
    for (const caption of captionsOf(scene, random)) rows.push({ file, caption, split });
  }
  const part = temporaryName(list);
  try {
    writeFileSync(part, stringify(rows, { header: true }));
    renameSync(part, list);
  } finally {
    rmSync(part, { force: true });
  }
}

function drawScene(random: Random): Scene {
  const pick = <T>(items: readonly T[]): T => items[random.integer(items.length)];
  const shape = (x: number, y: number): Shape => ({
    kind: pick(kinds),
    colour: pick(Object.keys(colours) as (keyof typeof colours)[]),
    size: pick(Object.keys(sizes) as (keyof typeof sizes)[]),
    x: x + 0.06 * (random.uniform() - 0.5),
    y: y + 0.06 * (random.uniform() - 0.5),
  });
  const arrangement = random.integer(3);
  const shapes =
    arrangement === 0
      ? [shape(0.5, 0.5)]
      : arrangement === 1
        ? [shape(0.27, 0.5), shape(0.73, 0.5)]
        : [shape(0.5, 0.27), shape(0.5, 0.73)];
  return { background: pick(Object.keys(backgrounds) as (keyof typeof backgrounds)[]), shapes };
}

/** Five captions as different people might write them. */
function captionsOf({ background, shapes }: Scene, random: Random): string[] {
  const brief = (s: Shape) => `${s.colour} ${s.kind}`;
  const full = (s: Shape) => `${s.size} ${s.colour} ${s.kind}`;
  const article = (words: string) => `${/^[aeiou]/.test(words) ? 'an' : 'a'} ${words}`;
  const ground = article(`${background} background`);
  const [a, b] = shapes;
  const sentences = b
    ? [
        ...(a.y < b.y - 0.2
          ? [
              `${article(brief(a))} is above ${article(brief(b))}.`,
              `There is ${article(full(b))} below ${article(full(a))}.`,
              `${article(full(a))} over ${article(brief(b))} on ${ground}.`,
            ]
          : [
              `${article(brief(a))} is to the left of ${article(brief(b))}.`,
              `There is ${article(full(b))} on the right of ${article(full(a))}.`,
              `${article(full(a))} next to ${article(brief(b))} on ${ground}.`,
            ]),
        `Two shapes, ${article(brief(a))} and ${article(brief(b))}, on ${ground}.`,
        random.integer(2)
          ? `${article(a.kind)} and ${article(b.kind)}.`
          : `${article(full(a))} and ${article(full(b))}.`,
      ]
    : [
        `${article(full(a))} on ${ground}.`,
        `${article(brief(a))} in the middle of the picture.`,
        `There is one ${full(a)} here.`,
        `A single ${brief(a)} on ${ground}.`,
        random.integer(2) ? `Just ${article(a.kind)}, nothing else.` : `${article(a.size)} ${a.kind}.`,
      ];
  return sentences.map((sentence) => sentence[0].toUpperCase() + sentence.slice(1));
}

function svgOf({ background, shapes }: Scene, pixels: number): string {
  const drawn = shapes.map((shape) => {
    const [x, y, r] = [shape.x * pixels, shape.y * pixels, sizes[shape.size] * pixels];
    const fill = colours[shape.colour];
    if (shape.kind === 'circle') return `<circle cx="${x}" cy="${y}" r="${r}" fill="${fill}"/>`;
    const corners =
      shape.kind === 'square'
        ? [45, 135, 225, 315].map((angle) => [angle, 1.15])
        : shape.kind === 'triangle'
          ? [90, 210, 330].map((angle) => [angle, 1.2])
          : Array.from({ length: 10 }, (_, i) => [90 + 36 * i, i % 2 ? 0.48 : 1.25]);
    const points = corners.map(([angle, reach]) => {
      const turn = (angle * Math.PI) / 180;
      return `${(x + reach * r * Math.cos(turn)).toFixed(1)},${(y - reach * r * Math.sin(turn)).toFixed(1)}`;
    });
    return `<polygon points="${points.join(' ')}" fill="${fill}"/>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${pixels}" height="${pixels}"><rect width="100%" height="100%" fill="${backgrounds[background]}"/>${drawn.join('')}</svg>`;
}
