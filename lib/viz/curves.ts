import type { EpochRecord, StepRecord } from '../train/loop/trainer.js';
import { LiveDisplay } from './display.js';
import { Figure } from './figure.js';
import type { Trace } from './spec.js';
import { ink, palette, seriesColours } from './theme.js';

/** A point of the training loss. */
type LossPoint = Pick<StepRecord, 'step' | 'loss'>;

/**
 * Draws the progress of a training run. On the left is the loss: the training loss step by step,
 * the loss on the dev captions epoch by epoch. On the right is the CIDEr of the captions for the
 * dev photos, if there are any.
 */
export function lossCurves(
  steps: readonly LossPoint[],
  epochs: readonly EpochRecord[],
  { title = 'Training', width = 760, height = 340 }: { title?: string; width?: number; height?: number } = {},
): Figure {
  const scored = epochs.filter(({ scores }) => scores.CIDEr !== undefined);
  const validated = epochs.filter(({ scores }) => scores.loss !== undefined);
  const two = scored.length > 0;
  const data: Trace[] = [
    curve(
      'training loss',
      steps.map(({ step }) => step),
      steps.map(({ loss }) => loss),
      palette.sky,
      'lines',
      1.2,
    ),
    curve(
      'mean of each epoch',
      epochs.map(({ step }) => step),
      epochs.map(({ loss }) => loss),
      palette.blue,
      'lines+markers',
    ),
  ];
  if (validated.length > 0) {
    const losses = validated.map(({ scores }) => scores.loss);
    data.push(
      curve(
        'dev loss',
        validated.map(({ step }) => step),
        losses,
        palette.orange,
        'lines+markers',
      ),
    );
  }
  if (two) {
    const cider = curve(
      'dev CIDEr',
      scored.map(({ step }) => step),
      scored.map(({ scores }) => scores.CIDEr),
      palette.green,
      'lines+markers',
    );
    data.push({ ...cider, xaxis: 'x2', yaxis: 'y2' });
  }
  const last = epochs.at(-1);
  return new Figure(
    {
      data,
      layout: {
        title: { text: title },
        width,
        height,
        showlegend: true,
        xaxis: { title: { text: 'step' }, domain: [0, two ? 0.56 : 1] },
        yaxis: { title: { text: 'loss per word' } },
        ...(two && {
          xaxis2: { title: { text: 'step' }, domain: [0.68, 1], anchor: 'y2' },
          yaxis2: { title: { text: 'CIDEr' }, anchor: 'x2' },
        }),
      },
    },
    last
      ? `${title}: after ${last.epoch} epochs the loss is ${last.loss.toFixed(2)}`
      : `${title}: ${steps.length} steps`,
  );
}

/**
 * Draws the loss of several runs, one line each: that of the dev captions if a run has it, else the
 * training loss.
 */
export function compareRuns(
  runs: Readonly<Record<string, readonly EpochRecord[]>>,
  { title = 'Loss', measure = 'loss' }: { title?: string; measure?: string } = {},
): Figure {
  const last = Math.max(1, ...Object.values(runs).flatMap((epochs) => epochs.map(({ epoch }) => epoch)));
  const data = Object.entries(runs).map(([name, epochs], i): Trace =>
    curve(
      name,
      epochs.map(({ epoch }) => epoch),
      epochs.map((record) => record.scores[measure] ?? record.loss),
      seriesColours[i % seriesColours.length],
      'lines+markers',
    ),
  );
  return new Figure(
    {
      data,
      layout: {
        title: { text: title },
        width: 720,
        height: 360,
        showlegend: true,
        xaxis: {
          title: { text: 'epoch' },
          ...(last <= 15 && { tickvals: Array.from({ length: last }, (_, i) => i + 1) }),
        },
        yaxis: { title: { text: measure === 'loss' ? 'dev loss per word' : `dev ${measure}` } },
      },
    },
    `${title} of ${Object.keys(runs).join(', ')}`,
  );
}

/**
 * Curves below the cell that grow while a training runs: `const live = liveCurves(); await
 * trainCaptioner({ …, onStep: live.onStep, onEpoch: live.onEpoch })`.
 */
export function liveCurves(title = 'Training') {
  const steps: LossPoint[] = [];
  const epochs: EpochRecord[] = [];
  const place = new LiveDisplay(700);
  const figure = () => lossCurves(thinned(steps, 400), epochs, { title });
  return {
    steps,
    epochs,
    /** Adds the loss of a step. */
    onStep: async ({ step, loss }: LossPoint): Promise<void> => {
      steps.push({ step, loss });
      await place.update(figure);
    },
    /** Adds the scores of an epoch. */
    onEpoch: async (record: EpochRecord): Promise<void> => {
      epochs.push(record);
      await place.finish(figure());
    },
    /** Draws the current state, for a training loop written in a cell. */
    finish: () => place.finish(figure()),
  };
}

/** At most `most` points, each the mean of those it replaces. */
export function thinned(points: readonly LossPoint[], most: number): readonly LossPoint[] {
  const group = Math.ceil(points.length / most);
  if (group <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / group) }, (_, i) => {
    const some = points.slice(i * group, (i + 1) * group);
    return { step: some.at(-1)!.step, loss: some.reduce((sum, { loss }) => sum + loss, 0) / some.length };
  });
}

function curve(
  name: string,
  x: number[],
  y: number[],
  color: string,
  mode: 'lines' | 'lines+markers',
  width = 2,
): Extract<Trace, { type: 'scatter' }> {
  return {
    type: 'scatter',
    name,
    x,
    y,
    mode,
    line: { color, width },
    marker: { color, size: 6, line: { color: ink.paper, width: 1 } },
  };
}
