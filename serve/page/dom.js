/** Small ways to make elements. Text is always text: nothing that comes from outside is read as HTML. */

/**
 * @param {string} tag `p`, or with classes `p.hint`
 * @param {Record<string, unknown>} [properties] attributes; functions are listeners; `p` is a share in [0, 1] for a bar
 * @param {...(Node | string)} children
 */
export function make(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name);
  if (classes.length > 0) element.className = classes.join(' ');
  setAll(element, properties);
  element.append(...children);
  return element;
}

/** The same for SVG. */
export function makeSvg(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  if (classes.length > 0) element.setAttribute('class', classes.join(' '));
  setAll(element, properties);
  element.append(...children);
  return element;
}

function setAll(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (name === 'p') element.style.setProperty('--p', String(value));
    else if (value === true) element.setAttribute(name, '');
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
}

/** 0.283 -> "28 %" */
export function percent(p) {
  if (p > 0 && p < 0.005) return '< 1 %';
  return `${Math.round(100 * p)} %`;
}

/** An element by its id. */
export const byId = (id) => document.getElementById(id);
