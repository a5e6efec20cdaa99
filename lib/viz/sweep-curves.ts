import type { SweepRun } from '../train/sweep/sweep.js';
import type { EpochRecord } from '../train/loop/trainer.js';
import { LiveDisplay } from './display.js';
import { Figure } from './figure.js';
import type { Axis, ScatterTrace } from './spec.js';
import { channels, ink, seriesColours } from './theme.js';

/** A curve among others. */
export interface SweptCurve {
  /** Runs of the same name, such as those of several seeds, are drawn as their mean, with a band from the lowest to the highest. */
  readonly name: string;
  readonly epochs: readonly Pick<EpochRecord, 'epoch' | 'loss' | 'scores'>[];
}

/** A panel of the figure. */
interface Panel {
  readonly title: string;
  readonly value: (record: SweptCurve['epochs'][number]) => number | undefined;
  readonly axes: Pick<ScatterTrace, 'xaxis' | 'yaxis'>;
}

/**
 * Draws the curves of many runs over each other: on the left the loss on the dev captions (without
 * dev photos the training loss), on the right the CIDEr of the dev photos, if there are any.
 */
export function sweepCurves(
  runs: readonly SweptCurve[],
  { title = 'Sweep', width = 760, height = 380, legend = true }: SweepCurveOptions = {},
): Figure {
  const groups = new Map<string, SweptCurve[]>();
  for (const run of runs) groups.set(run.name, [...(groups.get(run.name) ?? []), run]);
  const records = runs.flatMap(({ epochs }) => epochs);
  const validated = records.some(({ scores }) => scores.loss !== undefined);
  const loss: Panel = {
    title: validated ? 'dev loss per word' : 'training loss per word',
    value: (record) => (validated ? record.scores.loss : record.loss),
    axes: {},
  };
  const scored = records.some(({ scores }) => scores.CIDEr !== undefined);
  const cider: Panel = {
    title: 'dev CIDEr',
    value: ({ scores }) => scores.CIDEr,
    axes: { xaxis: 'x2', yaxis: 'y2' },
  };
  const panels = scored ? [loss, cider] : [loss];
  const data = panels.flatMap((panel) =>
    [...groups].flatMap(([name, group], i) => curveOf(name, group, i, panel, panel === loss)),
  );
  const x = epochAxis(records);
  return new Figure(
    {
      data,
      layout: {
        ...(title !== '' && { title: { text: title } }),
        width,
        height,
        showlegend: legend,
        xaxis: { ...x, domain: [0, scored ? 0.44 : 1] },
        yaxis: { title: { text: loss.title } },
        ...(scored && {
          xaxis2: { ...x, domain: [0.56, 1], anchor: 'y2' },
          yaxis2: { title: { text: cider.title }, anchor: 'x2' },
        }),
      },
    },
    `${title === '' ? '' : `${title}: `}${panels.map((panel) => panel.title).join(' and ')} of ${[...groups.keys()].join('; ')}`,
  );
}

export interface SweepCurveOptions {
  readonly title?: string;
  readonly width?: number;
  readonly height?: number;
  /** Whether names are shown above the curves. */
  readonly legend?: boolean;
}

/** The colour and dash of the curve with this index: beyond eight colours, dashes tell curves apart. */
export function curveStyle(index: number): { readonly color: string; readonly dash: 'solid' | 'dash' | 'dot' } {
  const round = Math.floor(index / seriesColours.length) % 3;
  return { color: seriesColours[index % seriesColours.length], dash: (['solid', 'dash', 'dot'] as const)[round] };
}

/** The mean of some runs, with a band where there are several. */
function curveOf(name: string, group: SweptCurve[], index: number, panel: Panel, legend: boolean): ScatterTrace[] {
  const byEpoch = new Map<number, number[]>();
  for (const record of group.flatMap(({ epochs }) => epochs)) {
    const value = panel.value(record);
    if (value !== undefined) byEpoch.set(record.epoch, [...(byEpoch.get(record.epoch) ?? []), value]);
  }
  const points = [...byEpoch].sort(([a], [b]) => a - b);
  const x = points.map(([epoch]) => epoch);
  const { color, dash } = curveStyle(index);
  const line: ScatterTrace = {
    ...{ type: 'scatter', mode: 'lines+markers', name, showlegend: legend, ...panel.axes },
    x,
    y: points.map(([, values]) => values.reduce((sum, value) => sum + value, 0) / values.length),
    line: { color, width: 2, dash },
    marker: { color, size: 5, line: { color: ink.paper, width: 1 } },
  };
  if (group.length < 2) return [line];
  const [r, g, b] = channels(color);
  const band: ScatterTrace = {
    ...{ type: 'scatter', mode: 'lines', showlegend: false, hoverinfo: 'skip', ...panel.axes },
    x: [...x, ...x.toReversed()],
    y: [
      ...points.map(([, values]) => Math.max(...values)),
      ...points.toReversed().map(([, values]) => Math.min(...values)),
    ],
    line: { color, width: 0 },
    fill: 'toself',
    fillcolor: `rgba(${r},${g},${b},0.16)`,
  };
  return [band, line];
}

/** An axis of whole epochs. */
function epochAxis(records: SweptCurve['epochs']): Axis {
  const last = Math.max(1, ...records.map(({ epoch }) => epoch));
  return {
    title: { text: 'epoch' },
    ...(last <= 12 && {
      tickvals: Array.from({ length: last }, (_, i) => i + 1),
      range: [0.8, Math.max(2, last) + 0.2],
    }),
  };
}

/**
 * Curves of all runs of a sweep below the cell, which grow while it runs: `await sweep(base, space, { seeds: 3, ...liveSweep() })`. The
 * seeds of a point are drawn as their mean and a band.
 */
export function liveSweep(title = 'Sweep') {
  const curves = new Map<string, { name: string; epochs: EpochRecord[] }>();
  const place = new LiveDisplay(700);
  const figure = () => sweepCurves([...curves.values()], { title });
  return {
    /** Adds the scores of an epoch of a run. */
    onEpoch: async ({ name, point }: SweepRun, record: EpochRecord): Promise<void> => {
      const curve = curves.get(name) ?? { name: pointLabel(point), epochs: [] };
      curves.set(name, curve);
      curve.epochs.push(record);
      await place.update(figure);
    },
    /** Draws once more when a run has ended. */
    onRun: async (): Promise<void> => {
      if (curves.size > 0) await place.finish(figure());
    },
  };
}

/** A point in words: `learningRate 0.001, hiddenSize 256`. */
function pointLabel(point: SweepRun['point']): string {
  const label = Object.entries(point)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
  return label || 'base';
}
