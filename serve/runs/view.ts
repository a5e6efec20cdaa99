import type { RunReport } from '../../lib/index.js';
import { curveStyle, sweepCurves } from '../../lib/viz.js';
import type { RunRow, RunsView, SampledPhoto } from './answers.js';

/** Runs drawn where none are chosen: those that changed last. */
const most = 8;

/**
 * Everything that the page shows.
 * @param chosen names of the runs to draw and compare; empty for the latest ones.
 * @param hasPhoto whether the photo with this id can be shown.
 */
export function viewOf(
  folder: string,
  reports: readonly RunReport[],
  chosen: readonly string[],
  hasPhoto: (id: string) => boolean,
): RunsView {
  const known = reports.filter(({ name }) => chosen.includes(name));
  const latest = [...reports].sort((a, b) => b.updated - a.updated).slice(0, most);
  const compared = known.length > 0 ? known : reports.filter((report) => latest.includes(report));
  const figure = sweepCurves(
    compared.map(({ name, history }) => ({ name, epochs: history })),
    { title: '', width: 1000, height: 380, legend: false },
  );
  return {
    folder,
    runs: reports.map((report) => rowOf(report, compared.indexOf(report))),
    ...(compared.some(({ history }) => history.length > 0) && {
      figure: { svg: figure.toSvg(), description: figure.description },
    }),
    photos: photosOf(compared, hasPhoto),
    differences: differencesOf(compared),
  };
}

function rowOf(report: RunReport, place: number): RunRow {
  const { name, status, epochs, updated, history, damagedLines } = report;
  const last = history.at(-1);
  const best = history.findLast((record) => record.best);
  const { loss, CIDEr } = best?.scores ?? {};
  return {
    name,
    status,
    updated,
    damagedLines,
    epoch: last?.epoch ?? 0,
    ...(epochs !== undefined && { epochs }),
    ...(best && { bestEpoch: best.epoch }),
    ...(loss !== undefined && { loss }),
    ...(CIDEr !== undefined && { CIDEr }),
    seconds: last?.seconds ?? 0,
    ...(place >= 0 && { curve: { ...curveStyle(place) } }),
  };
}

/** The captions of each sampled photo, by epoch and run. */
function photosOf(runs: readonly RunReport[], hasPhoto: (id: string) => boolean): SampledPhoto[] {
  const ids = new Set(
    runs.flatMap(({ samples }) => samples.flatMap(({ captions }) => captions.map((c) => c.image_id))),
  );
  return [...ids].map((id) => {
    const byEpoch = new Map<number, Record<string, string>>();
    for (const { name, samples } of runs)
      for (const { epoch, captions } of samples) {
        const caption = captions.find(({ image_id }) => image_id === id)?.caption;
        if (caption !== undefined) byEpoch.set(epoch, { ...byEpoch.get(epoch), [name]: caption });
      }
    const epochs = [...byEpoch].sort(([a], [b]) => a - b).map(([epoch, captions]) => ({ epoch, captions }));
    return { id, shown: hasPhoto(id), epochs };
  });
}

/** The hyperparameters that are not the same in all runs. */
function differencesOf(runs: readonly RunReport[]): RunsView['differences'] {
  const configured = runs.filter(({ config }) => config.size > 0);
  const names = [...new Set(configured.flatMap(({ config }) => [...config.keys()]))];
  return names
    .map((name) => ({ name, values: configured.map(({ config }) => config.get(name) ?? '–') }))
    .filter(({ values }) => new Set(values).size > 1)
    .map(({ name, values }) => ({
      name,
      values: Object.fromEntries(configured.map((run, i) => [run.name, values[i]])),
    }));
}
