import { Figure } from './figure.js';
import type { ParallelTrace } from './spec.js';
import { scores as scoreColours } from './theme.js';

/** A run of a sweep: its hyperparameters and scores by name, numbers or words. */
export type ParallelRun = Readonly<Record<string, unknown>>;

/**
 * Draws runs as lines across their hyperparameters and scores, coloured by one of the scores.
 *
 * @param dimensions names of values, in the order of the axes; words are spread evenly over their
 *   axis.
 * @param colour the value that determines the colour; good is green.
 * @param lowIsGood whether lower is better, as for a loss.
 */
export function parallelRuns(
  runs: readonly ParallelRun[],
  dimensions: readonly string[],
  {
    colour,
    lowIsGood = false,
    title = 'Runs',
    width = 760,
    height = 380,
  }: {
    readonly colour: string;
    readonly lowIsGood?: boolean;
    readonly title?: string;
    readonly width?: number;
    readonly height?: number;
  },
): Figure {
  const axes = dimensions.map((label): ParallelTrace['dimensions'][number] => {
    const values = runs.map((run) => run[label]);
    const distinct = [...new Set(values)];
    const words = values.some((value) => typeof value === 'string');
    if (words) {
      const places = distinct.map((_, i) => i);
      return {
        label,
        values: values.map((value) => distinct.indexOf(value)),
        tickvals: places,
        ticktext: distinct.map(String),
      };
    }
    const numbers = values.map(Number);
    // Settings such as learning rates often grow by a factor; an axis of equal steps separates them.
    const steps = distinct.map(Number).sort((a, b) => a - b);
    if (steps.length <= 6 && steps.length > 2 && steps.length < runs.length && steps.at(-1)! / steps[0] >= 4) {
      return {
        label,
        values: numbers.map((n) => steps.indexOf(n)),
        tickvals: steps.map((_, i) => i),
        ticktext: steps.map(String),
      };
    }
    return {
      label,
      values: numbers,
      ...(steps.length <= 6 && steps.length < runs.length && { tickvals: steps, ticktext: steps.map(String) }),
    };
  });
  return new Figure(
    {
      data: [
        {
          type: 'parcoords',
          dimensions: axes,
          line: {
            color: runs.map((run) => Number(run[colour])),
            colorscale: lowIsGood
              ? scoreColours.map(([at], i) => [at, scoreColours[scoreColours.length - 1 - i][1]] as const)
              : scoreColours,
            showscale: true,
            colorbar: { title: { text: colour } },
          },
        },
      ],
      layout: { title: { text: title }, width, height, margin: { l: 64, r: 64, t: 96, b: 32 } },
    },
    `${title}: ${runs.length} runs over ${dimensions.join(', ')}`,
  );
}
