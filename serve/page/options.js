/** How to search for captions: the form of the page, kept from visit to visit. */

import { byId } from './dom.js';

/** @import { Readiness } from '../answers.js' */

/**
 * Options of the search, as fields of a form.
 * @typedef {Readonly<Record<string, string>>} SearchFields
 */

const key = 'captioner-options';

/** Options that can not be larger than another one: whichever was changed takes the other along. */
const pairs = [
  ['n', 'beam'],
  ['minLength', 'maxLength'],
];

const form = () => byId('options', HTMLFormElement);

/** The form's fields by their names. */
function fields() {
  const all = [...form().querySelectorAll('input'), ...form().querySelectorAll('select')];
  return new Map(all.map((field) => [field.name, field]));
}

export function setUpOptions() {
  const known = fields();
  for (const [name, value] of Object.entries(saved())) {
    const field = known.get(name);
    if (field) field.value = value;
  }
  if (!known.get('method')?.value) form().reset(); // a method that is no more
  form().addEventListener('input', (event) => {
    keepInOrder(event.target);
    update();
  });
  form().addEventListener('submit', (event) => event.preventDefault());
  form().addEventListener('reset', () => setTimeout(update)); // it is told before it is done
  update();
}

/**
 * What the chosen search reads, and nothing else: the rest is disabled, and what was emptied is as if it were not there.
 * @returns {SearchFields}
 */
export function readOptions() {
  const given = [...new FormData(form())].map(([name, value]) => [name, String(value)]);
  return Object.fromEntries(given.filter(([, value]) => value.trim() !== ''));
}

/**
 * Keeps to what the service allows.
 * @param {Readiness['limits']} limits
 */
export function limitOptions({ maxBeam }) {
  for (const [name, most] of Object.entries({ beam: maxBeam, n: Math.min(5, maxBeam) })) {
    const field = fields().get(name);
    if (field instanceof HTMLInputElement) field.max = String(most);
  }
  update();
}

/** @param {EventTarget | null} changed */
function keepInOrder(changed) {
  const known = fields();
  for (const pair of pairs) {
    const [low, high] = pair.map((name) => known.get(name));
    if (!low || !high || Number(low.value) <= Number(high.value)) continue;
    if (changed === high) low.value = high.value;
    else high.value = low.value;
  }
}

/** Shows the fields of the chosen method, and what their values are. */
function update() {
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

/** @returns {Record<string, string>} */
function saved() {
  try {
    return JSON.parse(localStorage.getItem(key) ?? '{}');
  } catch {
    return {};
  }
}
