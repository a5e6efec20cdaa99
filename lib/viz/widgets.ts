import type { Control, Positions } from './controls.js';
import type { DisplayData, NotebookHost, WidgetComm } from './display.js';

/**
 * Controls as widgets of the front end (ipywidgets' own models), through Jupyter's comms:
 * https://github.com/jupyter-widgets/ipywidgets/blob/main/packages/schema/messages.md
 */

type State = Readonly<Record<string, unknown>>;

const protocol = { version: '2.1.0' };
const module = '@jupyter-widgets/controls';

/**
 * Opens widgets for controls, below each other.
 * @param onChange receives the position of every control when one was moved; the front end sends the next one when it has resolved.
 * @returns the output that shows them.
 */
export function openWidgets(
  host: Pick<NotebookHost, 'openComm'>,
  controls: readonly Control<unknown>[],
  onChange: (positions: Positions) => Promise<void>,
): DisplayData {
  const positions = controls.map(({ index }) => index);
  const children = controls.map((control, i) =>
    openWidget(host, controlState(control), async ({ index }) => {
      if (typeof index !== 'number' || control.options[index] === undefined) return;
      positions[i] = index;
      await onChange([...positions]);
    }),
  );
  const box = openWidget(host, boxState(children.map(({ id }) => `IPY_MODEL_${id}`)));
  const view = { version_major: 2, version_minor: 0, model_id: box.id };
  const text = controls.map(({ label, options, index }) => `${label}: ${options[index].label}`).join(', ');
  return { data: { 'application/vnd.jupyter.widget-view+json': JSON.stringify(view), 'text/plain': `[${text}]` } };
}

/** Opens a widget. @param onUpdate receives the changes of the front end. */
function openWidget(
  { openComm }: Pick<NotebookHost, 'openComm'>,
  state: State,
  onUpdate: (change: State) => Promise<void> = () => Promise.resolve(),
): WidgetComm {
  return openComm('jupyter.widget', { state, buffer_paths: [] }, protocol, async (data) => {
    const { method, state: change = {} } = data as { method?: string; state?: State };
    if (method === 'update') await onUpdate(change);
  });
}

function controlState({ kind, label, options, index }: Control<unknown>): State {
  const name = kind === 'slider' ? 'SelectionSlider' : 'Dropdown';
  return {
    ...modelOf(name),
    ...{ description: label, index, disabled: false, _options_labels: options.map((option) => option.label) },
    ...(kind === 'slider' && { continuous_update: true, orientation: 'horizontal', readout: true }),
  };
}

function boxState(children: readonly string[]): State {
  return { ...modelOf('VBox'), children, box_style: '' };
}

function modelOf(name: string): State {
  return {
    ...{ _model_module: module, _model_module_version: '2.0.0', _model_name: `${name}Model` },
    ...{ _view_module: module, _view_module_version: '2.0.0', _view_name: `${name}View`, _view_count: null },
    ...{ _dom_classes: [], tabbable: null, tooltip: null },
  };
}
