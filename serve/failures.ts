import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { CaptionerError } from '../lib/index.js';
import { plainError, ServiceError, statusOfCode } from './errors.js';

type AnyError = FastifyError | ServiceError | CaptionerError;

/** Answers every error in one shape: {"error": {"code", "message"}}. */
export function handleErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: AnyError, request, reply) => sendError(error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0].slice(0, 100);
    const methods = ['GET', 'POST'].filter((method) => app.hasRoute({ method: method as 'GET', url: path }));
    if (methods.length === 0) {
      return sendError(
        new ServiceError(404, 'not-found', `No route ${request.method} ${path}. See /openapi.json.`),
        request,
        reply,
      );
    }
    const allowed = methods.join(', ');
    const message = `${path} does not accept ${request.method}. Use ${allowed}. See /openapi.json.`;
    return sendError(new ServiceError(405, 'wrong-method', message, { headers: { allow: allowed } }), request, reply);
  });
}

/** Answers an error; an unexpected one goes to the log. */
export function sendError(error: AnyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const failure = asServiceError(error);
  if (failure.status >= 500 && !(error instanceof ServiceError)) request.log.error({ err: error }, 'unexpected error');
  // The rest of the body is discarded, so that the client receives the answer; then the connection ends.
  if (!request.raw.readableEnded && !request.raw.destroyed) {
    request.raw.resume();
    void reply.header('connection', 'close');
  }
  return reply
    .code(failure.status)
    .headers(failure.headers)
    .header('content-type', 'application/json; charset=utf-8')
    .send({ error: { code: failure.code, message: failure.message } });
}

function asServiceError(error: AnyError): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof CaptionerError) return new ServiceError(statusOfCode(error.code), error.code, error.message);
  const { statusCode, code, message } = error;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new ServiceError(statusCode, code, `${message.replace(/\.$/, '')}.`);
  }
  return new ServiceError(500, 'internal', plainError(error).message);
}

/** Answers a request that is not HTTP, too slow or too large to be read, in the same shape. */
export function handleClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] = clientErrors[error.code ?? ''] ?? [400, 'The request is not valid HTTP.'];
  const body = JSON.stringify({ error: { code: status === 408 ? 'timeout' : 'bad-request', message } });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

const clientErrors: Partial<Record<string, [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request took too long to arrive. Send it faster, or smaller photos.'],
  HPE_HEADER_OVERFLOW: [431, 'The headers are too large.'],
};

/** The id of a request: the client's or its proxy's `X-Request-Id` where that is sensible, else a new one. */
export function requestIdOf(id: string | string[] | undefined, fresh: () => string): string {
  return typeof id === 'string' && /^[\w.:+/=-]{1,128}$/.test(id) ? id : fresh();
}

/** The trace of a request by its `traceparent` (https://www.w3.org/TR/trace-context). */
export function traceOf({ headers }: IncomingMessage): string | undefined {
  const { traceparent } = headers;
  return /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}$/.exec(String(traceparent))?.[1];
}
