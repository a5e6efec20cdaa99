/** A decoded photo: rows of pixels, top row first, each pixel `channels` bytes (grey, grey and alpha, RGB or RGBA). */
export interface RawPhoto {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
}
