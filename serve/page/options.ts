/** The form of search options, kept from visit to visit. */

import type { Readiness } from '../answers.js';
import { byId } from './dom.js';
import { keep, recall } from './storage.js';

/** Options of the search, as fields of a form. */
export type SearchFields = Readonly<Record<string, string>>;

/** The limits of a request that the page has to know. */
export type Limits = Pick<Readiness['limits'], 'maxFiles' | 'maxBeam'>;

const storageName = 'captioner-options';

/** Time without a change before the options count as settled, in milliseconds: a slider moves through many values. */
const settling = 400;

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

/** @param onChange called when the options have changed and settled */
export function setUpOptions(onChange: () => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const changed = (): void => {
    clearTimeout(timer);
    timer = setTimeout(onChange, settling);
  };
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
  form().addEventListener('change', changed);
  form().addEventListener('submit', (event) => {
    event.preventDefault();
  });
  form().addEventListener('reset', () => {
    setTimeout(update); // the event comes before the reset
    changed();
  });
  update();
}

/** The options that the chosen search reads. Disabled and empty fields are left out. */
export function readOptions(): SearchFields {
  const given = [...new FormData(form())].map(([name, value]) => [name, String(value)]);
  return Object.fromEntries(given.filter(([, value]) => value.trim() !== '')) as SearchFields;
}

/** The options that differ from the service's defaults. The number of captions is always among them: the page asks for more than one. */
export function changedOptions(options: SearchFields): SearchFields {
  const known = fields();
  const isDefault = (name: string, value: string): boolean => {
    const field = known.get(name);
    if (field instanceof HTMLSelectElement) return field.querySelector('[selected]')?.getAttribute('value') === value;
    return name !== 'n' && field?.defaultValue === value;
  };
  return Object.fromEntries(Object.entries(options).filter(([name, value]) => !isDefault(name, value)));
}

/** Keeps the options within what the service allows. */
export function limitOptions({ maxBeam }: Limits): void {
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
  const values = Object.fromEntries([...known].map(([name, { value }]) => [name, value]));
  keep('localStorage', storageName, JSON.stringify(values));
}

function saved(): Record<string, string> {
  try {
    return JSON.parse(recall('localStorage', storageName) ?? '{}') as Record<string, string>;
  } catch {
    return {};
  }
}
