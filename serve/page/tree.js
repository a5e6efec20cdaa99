/** Draws beam search as a tree, from left to right: what it kept, and what it dropped at the end of a way. */

import { makeSvg, percent } from './dom.js';

const column = 92;
const row = 24;
const margin = 14;

/**
 * @param {{id: number, parent: number, word: string, p: number, kept: boolean, finished: boolean}[][]} search
 * @param {string[]} words of the best caption, its `<end>` included
 */
export function drawTree(search, words) {
  const children = new Map();
  const shown = search.flatMap((step, depth) => step.filter(({ kept }) => kept).map((node) => ({ ...node, depth })));
  for (const node of shown) children.set(node.parent, [...(children.get(node.parent) ?? []), node]);

  const best = new Set([0]);
  let at = 0;
  for (const word of words) {
    const next = search.flat().find((node) => node.parent === at && node.word === word);
    if (!next) break;
    at = next.id;
    best.add(at);
  }

  // Ends of ways get a line each, from top to bottom; every other node stands in the middle of its children.
  let lines = 0;
  const place = (node) => {
    const below = children.get(node.id) ?? [];
    const tops = below.map(place);
    node.y = tops.length > 0 ? (tops[0] + tops.at(-1)) / 2 : lines++;
    return node.y;
  };
  const root = { id: 0, word: '', p: 1, depth: -1, y: 0 };
  place(root);

  const x = (depth) => margin + (depth + 1) * column - column / 2;
  const y = (line) => margin + 10 + line * row;
  const width = x(search.length) + margin;
  const height = y(Math.max(0, lines - 1)) + margin + 10;
  const paths = [];
  const nodes = [];
  for (const node of shown) {
    const parent = node.parent === 0 ? root : shown.find(({ id }) => id === node.parent);
    const isBest = best.has(node.id);
    const [fromX, fromY, toX, toY] = [
      parent === root ? margin : x(parent.depth) + textWidth(parent.word),
      y(parent.y),
      x(node.depth) - 8,
      y(node.y),
    ];
    const bend = (fromX + toX) / 2;
    paths.push([
      isBest,
      makeSvg(isBest ? 'path.best' : 'path', { d: `M${fromX} ${fromY}C${bend} ${fromY} ${bend} ${toY} ${toX} ${toY}` }),
    ]);
    const isEnd = (children.get(node.id) ?? []).length === 0 && !node.finished;
    const label = node.finished
      ? makeSvg('circle', { cx: x(node.depth), cy: toY, r: 5 })
      : makeSvg('text', { x: x(node.depth) - 4, y: toY }, node.word);
    const title = makeSvg(
      'title',
      {},
      node.finished ? `the end, ${percent(node.p)}` : `${node.word}, ${percent(node.p)}`,
    );
    nodes.push(makeSvg(`g${isBest ? '.best' : isEnd ? '.dropped' : ''}`, {}, title, label));
  }
  paths.sort(([a], [b]) => Number(a) - Number(b));
  const finished = shown.filter((node) => node.finished).length;
  return makeSvg(
    'svg.tree',
    {
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-label': `Beam search over ${search.length} steps: ${shown.length} beginnings were kept and ${finished} captions finished. The best: ${words.slice(0, -1).join(' ')}.`,
    },
    ...paths.map(([, path]) => path),
    makeSvg('circle', { cx: margin, cy: y(root.y), r: 4 }),
    ...nodes,
  );
}

/** About how wide a word is, with a gap behind it. */
function textWidth(word) {
  return Math.min(column - 16, word.length * 7.4 + 6);
}
