import type { TextPosition } from './spec.js';

/** A label to place: its point and the size of its text, in pixels. */
export interface Label {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const positions: readonly TextPosition[] = ['middle right', 'middle left', 'top center', 'bottom center'];
/** Distance of a text from the centre of its point. */
const gap = 8;

/** The side of its point on which each label covers the least of other labels and points, in the order of the labels. */
export function placeLabels(labels: readonly Label[]): TextPosition[] {
  const taken: Box[] = labels.map(({ x, y }) => ({ left: x - 4, right: x + 4, top: y - 4, bottom: y + 4 }));
  return labels.map((label) => {
    const costs = positions.map((position) => {
      const box = boxOf(label, position);
      return taken.reduce((sum, other) => sum + overlap(box, other), 0);
    });
    const position = positions[costs.indexOf(Math.min(...costs))];
    taken.push(boxOf(label, position));
    return position;
  });
}

function boxOf({ x, y, width, height }: Label, position: TextPosition): Box {
  const [left, top] =
    position === 'middle right'
      ? [x + gap, y - height / 2]
      : position === 'middle left'
        ? [x - gap - width, y - height / 2]
        : position === 'top center'
          ? [x - width / 2, y - gap - height]
          : [x - width / 2, y + gap];
  return { left, right: left + width, top, bottom: top + height };
}

/** The area that two boxes share. */
function overlap(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return Math.max(0, width) * Math.max(0, height);
}
