import type { TracedCandidate } from '../search/observer.js';
import { Figure } from './figure.js';
import type { ScatterTrace } from './spec.js';
import { ink, palette } from './theme.js';
import { percent, plainWord } from './words.js';

/** A candidate of a traced search with its word in text, as returned by `explainPhoto`. */
export type TreeCandidate = Pick<TracedCandidate, 'id' | 'parent' | 'score' | 'kept' | 'finished'> & {
  readonly word: string;
  readonly probability: number;
};

/** Options of {@link beamTree}. */
export interface BeamTreeOptions {
  readonly title?: string;
  /** Maximum number of dropped candidates to show at each step. Default 2. */
  readonly dropped?: number;
  /** Maximum number of steps to show. Default: all. */
  readonly steps?: number;
  readonly width?: number;
}

interface Place {
  readonly x: number;
  readonly y: number;
}

/**
 * Draws a beam search step by step from left to right, with the best candidates of each step on
 * top: the candidates it kept, those it dropped, and the path of the best caption.
 */
export function beamTree(search: readonly (readonly TreeCandidate[])[], options: BeamTreeOptions = {}): Figure {
  const { title = 'Beam search, step by step', dropped = 2, steps = search.length } = options;
  const shown = search.slice(0, steps).map((step) => {
    let left = dropped;
    return [...step].sort((a, b) => b.score - a.score).filter(({ kept }) => kept || left-- > 0);
  });
  const candidates = shown.flat();
  const byId = new Map(candidates.map((candidate) => [candidate.id, candidate]));
  const way = wayOfBest(candidates, byId);
  const places = new Map<number, Place>([[0, { x: 0, y: 0 }]]);
  shown.forEach((step, i) => step.forEach(({ id }, rank) => places.set(id, { x: i + 1, y: -rank })));
  const rows = Math.max(1, ...shown.map(({ length }) => length));

  const kindOf = ({ id, kept, finished }: TreeCandidate) =>
    way.has(id) ? 'best' : !kept ? 'dropped' : finished ? 'finished' : 'kept';
  const kinds = [
    { kind: 'dropped', name: 'dropped', colour: '#b4bdc7', width: 1 },
    { kind: 'kept', name: 'kept', colour: palette.blue, width: 1.6 },
    { kind: 'finished', name: 'finished', colour: palette.green, width: 1.6 },
    { kind: 'best', name: 'the best caption', colour: palette.orange, width: 3 },
  ] as const;
  const edges = kinds.map(({ kind, colour, width }): ScatterTrace => {
    const x: (number | null)[] = [];
    const y: (number | null)[] = [];
    for (const candidate of candidates.filter((one) => kindOf(one) === kind)) {
      const [from, to] = [places.get(candidate.parent), places.get(candidate.id)!];
      if (!from) continue;
      x.push(from.x, to.x, null);
      y.push(from.y, to.y, null);
    }
    return {
      type: 'scatter',
      mode: 'lines',
      x,
      y,
      line: { color: colour, width },
      hoverinfo: 'skip',
      showlegend: false,
    };
  });
  const nodes = kinds.map(({ kind, name, colour }): ScatterTrace => {
    const members = candidates.filter((one) => kindOf(one) === kind);
    return {
      type: 'scatter',
      mode: 'markers+text',
      name,
      x: members.map(({ id }) => places.get(id)!.x),
      y: members.map(({ id }) => places.get(id)!.y),
      text: members.map(({ word, probability }) => `${plainWord(word)} ${percent(probability)}`),
      hovertext: members.map(({ word, score }) => `${word}: score ${score.toFixed(2)}`),
      hoverinfo: 'text',
      textposition: 'top center',
      textfont: { size: 12, color: kind === 'dropped' ? ink.quiet : ink.text },
      marker: { color: colour, size: kind === 'dropped' ? 6 : 9, line: { color: ink.paper, width: 1 } },
    };
  });
  const start: ScatterTrace = {
    type: 'scatter',
    mode: 'markers+text',
    x: [0],
    y: [0],
    text: ['start'],
    textposition: 'top center',
    textfont: { size: 12 },
    marker: { color: palette.orange, size: 9 },
    showlegend: false,
    hoverinfo: 'skip',
  };
  const width = options.width ?? Math.max(640, Math.min(1500, 60 + 100 * (shown.length + 1)));
  return new Figure(
    {
      data: [...edges, start, ...nodes.filter(({ x }) => x.length > 0)],
      layout: {
        title: { text: title },
        width,
        height: 110 + 44 * rows,
        showlegend: true,
        xaxis: { visible: false, range: [-0.5, shown.length + 0.6] },
        yaxis: { visible: false, range: [-rows + 0.5, 0.7] },
      },
    },
    `${title}: the best way is ${[...way]
      .reverse()
      .map((id) => byId.get(id)!.word)
      .join(' ')}`,
  );
}

/**
 * The candidates on the path to the best finished one, from its end. If none is finished, the path
 * to the best of the last step.
 */
function wayOfBest(candidates: readonly TreeCandidate[], byId: ReadonlyMap<number, TreeCandidate>): Set<number> {
  const kept = candidates.filter((candidate) => candidate.kept);
  const finished = kept.filter((candidate) => candidate.finished);
  let at: TreeCandidate | undefined = finished.length > 0 ? best(finished) : kept.at(-1) && best(kept.slice(-1));
  const way = new Set<number>();
  while (at) {
    way.add(at.id);
    at = byId.get(at.parent);
  }
  return way;
}

function best(candidates: readonly TreeCandidate[]): TreeCandidate {
  return candidates.reduce((a, b) => (b.score > a.score ? b : a));
}
