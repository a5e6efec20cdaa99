import { lineChart, rankedBars } from './charts.js';
import { Figure } from './figure.js';
import type { Annotation, Shape } from './spec.js';
import { amounts, channels, colourAt, ink, palette } from './theme.js';

/** A word and its probability, in [0, 1]. */
interface ProbableWord {
  readonly word: string;
  readonly probability: number;
}

/** A bar chart of the most frequent words. */
export function wordFrequencies(counts: Iterable<readonly [word: string, count: number]>, most = 25): Figure {
  const items = [...counts].sort((a, b) => b[1] - a[1]).slice(0, most);
  return rankedBars(
    items.map(([name, value]) => ({ name, value })),
    { title: `The ${items.length} most frequent words`, xTitle: 'times' },
  );
}

/**
 * Draws the counts of all words by rank on logarithmic axes: nearly a straight line in any language
 * (Zipf 1949).
 * @param cut draws a line at this count if there are words below it, which a vocabulary leaves out.
 */
export function zipfPlot(counts: Iterable<number>, cut?: number): Figure {
  const sorted = [...counts].filter((count) => count > 0).sort((a, b) => b - a);
  // For words of equal count, the ends of the step are enough.
  const kept = sorted.map((_, i) => i).filter((i) => sorted[i] !== sorted[i - 1] || sorted[i] !== sorted[i + 1]);
  const figure = lineChart([{ x: kept.map((i) => i + 1), y: kept.map((i) => sorted[i]) }], {
    title: 'How often each word occurs',
    xTitle: 'rank of the word',
    yTitle: 'times',
    x: { type: 'log' },
    y: { type: 'log' },
  });
  const beyond = cut === undefined ? 0 : sorted.filter((count) => count < cut).length;
  if (cut === undefined || beyond === 0) return figure;
  const line: Shape = {
    type: 'line',
    x0: 0,
    x1: 1,
    y0: cut,
    y1: cut,
    xref: 'paper',
    yref: 'y',
    line: { color: palette.red, dash: 'dash' },
  };
  const text: Annotation = {
    text: `${beyond.toLocaleString('en')} words occur fewer than ${cut} times`,
    x: 0.02,
    y: Math.log10(cut),
    xref: 'paper',
    yref: 'y',
    showarrow: false,
    xanchor: 'left',
    yanchor: 'bottom',
    font: { color: palette.red },
  };
  return new Figure(
    { ...figure.spec, layout: { ...figure.spec.layout, shapes: [line], annotations: [text] } },
    figure.description,
  );
}

/** The words of a caption with the probability of each given those before it. */
export function wordProbabilities(words: readonly ProbableWord[], title = 'How sure of each word'): Figure {
  return new Figure(
    {
      data: [
        {
          type: 'bar',
          x: words.map((_, i) => i),
          y: words.map(({ probability }) => probability),
          text: words.map(({ probability }) => percent(probability)),
          textposition: 'outside',
          marker: { color: words.map(({ probability }) => colourAt(amounts, 0.3 + 0.6 * probability)) },
        },
      ],
      layout: {
        title: { text: title },
        width: Math.max(420, Math.min(960, 110 + 64 * words.length)),
        height: 300,
        xaxis: {
          tickvals: words.map((_, i) => i),
          ticktext: words.map(({ word }) => plainWord(word)),
          showgrid: false,
        },
        yaxis: { range: [0, 1.12], tickvals: [0, 0.25, 0.5, 0.75, 1], tickformat: '.0%' },
      },
    },
    `${title}: ${words.map(({ word, probability }) => `${word} ${percent(probability)}`).join(', ')}`,
  );
}

/**
 * Draws the alternatives at each position of a caption, the likeliest on top and darker where more
 * likely. The chosen word has a frame.
 */
export function wordAlternatives(
  words: readonly (ProbableWord & { readonly alternatives: readonly ProbableWord[] })[],
  title = 'What could have stood in the place of each word',
): Figure {
  const ranks = Math.max(...words.map(({ alternatives }) => alternatives.length));
  const annotations: Annotation[] = [];
  const shapes: Shape[] = [];
  const z = Array.from({ length: ranks }, (_, rank) =>
    words.map(({ alternatives }) => alternatives[rank]?.probability ?? 0),
  );
  words.forEach(({ word, alternatives }, place) => {
    alternatives.forEach((other, rank) => {
      const dark = channels(colourAt(amounts, other.probability))[0] < 120;
      annotations.push({
        text: `${other.word === word ? `<b>${plainWord(word)}</b>` : plainWord(other.word)}<br>${percent(other.probability)}`,
        x: place,
        y: rank,
        showarrow: false,
        font: { size: 12, color: dark ? '#ffffff' : ink.text },
      });
      if (other.word === word) {
        const [x0, x1, y0, y1] = [place - 0.48, place + 0.48, rank - 0.47, rank + 0.47];
        shapes.push({
          type: 'rect',
          x0,
          x1,
          y0,
          y1,
          xref: 'x',
          yref: 'y',
          line: { color: palette.orange, width: 2.5 },
        });
      }
    });
  });
  return new Figure(
    {
      data: [{ type: 'heatmap', z, colorscale: amounts, zmin: 0, zmax: 1, hoverinfo: 'skip', showscale: false }],
      layout: {
        title: { text: title },
        width: Math.max(480, Math.min(1100, 60 + 78 * words.length)),
        height: 84 + 44 * ranks,
        xaxis: {
          tickvals: words.map((_, i) => i),
          ticktext: words.map(({ word }) => plainWord(word)),
          showgrid: false,
          range: [-0.5, words.length - 0.5],
        },
        yaxis: { autorange: 'reversed', range: [-0.5, ranks - 0.5], visible: false },
        annotations,
        shapes,
      },
    },
    `${title}: ${words.map(({ word, alternatives }) => `${word} (${alternatives.map((other) => other.word).join(' ')})`).join(', ')}`,
  );
}

/** A word as written in figures: `<end>` becomes (end), since it would be read as markup. */
export function plainWord(word: string): string {
  return word.replace(/^<(.*)>$/, '($1)');
}

/** A share as text: "43 %", "<1 %". */
export function percent(share: number): string {
  return share > 0 && share < 0.005 ? '<1 %' : `${Math.round(100 * share)} %`;
}
