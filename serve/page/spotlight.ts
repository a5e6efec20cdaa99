/** Shows which part of a photo a word comes from: the rest of it darkens. */

import { drawingOn } from './dom.js';

/** Drops of ln p below this are not evidence of anything. */
const noise = 0.1;

/**
 * Draws a veil over the photo that is open where hiding it made the word less probable.
 * @param drops rows of columns
 * @returns the place the word comes from, in words; undefined where no part matters
 */
export function spotlight(canvas: HTMLCanvasElement, drops: readonly (readonly number[])[]): string | undefined {
  const rows = drops.length;
  const columns = drops[0].length;
  const highest = Math.max(...drops.flat());
  canvas.width = columns;
  canvas.height = rows;
  if (highest < noise) return undefined;
  const context = drawingOn(canvas);
  const veil = context.createImageData(columns, rows);
  // A weak hint darkens less than a strong one.
  const strength = 0.5 + 0.32 * Math.min(1, highest);
  drops.flat().forEach((drop, i) => {
    const light = Math.max(0, drop / highest) ** 1.5;
    veil.data.set([8, 12, 16, Math.round(255 * strength * (1 - light))], 4 * i);
  });
  context.putImageData(veil, 0, 0);
  const at = drops.flat().indexOf(highest);
  return placeName((Math.floor(at / columns) + 0.5) / rows, ((at % columns) + 0.5) / columns);
}

/** The name of a place whose coordinates are in [0, 1]. */
function placeName(down: number, across: number): string {
  const vertical = down < 0.36 ? 'top' : down > 0.64 ? 'bottom' : '';
  const horizontal = across < 0.36 ? 'left' : across > 0.64 ? 'right' : '';
  return [vertical, horizontal].filter(Boolean).join(' ') || 'middle';
}
