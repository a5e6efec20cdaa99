import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';

/** The four parts of a message: https://jupyter-client.readthedocs.io/en/stable/messaging.html#general-message-format */
export interface Message {
  /** The routing prefix of ZeroMQ: the origin of a message and the destination of its answer. */
  readonly identities: readonly Buffer[];
  readonly header: Header;
  readonly parent: Partial<Header>;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly content: Readonly<Record<string, unknown>>;
}

export interface Header {
  readonly msg_id: string;
  readonly msg_type: string;
  readonly session: string;
  readonly username: string;
  readonly date: string;
  readonly version: string;
}

/** Ports and key of a kernel: the JSON in its connection file. */
export interface Connection {
  readonly transport: string;
  readonly ip: string;
  readonly shell_port: number;
  readonly control_port: number;
  readonly iopub_port: number;
  readonly stdin_port: number;
  readonly hb_port: number;
  readonly key: string;
  readonly signature_scheme: string;
}

const delimiter = '<IDS|MSG>';

/** A new message of `session`; an answer to `parent`, if given. */
export function message(
  type: string,
  content: Message['content'],
  session: string,
  parent?: Pick<Message, 'identities' | 'header'>,
  metadata: Message['metadata'] = {},
): Message {
  const header: Header = {
    msg_id: randomUUID(),
    msg_type: type,
    session,
    username: 'captioner',
    date: new Date().toISOString(),
    version: '5.3',
  };
  return { identities: parent?.identities ?? [], header, parent: parent?.header ?? {}, metadata, content };
}

/** The frames of a message on the wire, signed with the connection's key. */
export function encodeMessage({ identities, header, parent, metadata, content }: Message, key: string): Buffer[] {
  const parts = [header, parent, metadata, content].map((part) => Buffer.from(JSON.stringify(part)));
  return [...identities, Buffer.from(delimiter), Buffer.from(signature(parts, key)), ...parts];
}

/** @throws Error if the frames are not a message, or are not signed with `key`. */
export function decodeMessage(frames: readonly Buffer[], key: string): Message {
  const at = frames.findIndex((frame) => frame.equals(Buffer.from(delimiter)));
  const [signed, ...parts] = frames.slice(at + 1);
  if (at < 0 || parts.length < 4) throw new Error('This is not a Jupyter message.');
  const expected = Buffer.from(signature(parts, key));
  if (key && !(signed.length === expected.length && timingSafeEqual(signed, expected))) {
    throw new Error('The signature of a Jupyter message is wrong.');
  }
  const [header, parent, metadata, content] = parts.slice(0, 4).map((part) => JSON.parse(part.toString()) as unknown);
  return { identities: frames.slice(0, at), header, parent, metadata, content } as Message;
}

function signature(parts: readonly Buffer[], key: string): string {
  if (!key) return '';
  const hmac = createHmac('sha256', key);
  for (const part of parts) hmac.update(part);
  return hmac.digest('hex');
}

/** A socket of the zeromq package that sends. */
interface Sender {
  send(frames: Buffer[]): Promise<void>;
}

/**
 * Sends one message after the other. ZeroMQ's socket takes only some hundred at a time and fails with EBUSY on more, which is how the output
 * of a cell that prints much gets lost.
 */
export class SendQueue {
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly socket: Sender,
    private readonly key: string,
  ) {}

  send(item: Message): void {
    const frames = encodeMessage(item, this.key);
    this.last = this.last.then(() => this.socket.send(frames)).catch(() => undefined); // a closed socket has no reader
  }

  /** Resolves when all that was sent before is with ZeroMQ. */
  async drained(): Promise<void> {
    await this.last;
  }
}
