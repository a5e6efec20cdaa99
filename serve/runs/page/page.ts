import { byId, sentenceOf } from '../../page/dom.js';
import type { RunsView } from '../answers.js';
import { CaptionsSection } from './captions.js';
import { differencesTable } from './differences.js';
import { drawingOf } from './drawing.js';
import { RunsTable } from './runs-table.js';

/** Time between two looks at the folder, in ms. */
const pause = 2000;

const state = byId('state', HTMLElement);
const table = new RunsTable(byId('runs', HTMLTableElement), () => void refresh());
const captions = new CaptionsSection(byId('captions', HTMLElement));
let shown = '';

/** Reads the view again, and draws what has changed. */
async function refresh(): Promise<void> {
  try {
    const query = new URLSearchParams(table.chosen.map((name) => ['run', name]));
    const answer = await fetch(`view.json?${query.toString()}`);
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const text = await answer.text();
    state.textContent = '';
    if (text === shown) return;
    shown = text;
    draw(JSON.parse(text) as RunsView);
  } catch (error) {
    state.textContent = `Not up to date: ${sentenceOf(error)}. Is captioner runs still running?`;
  }
}

function draw(view: RunsView): void {
  byId('folder', HTMLElement).textContent = view.folder;
  byId('empty', HTMLElement).hidden = view.runs.length > 0;
  table.draw(view.runs);
  const drawn = view.runs.filter(({ curve }) => curve !== undefined);
  byId('curves', HTMLElement).replaceChildren(drawingOf(view.figure));
  captions.draw(view.photos, drawn);
  byId('differences', HTMLElement).replaceChildren(differencesTable(view.differences, drawn));
}

async function watch(): Promise<void> {
  if (document.visibilityState === 'visible') await refresh();
  setTimeout(() => void watch(), pause);
}

document.addEventListener('visibilitychange', () => void refresh());
await refresh();
setTimeout(() => void watch(), pause);
