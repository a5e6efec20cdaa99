import { make } from '../../page/dom.js';
import type { RunRow, RunsView } from '../answers.js';
import { swatch } from './drawing.js';

/** A table of the hyperparameters in which runs differ. */
export function differencesTable(differences: RunsView['differences'], runs: readonly RunRow[]): HTMLElement {
  if (differences.length === 0) {
    const sentence = runs.length > 1 ? 'Their configs are the same.' : 'Choose two runs or more to compare them.';
    return make('p', { class: 'quiet' }, sentence);
  }
  const compared = runs.filter(({ name }) => Object.hasOwn(differences[0].values, name));
  const head = make(
    'tr',
    {},
    make('th', { scope: 'col' }, 'hyperparameter'),
    ...compared.map((run) => make('th', { scope: 'col' }, swatch(run), ` ${run.name}`)),
  );
  const rows = differences.map(({ name, values }) =>
    make(
      'tr',
      {},
      make('th', { scope: 'row' }, name),
      ...compared.map((run) => make('td', {}, values[run.name] ?? '–')),
    ),
  );
  return make('table', {}, make('thead', {}, head), make('tbody', {}, ...rows));
}
