import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { decodePhoto } from '../lib/images/photo.js';
import { drawView } from '../lib/images/view.js';
import type { Encoder } from '../lib/model/encoder/encoder.js';
import { Random } from '../lib/random.js';
import { root } from './program.js';

/** JPEG files: the samples, or up to 1,000 from the folder in CAPTIONER_BENCH_PHOTOS. */
export function benchPhotos(): string[] {
  const folder = process.env.CAPTIONER_BENCH_PHOTOS ?? path.join(root, 'data', 'samples');
  const photos = readdirSync(folder)
    .filter((name) => /\.jpe?g$/i.test(name))
    .sort()
    .slice(0, 1000)
    .map((name) => path.resolve(folder, name));
  if (photos.length === 0) throw new Error(`There are no photos in ${folder}.`);
  return photos;
}

/** A new folder of `count` links to {@link benchPhotos}, each of them linked several times if need be. @returns the links. */
export function linkedPhotos(count: number, folder: string): string[] {
  mkdirSync(folder);
  const files = benchPhotos();
  return Array.from({ length: count }, (_, i) => {
    const link = path.join(folder, `${i}.jpg`);
    symlinkSync(files[i % files.length], link);
    return link;
  });
}

/**
 * Features of `count` different photos, [count, D]: random crops of {@link benchPhotos} with a
 * fixed seed.
 */
export async function photoFeatures(encoder: Encoder, count: number): Promise<Float32Array> {
  const random = new Random(1);
  const files = benchPhotos();
  const pixels: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const view = drawView(random, { minArea: 0.25, maxStretch: 4 / 3, mirror: true, colour: 0 });
    pixels.push(await decodePhoto(files[i % files.length], encoder.inputSize, { view }));
  }
  return encoder.features(pixels);
}
