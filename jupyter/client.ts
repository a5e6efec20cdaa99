import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Dealer, Subscriber } from 'zeromq';
import type { CellError } from './cell-error.js';
import type { Output } from './notebook.js';
import type { MimeBundle } from './display-value.js';
import { decodeMessage, encodeMessage, message, type Connection, type Message } from './wire.js';

/** The result of a cell. */
export interface Execution {
  readonly outputs: Output[];
  readonly executionCount: number | null;
  readonly error?: CellError;
}

interface Displayed {
  readonly data: MimeBundle;
  readonly metadata: Record<string, unknown>;
  readonly transient: { readonly display_id?: string };
}

interface Request {
  /** Receives each message published for the request. */
  readonly published: (reply: Message) => void;
  readonly replied: (reply: Message) => void;
}

/** A kernel in its own process, and its client: cells go in, outputs come out, as in Jupyter. */
export class KernelClient {
  private readonly shell = new Dealer();
  private readonly control = new Dealer();
  private readonly iopub = new Subscriber();
  private readonly requests = new Map<string, Request>();
  private readonly session = randomUUID();
  /** Outputs that can be updated, by the names of their displays. */
  private readonly displays = new Map<string, (Output & { data: MimeBundle })[]>();
  /** The latest message of the kernel about each comm, by id. */
  readonly comms = new Map<string, Readonly<Record<string, unknown>>>();
  private died?: Error;
  /** Never resolves; rejects when the kernel has ended. */
  private readonly failure: Promise<never>;
  private fail!: (reason: Error) => void;

  private constructor(
    private readonly process: ChildProcess,
    private readonly connection: Connection,
    private readonly folder: string,
  ) {
    this.failure = new Promise((_, reject) => (this.fail = reject));
    this.failure.catch(() => undefined);
  }

  /**
   * Starts the kernel that a kernelspec names.
   * @param kernelspec folder of a `kernel.json`.
   * @throws Error when the kernel doesn't start.
   */
  static async start(kernelspec: string, env: NodeJS.ProcessEnv = process.env): Promise<KernelClient> {
    const folder = mkdtempSync(path.join(tmpdir(), 'captioner-kernel-'));
    const ports = await freePorts(5);
    const connection: Connection = {
      transport: 'tcp',
      ip: '127.0.0.1',
      key: randomUUID(),
      signature_scheme: 'hmac-sha256',
      shell_port: ports[0],
      control_port: ports[1],
      iopub_port: ports[2],
      stdin_port: ports[3],
      hb_port: ports[4],
    };
    const file = path.join(folder, 'connection.json');
    writeFileSync(file, JSON.stringify(connection), { mode: 0o600 });
    const { argv } = JSON.parse(readFileSync(path.join(kernelspec, 'kernel.json'), 'utf8')) as { argv: string[] };
    const [command, ...parameters] = argv.map((part) =>
      part.replace('{resource_dir}', path.resolve(kernelspec)).replace('{connection_file}', file),
    );
    const kernel = spawn(command, parameters, { env, stdio: ['ignore', 'inherit', 'inherit'] });
    const client = new KernelClient(kernel, connection, folder);
    await client.connect();
    return client;
  }

  /**
   * Runs a cell.
   * @param onOutput sees the outputs as they come.
   */
  async execute(code: string, onOutput?: (output: Output) => void): Promise<Execution> {
    const outputs: Output[] = [];
    const request = message(
      'execute_request',
      { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false, stop_on_error: true },
      this.session,
    );
    const reply = await this.ask(this.shell, request, (published) => {
      const output = this.take(published, outputs);
      if (output) onOutput?.(output);
    });
    const {
      status,
      execution_count: executionCount = null,
      ename,
      evalue,
      traceback,
    } = reply.content as unknown as CellError & {
      status: string;
      execution_count?: number;
    };
    return { outputs, executionCount, ...(status !== 'ok' && { error: { ename, evalue, traceback } }) };
  }

  /** Sends a message about a comm, as a front end with widgets does, and waits until the kernel has dealt with it. */
  async sendComm(type: 'comm_open' | 'comm_msg' | 'comm_close', content: Message['content']): Promise<void> {
    await this.ask(this.shell, message(type, content, this.session), () => undefined, false);
  }

  /** Interrupts the running cell, as Jupyter's stop button does. */
  interrupt(): void {
    this.process.kill('SIGINT');
  }

  /** Asks the kernel to end, and ends it if it doesn't. */
  async shutDown(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    if (this.process.exitCode === null && !this.died) {
      await this.control.send(
        encodeMessage(message('shutdown_request', { restart: false }, this.session), this.connection.key),
      );
      const timer = setTimeout(() => this.process.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(timer);
    }
    for (const socket of [this.shell, this.control, this.iopub]) socket.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async connect(): Promise<void> {
    this.process.once('error', (error) => this.end(error));
    this.process.once('exit', (code, signal) =>
      this.end(new Error(`The kernel ended (${signal ?? `exit code ${code}`}).`)),
    );
    const { transport, ip, shell_port, control_port, iopub_port } = this.connection;
    this.shell.connect(`${transport}://${ip}:${shell_port}`);
    this.control.connect(`${transport}://${ip}:${control_port}`);
    this.iopub.connect(`${transport}://${ip}:${iopub_port}`);
    this.iopub.subscribe();
    for (const socket of [this.shell, this.control, this.iopub]) void this.listen(socket);
    // Messages published before the subscription arrives are lost, so ask again until an answer comes.
    for (let heard = false; !heard;) {
      const info = this.ask(this.shell, message('kernel_info_request', {}, this.session), () => (heard = true));
      await Promise.race([info, sleep(500)]);
    }
  }

  /** Sends a request and waits for its reply, if it has one, and for all that is published until the kernel is idle again. */
  private async ask(
    socket: Dealer,
    request: Message,
    published: Request['published'],
    hasReply = true,
  ): Promise<Message> {
    if (this.died) throw this.died;
    const id = request.header.msg_id;
    const replied = new Promise<Message>((resolve) => {
      let reply = hasReply ? undefined : request;
      let idle = false;
      const settle = () => {
        if (reply && idle) resolve(reply);
      };
      this.requests.set(id, {
        published: (item) => {
          published(item);
          if (item.header.msg_type === 'status' && item.content.execution_state === 'idle') idle = true;
          settle();
        },
        replied: (item) => {
          reply = item;
          settle();
        },
      });
    });
    await socket.send(encodeMessage(request, this.connection.key));
    try {
      return await Promise.race([replied, this.failure]);
    } finally {
      this.requests.delete(id);
    }
  }

  private async listen(socket: Dealer | Subscriber): Promise<void> {
    for await (const frames of socket) {
      const item = decodeMessage(frames, this.connection.key);
      const request = this.requests.get(item.parent.msg_id ?? '');
      if (socket !== this.iopub) request?.replied(item);
      else if (request) request.published(item);
      else this.take(item, []); // of a callback that a cell left behind
    }
  }

  /** Adds what was published to a cell's outputs. */
  private take({ header, content }: Message, outputs: Output[]): Output | undefined {
    const add = (output: Output) => {
      outputs.push(output);
      return output;
    };
    switch (header.msg_type) {
      case 'stream': {
        const { name, text } = content as { name: string; text: string };
        const last = outputs.at(-1);
        if (last?.output_type !== 'stream' || last.name !== name) return add({ output_type: 'stream', name, text });
        last.text += text;
        return { output_type: 'stream', name, text };
      }
      case 'display_data': {
        const { data, metadata, transient } = content as unknown as Displayed;
        const output = { output_type: 'display_data' as const, data, metadata };
        const id = transient.display_id;
        if (id !== undefined) this.displays.set(id, [...(this.displays.get(id) ?? []), output]);
        return add(output);
      }
      case 'update_display_data': {
        const { data, metadata, transient } = content as unknown as Displayed;
        for (const output of this.displays.get(transient.display_id ?? '') ?? [])
          Object.assign(output, { data, metadata });
        return undefined;
      }
      case 'execute_result': {
        const { data, metadata, execution_count } = content as unknown as Displayed & { execution_count: number };
        return add({ output_type: 'execute_result', data, metadata, execution_count });
      }
      case 'comm_open':
      case 'comm_msg': {
        const { comm_id: id, data } = content as { comm_id: string; data: Record<string, unknown> };
        this.comms.set(id, data);
        return undefined;
      }
      case 'error': {
        const { ename, evalue, traceback } = content as unknown as CellError;
        return add({ output_type: 'error', ename, evalue, traceback: [...traceback] });
      }
      default:
        return undefined;
    }
  }

  private end(reason: Error): void {
    this.died ??= reason;
    this.fail(this.died);
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
