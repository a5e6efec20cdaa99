import { randomUUID } from 'node:crypto';
import { thinnedControls, valuesAt, type Control, type ControlValues, type Positions } from './controls.js';
import { display, LiveDisplay, requireHost, showOutput, type DisplayData } from './display.js';
import { Figure, scriptJson } from './figure.js';
import { escapeHtml } from './html.js';
import { fontFamily } from './theme.js';
import { openWidgets } from './widgets.js';

/** Most figures that are drawn in advance. */
const mostFigures = 60;

/**
 * Shows a figure below controls, and redraws it while they are moved.
 *
 * ```ts
 * await interact({ beam: slider('beam width', { min: 1, max: 10, value: 3 }) }, async ({ beam }) => treeOf(await search(beam)));
 * ```
 *
 * JupyterLab with Jupyter's widgets (`npm run lab` installs both) draws each figure when it is asked for. Elsewhere the figures are drawn
 * in advance, for at most 60 combinations of values, and the controls need nothing but the page. A viewer without scripts shows the
 * first figure.
 *
 * @param draw makes the figure for the values of the controls.
 * @throws CaptionerError `unsupported` outside of a notebook; what `draw` throws.
 */
export async function interact<Controls extends Readonly<Record<string, Control<unknown>>>>(
  controls: Controls,
  draw: (values: ControlValues<Controls>) => Figure | Promise<Figure>,
): Promise<void> {
  const host = requireHost();
  const at = async (positions: Positions) => draw(valuesAt(controls, positions));
  if (!host.hasWidgets?.()) {
    await showPrecomputed(controls, draw);
    return;
  }
  const place = new LiveDisplay(0);
  const output = openWidgets(host, Object.values(controls), async (positions) => {
    try {
      await place.finish(await at(positions));
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
    }
  });
  showOutput(output);
  await place.finish(await at(Object.values(controls).map(({ index }) => index)));
}

async function showPrecomputed<Controls extends Readonly<Record<string, Control<unknown>>>>(
  controls: Controls,
  draw: (values: ControlValues<Controls>) => Figure | Promise<Figure>,
): Promise<void> {
  const few = thinnedControls(controls, mostFigures);
  const figures: Figure[] = [];
  for (const positions of allPositions(Object.values(few))) figures.push(await draw(valuesAt(few, positions)));
  showOutput(await precomputed(Object.values(few), figures));
}

/** All positions, the last control moving fastest. */
function allPositions(controls: readonly Control<unknown>[]): Positions[] {
  return controls.reduce<Positions[]>(
    (before, { options }) => before.flatMap((positions) => options.map((_, i) => [...positions, i])),
    [[]],
  );
}

/** Controls and figures as one output. @param figures in the order of `allPositions`. */
async function precomputed(controls: readonly Control<unknown>[], figures: readonly Figure[]): Promise<DisplayData> {
  const first = controls.reduce((place, { options, index }) => place * options.length + index, 0);
  const { data, metadata } = await figures[first][display]();
  const id = `controls-${randomUUID().slice(0, 8)}`;
  const sizes = controls.map(({ options }) => options.length);
  const html =
    `<div id="${id}" style="font:14px ${fontFamily}">${controls.map(controlHtml).join('')}${data['text/html']}</div>` +
    `<script>(function(){var figures=${scriptJson(figures.map((figure) => figure.plotly()))},sizes=${JSON.stringify(sizes)};` +
    `var root=document.getElementById("${id}");if(!root)return;var inputs=root.querySelectorAll("input,select"),place=root.querySelector("[id^=figure-]");` +
    'function draw(){var k=0;inputs.forEach(function(input,i){var at=Number(input.value);k=k*sizes[i]+at;' +
    'var shown=input.parentNode.querySelector("output");if(shown)shown.textContent=input.dataset.labels.split("\\n")[at]});' +
    'if(window.Plotly)window.Plotly.react(place,figures[k][0],figures[k][1],figures[k][2])}' +
    'inputs.forEach(function(input){input.addEventListener("input",draw)})})()</script>';
  return { data: { ...data, 'text/html': html }, ...(metadata && { metadata }), needsPlotly: true };
}

function controlHtml({ kind, label, options, index }: Control<unknown>): string {
  const labels = options.map((option) => option.label);
  const name = `<span style="display:inline-block;min-width:110px">${escapeHtml(label)}</span>`;
  const input =
    kind === 'slider'
      ? `<input type="range" min="0" max="${options.length - 1}" step="1" value="${index}" style="width:240px;vertical-align:middle" ` +
        `data-labels="${escapeHtml(labels.join('\n')).replaceAll('\n', '&#10;')}"> <output>${escapeHtml(labels[index])}</output>`
      : `<select>${labels.map((text, i) => `<option value="${i}"${i === index ? ' selected' : ''}>${escapeHtml(text)}</option>`).join('')}</select>`;
  return `<label style="display:block;margin:4px 0">${name} ${input}</label>`;
}
