import { createHash } from 'node:crypto';
import type { PhotoEncoder } from './extraction.js';
import type { EncoderIdentity } from './encoder-identity.js';

/** Cells along each side of the photo. */
const grid = 3;
/** Colours: twelve hues, and black, grey and white. */
const hues = 12;
const colours = hues + 3;
/** Directions of edges, over half a turn. */
const directions = 12;

/**
 * A classical encoder, from before networks learned to see: the colours and the directions of edges
 * in each ninth of a photo. It needs no training and no file. It is good enough for drawn shapes;
 * its results on real photos show the value of a pretrained network.
 */
export class HistogramEncoder implements PhotoEncoder {
  readonly inputSize = 96;
  readonly identity: EncoderIdentity = {
    name: 'histograms',
    sha256: createHash('sha256').update('captioner histograms 1').digest('hex'),
    dimension: grid * grid * (colours + directions),
  };

  /** The square root of the share of each colour and each direction in each cell, [N, 243]. */
  features(photos: readonly Uint8Array[]): Promise<Float32Array> {
    const { dimension } = this.identity;
    const features = new Float32Array(photos.length * dimension);
    photos.forEach((rgb, i) => this.count(rgb, features.subarray(i * dimension, (i + 1) * dimension)));
    return Promise.resolve(features.map(Math.sqrt));
  }

  private count(rgb: Uint8Array, into: Float32Array): void {
    const size = this.inputSize;
    const cell = size / grid;
    const light = (x: number, y: number) => {
      const at = 3 * (y * size + x);
      return (rgb[at] + rgb[at + 1] + rgb[at + 2]) / 765;
    };
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const place = (Math.floor(y / cell) * grid + Math.floor(x / cell)) * (colours + directions);
        const at = 3 * (y * size + x);
        into[place + colourOf(rgb[at], rgb[at + 1], rgb[at + 2])] += 1 / (cell * cell);
        if (x === 0 || y === 0 || x === size - 1 || y === size - 1) continue;
        const [dx, dy] = [light(x + 1, y) - light(x - 1, y), light(x, y + 1) - light(x, y - 1)];
        const strength = Math.hypot(dx, dy);
        if (strength < 0.05) continue;
        const turn = (Math.atan2(dy, dx) / Math.PI + 1) % 1; // [0, 1): half a turn
        into[place + colours + Math.min(directions - 1, Math.floor(turn * directions))] += strength / cell;
      }
    }
  }
}

/** 0 to 11: a hue; 12, 13, 14: black, grey, white. */
function colourOf(r: number, g: number, b: number): number {
  const most = Math.max(r, g, b);
  const range = most - Math.min(r, g, b);
  if (range < 40) return hues + (most < 85 ? 0 : most < 200 ? 1 : 2);
  const turn = most === r ? ((g - b) / range + 6) % 6 : most === g ? (b - r) / range + 2 : (r - g) / range + 4; // [0, 6)
  return Math.floor(turn * 2) % hues;
}
