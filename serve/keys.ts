import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { networkOf } from './addresses.js';
import { ServiceError } from './errors.js';

/** Reads the key of a request: `Authorization: Bearer …` or `X-API-Key: …`. */
function shownKey({ headers }: FastifyRequest): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  const plain = headers['x-api-key'];
  return bearer ?? (typeof plain === 'string' ? plain : undefined);
}

/** Compares digests, so that the time taken does not reveal how much of a key was right. */
function isKey(shown: string | undefined, keys: readonly string[]): boolean {
  if (shown === undefined) return false;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const given = digest(shown);
  // All keys are compared, so that the time taken does not depend on the position of the right one.
  return keys.map((key) => timingSafeEqual(digest(key), given)).includes(true);
}

/** @throws ServiceError 401 when the request has none of the keys. */
export function requireKey(request: FastifyRequest, keys: readonly string[]): void {
  if (isKey(shownKey(request), keys)) return;
  const what = shownKey(request) === undefined ? 'This service needs a key' : 'This key is unknown';
  const challenge = `Bearer realm="captioner"${shownKey(request) === undefined ? '' : ', error="invalid_token"'}`;
  throw new ServiceError(401, 'no-key', `${what}. Send the header "Authorization: Bearer <key>".`, {
    headers: { 'www-authenticate': challenge },
  });
}

/** The client that a request is counted for: its key, if that is known, or else its network. */
export function clientOf(request: FastifyRequest, keys: readonly string[]): string {
  const key = shownKey(request);
  return isKey(key, keys) ? createHash('sha256').update(key!).digest('hex') : networkOf(request.ip);
}
