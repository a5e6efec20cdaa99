import type { Annotation, LayoutImage, Shape } from '../spec.js';
import { ink } from '../theme.js';
import { dashOf } from './marks.js';
import type { Panel } from './panel.js';
import type { Area } from './scale-bar.js';
import type { Scale } from './scale.js';
import { drawMarkup, markupLines, round, textWidth } from './text.js';

/**
 * Places of annotations, images and shapes: on an axis, or as a share of the figure. On logarithmic axes Plotly wants logarithms, but of shapes the
 * values.
 */
function placer(
  panels: ReadonlyMap<string, Panel>,
  area: Area,
  along: 'x' | 'y',
  reference: string,
  logarithms = true,
) {
  if (reference === 'paper') {
    return (value: number | string) =>
      along === 'x'
        ? area.left + Number(value) * (area.right - area.left)
        : area.bottom - Number(value) * (area.bottom - area.top);
  }
  const [, panel] = [...panels].find(([name]) => name.split(' ')[along === 'x' ? 0 : 1] === reference) ?? [];
  const scale: Scale | undefined = panel?.[along];
  return (value: number | string) => (scale ? scale.place(scale.log && logarithms ? 10 ** Number(value) : value) : 0);
}

export function drawAnnotation(annotation: Annotation, panels: ReadonlyMap<string, Panel>, area: Area): string {
  const { text, xref = 'x', yref = 'y', xanchor = 'center', yanchor = 'middle', font = {}, bgcolor } = annotation;
  const x = placer(panels, area, 'x', xref)(annotation.x);
  const y = placer(panels, area, 'y', yref)(annotation.y);
  const anchor = ({ left: 'start', center: 'middle', right: 'end' } as const)[xanchor];
  const { size = 12.5, color = ink.text } = font;
  let svg = '';
  if (bgcolor) {
    const lines = markupLines(text);
    const width = Math.max(...lines.map((line) => textWidth(line.text, size, line.bold))) + 8;
    const height = lines.length * size * 1.25 + 4;
    const left = anchor === 'start' ? x - 4 : anchor === 'middle' ? x - width / 2 : x - width + 4;
    const top = yanchor === 'top' ? y - 2 : yanchor === 'middle' ? y - height / 2 : y - height + 2;
    svg += `<rect x="${round(left)}" y="${round(top)}" width="${round(width)}" height="${round(height)}" rx="3" fill="${bgcolor}"/>`;
  }
  return svg + drawMarkup(text, x, y, { size, colour: color, anchor, vertical: yanchor });
}

export function drawImage(image: LayoutImage, panels: ReadonlyMap<string, Panel>, area: Area): string {
  const [px, py] = [placer(panels, area, 'x', image.xref), placer(panels, area, 'y', image.yref)];
  const width = Math.abs(px(image.x + image.sizex) - px(image.x));
  const height = Math.abs(py(image.y + image.sizey) - py(image.y));
  const { xanchor = 'left', yanchor = 'top' } = image;
  const left = px(image.x) - { left: 0, center: width / 2, right: width }[xanchor];
  const top = py(image.y) - { top: 0, middle: height / 2, bottom: height }[yanchor];
  const ratio = image.sizing === 'stretch' ? 'none' : 'xMidYMid meet';
  const opacity = image.opacity === undefined ? '' : ` opacity="${image.opacity}"`;
  return `<image href="${image.source}" x="${round(left)}" y="${round(top)}" width="${round(width)}" height="${round(height)}" preserveAspectRatio="${ratio}"${opacity}/>`;
}

export function drawShape(shape: Shape, panels: ReadonlyMap<string, Panel>, area: Area): string {
  const [px, py] = [placer(panels, area, 'x', shape.xref, false), placer(panels, area, 'y', shape.yref, false)];
  const [x0, x1] = [shape.x0, shape.x1].map((value) => round(px(value)));
  const [y0, y1] = [shape.y0, shape.y1].map((value) => round(py(value)));
  const { color = ink.line, width = 1, dash } = shape.line ?? {};
  const stroke = `stroke="${color}" stroke-width="${width}"${dashOf(dash)}`;
  if (shape.type === 'line') return `<path d="M${x0} ${y0}L${x1} ${y1}" ${stroke} fill="none"/>`;
  return `<rect x="${Math.min(x0, x1)}" y="${Math.min(y0, y1)}" width="${Math.abs(x1 - x0)}" height="${Math.abs(y1 - y0)}" fill="${shape.fillcolor ?? 'none'}" ${stroke}/>`;
}
