import { make } from '../../page/dom.js';
import type { RunRow } from '../answers.js';
import { swatch } from './drawing.js';

const columns: readonly [title: string, cell: (run: RunRow) => string][] = [
  ['epoch', ({ epoch, epochs }) => (epochs === undefined ? `${epoch}` : `${epoch} of ${epochs}`)],
  ['best', ({ bestEpoch }) => (bestEpoch === undefined ? '–' : `${bestEpoch}`)],
  ['CIDEr', ({ CIDEr }) => CIDEr?.toFixed(3) ?? '–'],
  ['dev loss', ({ loss }) => loss?.toFixed(3) ?? '–'],
  ['minutes', ({ seconds }) => (seconds / 60).toFixed(1)],
];

/** The list of runs, in which those to draw and compare are chosen. The choice is kept in the address of the page. */
export class RunsTable {
  /** Names of the chosen runs; empty if none is chosen. */
  chosen: readonly string[] = new URLSearchParams(location.search).getAll('run');

  constructor(
    private readonly table: HTMLTableElement,
    private readonly onChoice: () => void,
  ) {}

  draw(runs: readonly RunRow[]): void {
    const focused = document.activeElement instanceof HTMLInputElement ? document.activeElement.value : undefined;
    const head = make(
      'tr',
      {},
      ...['run', 'status', ...columns.map(([title]) => title)].map((title) => make('th', { scope: 'col' }, title)),
    );
    const rows = runs.map((run) =>
      make(
        'tr',
        {},
        make('th', { scope: 'row' }, this.choice(run)),
        status(run),
        ...columns.map(([, cell]) => make('td', {}, cell(run))),
      ),
    );
    this.table.replaceChildren(make('thead', {}, head), make('tbody', {}, ...rows));
    if (focused !== undefined)
      this.boxes()
        .find(({ value }) => value === focused)
        ?.focus();
  }

  private choice(run: RunRow): HTMLElement {
    const change = () => {
      this.chosen = this.boxes()
        .filter(({ checked }) => checked)
        .map(({ value }) => value);
      const query = new URLSearchParams(this.chosen.map((name) => ['run', name])).toString();
      history.replaceState(null, '', query === '' ? location.pathname : `?${query}`);
      this.onChoice();
    };
    const box = make('input', { type: 'checkbox', value: run.name, change });
    box.checked = run.curve !== undefined;
    return make('label', {}, box, swatch(run), run.name);
  }

  private boxes(): HTMLInputElement[] {
    return [...this.table.querySelectorAll('input')];
  }
}

function status({ status, updated, damagedLines }: RunRow): HTMLElement {
  const words = {
    running: 'running',
    finished: 'finished',
    quiet: updated > 0 ? `not running since ${new Date(updated).toLocaleString()}` : 'not running',
  }[status];
  const damage = damagedLines === 0 ? [] : [make('small', { class: 'bad' }, `${damagedLines} damaged lines left out`)];
  return make('td', {}, make('span', { class: status }, words), ...damage);
}
