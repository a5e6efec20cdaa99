import { randomUUID } from 'node:crypto';
import type { Message } from './wire.js';

type Json = Readonly<Record<string, unknown>>;

/** Publishes a message about a comm to the front ends. */
type Publish = (type: 'comm_open' | 'comm_msg' | 'comm_close', content: Json, metadata?: Json) => void;

interface Comm {
  readonly target: string;
  /** State of the widget at this end of the comm. */
  state: Json;
  readonly onMessage: (data: Json) => void | Promise<void>;
}

/** A comm as the code of a cell sees it. */
export interface CommHandle {
  readonly id: string;
}

/**
 * Channels between objects of the kernel and of the front end, such as the model of a slider and its views.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#custom-messages
 */
export class Comms {
  private readonly comms = new Map<string, Comm>();
  /** Comm by which a front end asks for all widgets, when its page is loaded. */
  private control?: string;
  private asked = false;

  constructor(private readonly publish: Publish) {}

  /** Whether a front end has shown that it has Jupyter's widgets: it asked for those that are there. */
  get widgets(): boolean {
    return this.asked || this.control !== undefined;
  }

  open(target: string, data: Json, metadata: Json, onMessage: Comm['onMessage']): CommHandle {
    const id = randomUUID();
    this.comms.set(id, { target, state: (data.state ?? {}) as Json, onMessage });
    this.publish('comm_open', { comm_id: id, target_name: target, data }, metadata);
    return { id };
  }

  /** The reply to a `comm_info_request`. */
  info({ target_name: target }: { target_name?: string }): Json {
    if (target === widgetTarget) this.asked = true;
    const comms = [...this.comms].filter(([, comm]) => target === undefined || comm.target === target);
    return { comms: Object.fromEntries(comms.map(([id, comm]) => [id, { target_name: comm.target }])) };
  }

  /**
   * Handles a message of a front end. Resolves when it is done: the front end waits for that before it sends
   * the next value.
   */
  async receive({ header, content }: Message): Promise<void> {
    const { comm_id: id, target_name: target, data } = content as { comm_id: string; target_name?: string; data: Json };
    switch (header.msg_type) {
      case 'comm_open':
        if (target === controlTarget) this.control = id;
        else this.publish('comm_close', { comm_id: id, data: {} }); // only the kernel opens others
        break;
      case 'comm_close':
        this.comms.delete(id);
        break;
      default:
        if (id === this.control) this.answerControl(data);
        else await this.answerWidget(id, data);
    }
  }

  /** Gives a page that has just been loaded the state of all widgets at once. */
  private answerControl({ method }: Json): void {
    if (method !== 'request_states') return;
    const widgets = [...this.comms].filter(([, comm]) => comm.target === widgetTarget);
    const states = widgets.map(([id, { state }]) => {
      const {
        _model_name: model_name,
        _model_module: model_module,
        _model_module_version: model_module_version,
      } = state;
      return [id, { model_name, model_module, model_module_version, state }] as const;
    });
    const data = { method: 'update_states', states: Object.fromEntries(states), buffer_paths: [] };
    this.publish('comm_msg', { comm_id: this.control, data });
  }

  private async answerWidget(id: string, data: Json): Promise<void> {
    const comm = this.comms.get(id);
    if (!comm) return;
    const { method, state } = data as { method?: string; state?: Json };
    if (method === 'update') comm.state = { ...comm.state, ...state };
    if (method === 'request_state')
      this.publish('comm_msg', { comm_id: id, data: { method: 'update', state: comm.state, buffer_paths: [] } });
    else await comm.onMessage(data);
  }
}

/** Targets of the widgets' messages: https://github.com/jupyter-widgets/ipywidgets/blob/main/packages/schema/messages.md */
const widgetTarget = 'jupyter.widget';
const controlTarget = 'jupyter.widget.control';
