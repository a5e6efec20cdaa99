import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as a test sees it. */
export interface Seen {
  readonly path: string;
  readonly range?: string;
  readonly ifRange?: string;
}

/** Answer of a test's server to one request: see {@link serve}. */
export type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** An HTTP server on this machine that answers one request after the other as it is told; the last answer is repeated. */
export class ScriptedServer {
  readonly seen: Seen[] = [];
  answers: Answer[] = [];
  private readonly server = http.createServer((request, response) => {
    const { range, 'if-range': ifRange } = request.headers as Record<string, string | undefined>;
    this.seen.push({ path: request.url!, ...(range && { range }), ...(ifRange && { ifRange }) });
    const answer = this.answers.length > 1 ? this.answers.shift()! : this.answers[0];
    answer(request, response);
  });

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }
}

export interface ServeOptions {
  /** Cuts the connection after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Answers 200 with everything, whatever range was asked for. */
  readonly ignoreRange?: boolean;
  readonly etag?: string;
  /** Announces another length than there is. */
  readonly length?: number;
  /** Does not announce a length. */
  readonly chunked?: boolean;
}

/** Serves `body`, and ranges of it, more or less as a server should. */
export function serve(body: Buffer, { cutAfter, ignoreRange, etag, length, chunked }: ServeOptions = {}): Answer {
  return (request, response) => {
    const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const same = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
    const partial = first > 0 && same && !ignoreRange;
    if (partial && first >= body.length) {
      response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end();
      return;
    }
    const part = partial ? body.subarray(first) : body;
    response.writeHead(partial ? 206 : 200, {
      ...(!chunked && { 'content-length': length ?? part.length }),
      ...(etag && { etag }),
      ...(partial && { 'content-range': `bytes ${first}-${body.length - 1}/${body.length}` }),
    });
    if (cutAfter === undefined) response.end(part);
    else response.write(part.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 30));
  };
}

/** An answer without a body. */
export function status(code: number, headers: http.OutgoingHttpHeaders = {}): Answer {
  return (_, response) => response.writeHead(code, headers).end();
}
