/** Small ways to make and find elements. Text is always text: nothing from outside is read as HTML. */

/** Attributes; functions are listeners; `p` is a share in [0, 1] for a bar. */
export type Properties = Readonly<Record<string, string | number | (() => void)>>;

export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Properties = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  fill(element, properties, children);
  return element;
}

/** The same for SVG. */
export function makeSvg<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  properties: Properties = {},
  ...children: (Node | string)[]
): SVGElementTagNameMap[Name] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  fill(element, properties, children);
  return element;
}

function fill(element: HTMLElement | SVGElement, properties: Properties, children: (Node | string)[]): void {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (name === 'p') element.style.setProperty('--p', String(value));
    else element.setAttribute(name, String(value));
  }
  element.append(...children);
}

/** The element of the page with this id and kind. */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`The page has no ${kind.name} '${id}'.`);
}

export function drawingOn(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This browser cannot draw.');
  return context;
}

/** A drawing as a JPEG file; `quality` is in [0, 1]. */
export function jpegOf(canvas: HTMLCanvasElement, quality: number): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => {
        if (blob) resolve(blob);
        else reject(new Error('This browser cannot make the photo smaller.'));
      },
      'image/jpeg',
      quality,
    );
  });
}

/** 420 -> "0.4 s" */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** The message of an error. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** 0.283 -> "28 %" */
export function percent(p: number): string {
  if (p > 0 && p < 0.005) return '< 1 %';
  return `${Math.round(100 * p)} %`;
}
