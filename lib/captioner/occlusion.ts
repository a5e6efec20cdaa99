import { captionLogProbabilities } from '../search/alternatives.js';
import type { Stepper } from '../search/stepper.js';
import { CaptionerError } from '../errors.js';

/** The part of an encoder that {@link occlusion} needs. */
export interface PhotoFeatures {
  /** Width and height of the photos it takes. */
  readonly inputSize: number;
  features(photos: readonly Uint8Array[]): Promise<Float32Array>;
}

/** Options of {@link occlusion}. */
export interface OcclusionOptions {
  /** Places of the square along each side of the photo. Default 7. */
  readonly grid?: number;
  /** Side of the square, in places: over 1, neighbouring squares overlap, which smooths the map. Default 2. */
  readonly square?: number;
  readonly signal?: AbortSignal;
}

/** The influence of each part of a photo on each word of a caption. */
export interface OcclusionMap {
  readonly grid: number;
  /**
   * The influence, [words + 1, grid, grid]: how much ln p of the word, given the words before it, drops when a square around that part of the
   * photo is hidden; above 0 where that part speaks for the word. The last map is that of `<end>`.
   */
  readonly drops: readonly (readonly (readonly number[])[])[];
}

/** The grey that hides: the middle of the range, which is near to zero for an encoder that standardises its photos. */
const grey = 127;

/** Hidden photos that are made at a time. */
const batch = 16;

/**
 * Hides one part of a photo after the other behind a grey square, and looks how probable the words of its caption still are
 * (Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901, figure 7). It takes grid² runs of the encoder.
 *
 * @param pixels RGB bytes, [S, S, 3], as `decodePhoto` gives them for the encoder's size.
 * @param caption its words by number, without `<start>` and `<end>`; any caption will do, not only the likeliest.
 * @throws CaptionerError `bad-option`; what `signal` was aborted with.
 */
export async function occlusion<State>(
  encoder: PhotoFeatures,
  stepper: Stepper<State>,
  pixels: Uint8Array,
  caption: readonly number[],
  { grid = 7, square = 2, signal }: OcclusionOptions = {},
): Promise<OcclusionMap> {
  const size = encoder.inputSize;
  if (!Number.isInteger(grid) || grid < 1 || grid > size || !(square > 0)) {
    throw new CaptionerError('bad-option', `grid must be a whole number from 1 to ${size}, and square above 0.`);
  }
  const log = async (photos: readonly Uint8Array[]) =>
    captionLogProbabilities(
      stepper,
      await encoder.features(photos),
      photos.map(() => caption),
    );
  const [whole] = await log([pixels]);
  const hidden: Float32Array[] = [];
  for (let first = 0; first < grid * grid; first += batch) {
    signal?.throwIfAborted();
    const places = Array.from({ length: Math.min(batch, grid * grid - first) }, (_, i) => first + i);
    hidden.push(...(await log(places.map((place) => hide(pixels, size, place, grid, square)))));
  }
  return {
    grid,
    drops: Array.from(whole, (logProbability, word) =>
      Array.from({ length: grid }, (_, row) =>
        Array.from({ length: grid }, (__, column) => logProbability - hidden[row * grid + column][word]),
      ),
    ),
  };
}

/** A copy of the photo with a grey square around the middle of a place of the grid. */
function hide(pixels: Uint8Array, size: number, place: number, grid: number, square: number): Uint8Array {
  const copy = pixels.slice();
  const edges = (at: number) => {
    const [middle, half] = [((at + 0.5) * size) / grid, (square * size) / grid / 2];
    return [Math.max(0, Math.round(middle - half)), Math.min(size, Math.round(middle + half))];
  };
  const [top, bottom] = edges(Math.floor(place / grid));
  const [left, right] = edges(place % grid);
  for (let y = top; y < bottom; y++) copy.fill(grey, 3 * (y * size + left), 3 * (y * size + right));
  return copy;
}
