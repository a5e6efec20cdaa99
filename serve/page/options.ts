/** The form of search options, kept from visit to visit. */

import type { Readiness } from '../answers.js';
import { byId } from './dom.js';

/** Options of the search, as fields of a form. */
export type SearchFields = Readonly<Record<string, string>>;

const key = 'captioner-options';

/** Options of which the first may not exceed the second: whichever was changed takes the other along. */
const pairs = [
  ['n', 'beam'],
  ['minLength', 'maxLength'],
];

const form = (): HTMLFormElement => byId('options', HTMLFormElement);

/** The form's fields by their names. */
function fields(): Map<string, HTMLInputElement | HTMLSelectElement> {
  const all = [...form().querySelectorAll('input'), ...form().querySelectorAll('select')];
  return new Map(all.map((field) => [field.name, field]));
}

export function setUpOptions(): void {
  const known = fields();
  for (const [name, value] of Object.entries(saved())) {
    const field = known.get(name);
    if (field) field.value = value;
  }
  if (!known.get('method')?.value) form().reset(); // a method that no longer exists
  form().addEventListener('input', (event) => {
    keepInOrder(event.target);
    update();
  });
  form().addEventListener('submit', (event) => {
    event.preventDefault();
  });
  form().addEventListener('reset', () => setTimeout(update)); // the event comes before the reset
  update();
}

/** The options that the chosen search reads. Disabled and empty fields are left out. */
export function readOptions(): SearchFields {
  const given = [...new FormData(form())].map(([name, value]) => [name, String(value)]);
  return Object.fromEntries(given.filter(([, value]) => value.trim() !== '')) as SearchFields;
}

/** Keeps the options within what the service allows. */
export function limitOptions({ maxBeam }: Readiness['limits']): void {
  for (const [name, most] of Object.entries({ beam: maxBeam, n: Math.min(5, maxBeam) })) {
    const field = fields().get(name);
    if (field instanceof HTMLInputElement) field.max = String(most);
  }
  update();
}

function keepInOrder(changed: EventTarget | null): void {
  const known = fields();
  for (const pair of pairs) {
    const [low, high] = pair.map((name) => known.get(name));
    if (!low || !high || Number(low.value) <= Number(high.value)) continue;
    if (changed === high) low.value = high.value;
    else high.value = low.value;
  }
}

/** Shows the fields of the chosen method with their values. */
function update(): void {
  const known = fields();
  const method = known.get('method')?.value ?? '';
  for (const field of known.values()) {
    const label = field.closest('label');
    if (!label) continue;
    const { only } = label.dataset;
    label.hidden = only !== undefined && !only.split(' ').includes(method);
    field.disabled = label.hidden;
    const output = label.querySelector('output');
    if (output) output.value = (field.value === '0' && output.dataset.zero) || field.value;
  }
  localStorage.setItem(key, JSON.stringify(Object.fromEntries([...known].map(([name, { value }]) => [name, value]))));
}

function saved(): Record<string, string> {
  try {
    return JSON.parse(localStorage.getItem(key) ?? '{}') as Record<string, string>;
  } catch {
    return {};
  }
}
