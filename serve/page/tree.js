/** Draws a search as a tree, from left to right: what it kept, and what it dropped at the end of a way. */

import { makeSvg, percent } from './dom.js';

/** @import { AnsweredCandidate } from '../answers.js' */

/**
 * A beginning of a caption in the drawing: how many words stand before its last, and on which line it is.
 * @typedef {Pick<AnsweredCandidate, 'id' | 'word'> & { depth: number, y: number }} Place
 */

const column = 92;
const row = 24;
const margin = 14;

/**
 * @param {readonly (readonly AnsweredCandidate[])[]} search step by step
 * @param {readonly string[]} words of the best caption, its `<end>` included
 */
export function drawTree(search, words) {
  const shown = search.flatMap((step, depth) =>
    step.filter(({ kept }) => kept).map((node) => ({ ...node, depth, y: 0 })),
  );
  const children = byParent(shown);
  const best = new Set(longestWay(words, 0, byParent(search.flat())));

  // Ends of ways get a line each, from top to bottom; every other node stands in the middle of its children.
  let lines = 0;
  /** @param {Place} node */
  const place = (node) => {
    const below = children.get(node.id) ?? [];
    for (const child of below) place(child);
    node.y = below.length > 0 ? (below[0].y + below[below.length - 1].y) / 2 : lines++;
  };
  /** @type {Place} */
  const root = { id: 0, word: '', depth: -1, y: 0 };
  place(root);

  /** @param {number} depth */
  const x = (depth) => margin + (depth + 1) * column - column / 2;
  /** @param {number} line */
  const y = (line) => margin + 10 + line * row;
  const places = new Map([root, ...shown].map((node) => [node.id, node]));
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
      'aria-label': `A search of ${search.length} steps: ${shown.length} beginnings were kept and ${finished} captions finished. The best: ${words.slice(0, -1).join(' ')}.`,
    },
    ...paths,
    ...bestPaths, // over the others
    makeSvg('circle', { cx: margin, cy: y(root.y), r: 4 }),
    ...nodes,
  );
}

/**
 * @template {AnsweredCandidate} Node
 * @param {readonly Node[]} nodes
 */
function byParent(nodes) {
  /** @type {Map<number, Node[]>} */
  const children = new Map();
  for (const node of nodes) {
    const siblings = children.get(node.parent);
    if (siblings) siblings.push(node);
    else children.set(node.parent, [node]);
  }
  return children;
}

/**
 * The ids of the beginnings of a caption, as far as they are known. Several beams may have begun in the same words: the one that came furthest.
 * @param {readonly string[]} words
 * @param {number} from
 * @param {ReadonlyMap<number, readonly AnsweredCandidate[]>} children
 * @returns {number[]}
 */
function longestWay([word, ...rest], from, children) {
  const ways = (children.get(from) ?? [])
    .filter((node) => node.word === word)
    .map(({ id }) => [id, ...longestWay(rest, id, children)]);
  return ways.reduce((longest, way) => (way.length > longest.length ? way : longest), []);
}

/**
 * About how wide a word is, with a gap behind it.
 * @param {string} word
 */
function textWidth(word) {
  return Math.min(column - 16, word.length * 7.4 + 6);
}
