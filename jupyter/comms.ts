import { randomUUID } from 'node:crypto';
import type { Message } from './wire.js';

type Json = Readonly<Record<string, unknown>>;

/** Publishes a message about a comm to the front ends. */
type Publish = (type: 'comm_open' | 'comm_msg' | 'comm_close', content: Json, metadata?: Json) => void;

interface Comm {
  readonly target: string;
  readonly onMessage: (data: Json) => void | Promise<void>;
}

/** A comm as the code of a cell sees it. */
export interface CommHandle {
  readonly id: string;
  send(data: Json): void;
  close(): void;
}

/**
 * Channels between objects of the kernel and of the front end, such as the model of a slider and its views.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#custom-messages
 */
export class Comms {
  private readonly comms = new Map<string, Comm>();
  /** Whether a front end has shown that it has Jupyter's widgets: it asked for those that are there. */
  widgets = false;

  constructor(private readonly publish: Publish) {}

  open(target: string, data: Json, metadata: Json, onMessage: Comm['onMessage']): CommHandle {
    const id = randomUUID();
    this.comms.set(id, { target, onMessage });
    this.publish('comm_open', { comm_id: id, target_name: target, data }, metadata);
    return {
      id,
      send: (content) => {
        if (this.comms.has(id)) this.publish('comm_msg', { comm_id: id, data: content });
      },
      close: () => {
        if (this.comms.delete(id)) this.publish('comm_close', { comm_id: id, data: {} });
      },
    };
  }

  /** The reply to a `comm_info_request`. */
  info({ target_name: target }: { target_name?: string }): Json {
    if (target === widgetTarget) this.widgets = true;
    const comms = [...this.comms].filter(([, comm]) => target === undefined || comm.target === target);
    return { comms: Object.fromEntries(comms.map(([id, comm]) => [id, { target_name: comm.target }])) };
  }

  /** Handles what a front end sends. Resolves when it is dealt with: a front end waits for that before it sends the next value. */
  async receive({ header, content }: Message): Promise<void> {
    const { comm_id: id, target_name: target, data } = content as { comm_id: string; target_name?: string; data: Json };
    if (header.msg_type === 'comm_open') {
      if (target === controlTarget) this.widgets = true;
      // Comms are opened by the kernel alone. The front end then asks for each widget by itself.
      this.publish('comm_close', { comm_id: id, data: {} });
    } else if (header.msg_type === 'comm_close') this.comms.delete(id);
    else await this.comms.get(id)?.onMessage(data);
  }
}

/** Targets of the widgets' messages: https://github.com/jupyter-widgets/ipywidgets/blob/main/packages/schema/messages.md */
const widgetTarget = 'jupyter.widget';
const controlTarget = 'jupyter.widget.control';
