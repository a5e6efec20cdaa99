import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Publisher, Reply, Router } from 'zeromq';
import type { CellError } from './cell-error.js';
import type { MimeBundle } from './display-value.js';
import { Session, type CellOutputs } from './session.js';
import { decodeMessage, message, SendQueue, type Connection, type Message } from './wire.js';

/**
 * The kernel of the notebooks: TypeScript by tslab's converter and executor, behind a Jupyter server of the project's own.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html
 *
 *     node dist/jupyter/kernel.js <connection file>
 */
class Kernel {
  private readonly shell = new Router();
  private readonly control = new Router();
  private readonly stdin = new Router();
  private readonly iopub = new Publisher({ sendHighWaterMark: 0 });
  private readonly heartbeat = new Reply();
  private readonly published: SendQueue;
  private readonly replies: ReadonlyMap<Router, SendQueue>;
  private readonly sessionId = message('', {}, '').header.msg_id;
  private count = 0;
  /** Requests to execute that came while another was at work. */
  private waiting: { socket: Router; request: Message }[] = [];
  private working = false;

  constructor(
    private readonly connection: Connection,
    private readonly session: Session,
  ) {
    this.published = new SendQueue(this.iopub, connection.key);
    this.replies = new Map([this.shell, this.control].map((socket) => [socket, new SendQueue(socket, connection.key)]));
  }

  async start(): Promise<void> {
    const { transport, ip, ...ports } = this.connection;
    await Promise.all([
      this.shell.bind(`${transport}://${ip}:${ports.shell_port}`),
      this.control.bind(`${transport}://${ip}:${ports.control_port}`),
      this.stdin.bind(`${transport}://${ip}:${ports.stdin_port}`),
      this.iopub.bind(`${transport}://${ip}:${ports.iopub_port}`),
      this.heartbeat.bind(`${transport}://${ip}:${ports.hb_port}`),
    ]);
    void this.echo();
    void this.listen(this.shell);
    void this.listen(this.control);
  }

  private async echo(): Promise<void> {
    for await (const frames of this.heartbeat) await this.heartbeat.send(frames);
  }

  private async listen(socket: Router): Promise<void> {
    for await (const frames of socket) {
      try {
        this.receive(socket, decodeMessage(frames, this.connection.key));
      } catch (error) {
        process.stderr.write(`${String(error)}\n`);
      }
    }
  }

  private receive(socket: Router, request: Message): void {
    const type = request.header.msg_type;
    if (type === 'execute_request') {
      this.waiting.push({ socket, request });
      void this.work();
      return;
    }
    this.publish('status', { execution_state: 'busy' }, request);
    if (type.startsWith('comm_') && type !== 'comm_info_request') {
      void this.session.comms
        .receive(request)
        .catch((error: unknown) => process.stderr.write(`${String(error)}\n`))
        .finally(() => this.publish('status', { execution_state: 'idle' }, request));
      return;
    }
    try {
      const content = this.answer(request);
      if (content) this.reply(socket, request, content);
    } finally {
      this.publish('status', { execution_state: 'idle' }, request);
      if (type === 'shutdown_request') void this.shutDown();
    }
  }

  /** The reply to a request other than an execution. */
  private answer({ header, content }: Message): Record<string, unknown> | undefined {
    const { code = '', cursor_pos: position = 0 } = content as { code?: string; cursor_pos?: number };
    switch (header.msg_type) {
      case 'kernel_info_request':
        return { status: 'ok', ...kernelInfo };
      case 'complete_request': {
        const { start, end, candidates } = this.session.complete(code, position);
        return { status: 'ok', matches: candidates, cursor_start: start, cursor_end: end, metadata: {} };
      }
      case 'inspect_request': {
        const text = this.session.inspect(code, position);
        return { status: 'ok', found: !!text, data: text ? { 'text/plain': text } : {}, metadata: {} };
      }
      case 'is_complete_request': {
        const { completed, indent = '' } = this.session.isComplete(code);
        return completed ? { status: 'complete' } : { status: 'incomplete', indent };
      }
      case 'comm_info_request':
        return { status: 'ok', ...this.session.comms.info(content) };
      case 'history_request':
        return { status: 'ok', history: [] };
      case 'interrupt_request':
        void this.session.interrupt();
        return { status: 'ok' };
      case 'shutdown_request':
        return { status: 'ok', restart: content.restart === true };
      default:
        return undefined; // requests newer than this kernel: nobody waits for an answer
    }
  }

  private async work(): Promise<void> {
    if (this.working) return;
    this.working = true;
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) {
      const { socket, request } = next;
      const failed = await this.execute(socket, request);
      if (!failed || request.content.stop_on_error === false) continue;
      // Requests that arrived before the failure (all cells at once, for example) are not run.
      const failure = Date.now();
      await new Promise((resolve) => setTimeout(resolve, 50)); // some may be on their way
      this.waiting = this.waiting.filter((later) => {
        const before = Date.parse(later.request.header.date) < failure;
        if (before) this.refuse(later.socket, later.request);
        return !before;
      });
    }
    this.working = false;
  }

  private refuse(socket: Router, request: Message): void {
    this.publish('status', { execution_state: 'busy' }, request);
    this.reply(socket, request, { status: 'aborted' });
    this.publish('status', { execution_state: 'idle' }, request);
  }

  private async execute(socket: Router, request: Message): Promise<boolean> {
    const {
      code,
      silent = false,
      store_history: counted = !silent,
    } = request.content as {
      code: string;
      silent?: boolean;
      store_history?: boolean;
    };
    this.publish('status', { execution_state: 'busy' }, request);
    if (counted && !silent) this.count++;
    const execution_count = this.count;
    if (!silent) this.publish('execute_input', { code, execution_count }, request);
    const error = await this.session.run(code, execution_count, this.outputsOf(request, execution_count));
    if (error && !silent) this.publish('error', { ...error }, request);
    const outcome: ({ status: 'error' } & CellError) | { status: 'ok' } = error
      ? { status: 'error', ...error }
      : { status: 'ok' };
    this.reply(socket, request, { ...outcome, execution_count, payload: [], user_expressions: {} });
    this.publish('status', { execution_state: 'idle' }, request);
    return error !== undefined;
  }

  private outputsOf(request: Message, execution_count: number): CellOutputs {
    return {
      stream: (name, text) => this.publish('stream', { name, text }, request),
      display: (data: MimeBundle, id, update = false, metadata = {}) =>
        this.publish(
          update ? 'update_display_data' : 'display_data',
          { data: onTheWire(data), metadata, transient: id === undefined ? {} : { display_id: id } },
          request,
        ),
      result: (data, metadata = {}) => this.publish('execute_result', { data, metadata, execution_count }, request),
      comm: (type, content, metadata) => this.publish(type, content, request, metadata),
    };
  }

  private publish(type: string, content: Message['content'], request: Message, metadata?: Message['metadata']): void {
    const item = message(type, content, this.sessionId, request, metadata);
    this.published.send({ ...item, identities: [Buffer.from(type)] });
  }

  private reply(socket: Router, request: Message, content: Message['content']): void {
    const type = request.header.msg_type.replace('_request', '_reply');
    this.replies.get(socket)!.send(message(type, content, this.sessionId, request));
  }

  async shutDown(): Promise<void> {
    await Promise.all([this.published, ...this.replies.values()].map((queue) => queue.drained()));
    for (const socket of [this.shell, this.control, this.stdin, this.iopub, this.heartbeat]) socket.close();
    process.exit(0);
  }
}

/** A bundle as Jupyter sends it: JSON as values, all else as text. */
function onTheWire(data: MimeBundle): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(data).map(([type, text]) => [type, type.endsWith('+json') ? (JSON.parse(text) as unknown) : text]),
  );
}

const kernelInfo = {
  protocol_version: '5.3',
  implementation: 'captioner',
  implementation_version: '1.0',
  banner: `TypeScript by tslab, on Node ${process.versions.node}`,
  help_links: [],
  language_info: {
    name: 'typescript',
    version: '5.0',
    mimetype: 'text/typescript',
    file_extension: '.ts',
    // Syntax highlighting in the classic Notebook and JupyterLab.
    codemirror_mode: { name: 'javascript', mode: 'typescript', typescript: true },
  },
};

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
process.chdir(root);
const connection = JSON.parse(readFileSync(process.argv[2], 'utf8')) as Connection;
const session = new Session(root);
const kernel = new Kernel(connection, session);

process.on('SIGINT', () => void session.interrupt());
process.on('uncaughtException', (error) => process.stderr.write(`Uncaught ${error.stack ?? String(error)}\n`));
process.on('unhandledRejection', (reason) => {
  if ((reason as Error | undefined)?.name !== 'Interrupted')
    process.stderr.write(`Unhandled rejection: ${String(reason)}\n`);
});

// A server that was killed can't shut its kernels down.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.exit(1);
}, 2000).unref();

await kernel.start();
