/** Draws a search as a tree, from left to right: the prefixes that it kept, and where it dropped one. */

import type { AnsweredCandidate } from '../answers.js';
import { makeSvg, percent } from './dom.js';

/** A prefix in the drawing. */
interface Place extends Pick<AnsweredCandidate, 'id' | 'word'> {
  /** Number of words before its last. */
  depth: number;
  /** Its line. */
  y: number;
}

const column = 92;
const row = 24;
const margin = 14;

/**
 * @param search step by step
 * @param words of the best caption, its `<end>` included
 */
export function drawTree(search: readonly (readonly AnsweredCandidate[])[], words: readonly string[]): SVGSVGElement {
  const shown = search.flatMap((step, depth) =>
    step.filter(({ kept }) => kept).map((node) => ({ ...node, depth, y: 0 })),
  );
  const children = byParent(shown);
  const best = new Set(longestWay(words, 0, byParent(search.flat())));

  // Each leaf gets a line, from top to bottom. Every other node stands in the middle of its children.
  let lines = 0;
  const place = (node: Place): void => {
    const below = children.get(node.id) ?? [];
    for (const child of below) place(child);
    node.y = below.length > 0 ? (below[0].y + below[below.length - 1].y) / 2 : lines++;
  };
  const root: Place = { id: 0, word: '', depth: -1, y: 0 };
  place(root);

  const x = (depth: number): number => margin + (depth + 1) * column - column / 2;
  const y = (line: number): number => margin + 10 + line * row;
  const places = new Map<number, Place>([root, ...shown].map((node) => [node.id, node]));
  const width = x(search.length) + margin;
  const height = y(Math.max(0, lines - 1)) + margin + 10;
  const paths = [];
  const bestPaths = [];
  const nodes = [];
  for (const node of shown) {
    const parent = places.get(node.parent) ?? root;
    const isBest = best.has(node.id);
    const fromX = parent === root ? margin : x(parent.depth) + textWidth(parent.word);
    const [fromY, toX, toY] = [y(parent.y), x(node.depth) - 8, y(node.y)];
    const bend = (fromX + toX) / 2;
    const d = `M${fromX} ${fromY}C${bend} ${fromY} ${bend} ${toY} ${toX} ${toY}`;
    if (isBest) bestPaths.push(makeSvg('path', { class: 'best', d }));
    else paths.push(makeSvg('path', { d }));
    const isDropped = !children.has(node.id) && !node.finished;
    const label = node.finished
      ? makeSvg('circle', { cx: x(node.depth), cy: toY, r: 5 })
      : makeSvg('text', { x: x(node.depth) - 4, y: toY }, node.word);
    const title = makeSvg('title', {}, `${node.finished ? 'the end' : node.word}, ${percent(node.p)}`);
    nodes.push(makeSvg('g', { class: isBest ? 'best' : isDropped ? 'dropped' : '' }, title, label));
  }
  const finished = shown.filter((node) => node.finished).length;
  return makeSvg(
    'svg',
    {
      class: 'tree',
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-label': `A search of ${search.length} steps kept ${shown.length} prefixes and finished ${finished} captions. The best: ${words.slice(0, -1).join(' ')}.`,
    },
    ...paths,
    ...bestPaths, // above the others
    makeSvg('circle', { cx: margin, cy: y(root.y), r: 4 }),
    ...nodes,
  );
}

function byParent<Node extends AnsweredCandidate>(nodes: readonly Node[]): Map<number, Node[]> {
  const children = new Map<number, Node[]>();
  for (const node of nodes) {
    const siblings = children.get(node.parent);
    if (siblings) siblings.push(node);
    else children.set(node.parent, [node]);
  }
  return children;
}

/** The ids of a caption's prefixes. Where several beams began with the same words, those of the one that came furthest. */
function longestWay(
  [word, ...rest]: readonly string[],
  from: number,
  children: ReadonlyMap<number, readonly AnsweredCandidate[]>,
): number[] {
  const ways = (children.get(from) ?? [])
    .filter((node) => node.word === word)
    .map(({ id }) => [id, ...longestWay(rest, id, children)]);
  return ways.reduce((longest, way) => (way.length > longest.length ? way : longest), []);
}

/** The approximate width of a word, with a gap behind it. */
function textWidth(word: string): number {
  return Math.min(column - 16, word.length * 7.4 + 6);
}
