import type { Random } from '../random.js';

/**
 * A view of a photo: a part of it, possibly mirrored, with adjusted colours. Positions and sizes
 * are fractions, so a view fits a photo of any size.
 */
export interface View {
  /** Left edge, top edge, width and height of the part, as fractions of the photo. */
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly mirrored: boolean;
  /** Factor on all values; 1 leaves them unchanged. */
  readonly brightness: number;
  /** Factor on the distance from middle grey; 1 leaves it unchanged. */
  readonly contrast: number;
  /** 0 gives grey; 1 leaves the colours unchanged. */
  readonly saturation: number;
}

/** Limits on how far a view may differ from the whole photo. */
export interface ViewRange {
  /** Smallest part of the photo's area, in (0, 1]. */
  readonly minArea: number;
  /** Largest stretch of the part's width against its height; at least 1. */
  readonly maxStretch: number;
  /** Whether half of the views are mirrored. */
  readonly mirror: boolean;
  /** Brightness, contrast and saturation are factors in [1 - c, 1 + c]. */
  readonly colour: number;
}

/** The whole photo, unchanged. */
export const wholePhoto: View = {
  left: 0,
  top: 0,
  width: 1,
  height: 1,
  mirrored: false,
  brightness: 1,
  contrast: 1,
  saturation: 1,
};

/** A random view, after the random resized crops of Szegedy et al. 2015 (Going deeper with convolutions). */
export function drawView(random: Random, { minArea, maxStretch, mirror, colour }: ViewRange): View {
  const between = (low: number, high: number) => low + (high - low) * random.uniform();
  const area = between(minArea, 1);
  const stretch = Math.exp(between(-1, 1) * Math.log(maxStretch));
  const width = Math.min(1, Math.sqrt(area * stretch));
  const height = Math.min(1, Math.sqrt(area / stretch));
  const factor = () => between(1 - colour, 1 + colour);
  return {
    left: between(0, 1 - width),
    top: between(0, 1 - height),
    width,
    height,
    mirrored: mirror && random.uniform() < 0.5,
    brightness: factor(),
    contrast: factor(),
    saturation: factor(),
  };
}

/** The pixels of a photo of `width` x `height` that a view takes; at least one. */
export function pixelsOf(
  view: View,
  width: number,
  height: number,
): { left: number; top: number; width: number; height: number } {
  const span = (start: number, length: number, pixels: number) => {
    const size = Math.max(1, Math.min(pixels, Math.round(length * pixels)));
    return [Math.max(0, Math.min(pixels - size, Math.round(start * pixels))), size] as const;
  };
  const [left, columns] = span(view.left, view.width, width);
  const [top, rows] = span(view.top, view.height, height);
  return { left, top, width: columns, height: rows };
}

/** A square of RGB bytes, [size, size, 3], with left and right exchanged. */
export function mirrorImage(rgb: Uint8Array, size: number): Uint8Array {
  const mirrored = new Uint8Array(rgb.length);
  for (let row = 0; row < rgb.length; row += 3 * size) {
    for (let from = row, to = row + 3 * size - 3; to >= row; from += 3, to -= 3) {
      mirrored[to] = rgb[from];
      mirrored[to + 1] = rgb[from + 1];
      mirrored[to + 2] = rgb[from + 2];
    }
  }
  return mirrored;
}

/** Changes the colours of RGB bytes in place as a view wants them. */
export function recolour(rgb: Uint8Array, { brightness, contrast, saturation }: View): void {
  if (brightness === 1 && contrast === 1 && saturation === 1) return;
  // (saturation * (x - grey) + grey) * brightness, then away from middle grey by contrast; Uint8ClampedArray rounds and clamps.
  const clamped = new Uint8ClampedArray(rgb.buffer, rgb.byteOffset, rgb.length);
  const own = saturation * brightness * contrast;
  const shared = (1 - saturation) * brightness * contrast;
  const offset = 127.5 * (1 - contrast);
  for (let i = 0; i < rgb.length; i += 3) {
    const [r, g, b] = [rgb[i], rgb[i + 1], rgb[i + 2]];
    const base = shared * (0.299 * r + 0.587 * g + 0.114 * b) + offset;
    clamped[i] = own * r + base;
    clamped[i + 1] = own * g + base;
    clamped[i + 2] = own * b + base;
  }
}
