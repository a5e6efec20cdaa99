/** Small ways to make and find elements. Text is always text: nothing that comes from outside is read as HTML. */

/**
 * Attributes; functions are listeners; `p` is a share in [0, 1] for a bar.
 * @typedef {Readonly<Record<string, string | number | (() => void)>>} Properties
 */

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Properties} [properties]
 * @param {...(Node | string)} children
 */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  fill(element, properties, children);
  return element;
}

/**
 * The same for SVG.
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Properties} [properties]
 * @param {...(Node | string)} children
 */
export function makeSvg(name, properties = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  fill(element, properties, children);
  return element;
}

/**
 * @param {HTMLElement | SVGElement} element
 * @param {Properties} properties
 * @param {(Node | string)[]} children
 */
function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (name === 'p') element.style.setProperty('--p', String(value));
    else element.setAttribute(name, String(value));
  }
  element.append(...children);
}

/**
 * The element of the page that has this id.
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind what it is
 */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`The page has no ${kind.name} '${id}'.`);
}

/** @param {HTMLCanvasElement} canvas */
export function drawingOn(canvas) {
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This browser can not draw.');
  return context;
}

/**
 * A drawing as the file of a photo.
 * @param {HTMLCanvasElement} canvas
 * @param {number} quality in [0, 1]
 * @returns {Promise<Blob>}
 */
export function jpegOf(canvas, quality) {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error('This browser can not make the photo smaller.'))),
      'image/jpeg',
      quality,
    );
  });
}

/**
 * What to tell people of an error.
 * @param {unknown} error
 */
export function sentenceOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * 0.283 -> "28 %"
 * @param {number} p
 */
export function percent(p) {
  if (p > 0 && p < 0.005) return '< 1 %';
  return `${Math.round(100 * p)} %`;
}
