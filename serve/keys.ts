import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { ServiceError } from './errors.js';

/** The key that a client shows: `Authorization: Bearer …` or `X-API-Key: …`. */
function shownKey({ headers }: FastifyRequest): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  const plain = headers['x-api-key'];
  return bearer ?? (typeof plain === 'string' ? plain : undefined);
}

/** Compares digests, so that the time it takes tells nothing of how much of a key was right. */
function isKey(shown: string | undefined, keys: readonly string[]): boolean {
  if (shown === undefined) return false;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const given = digest(shown);
  // All of them are compared, whichever it is.
  return keys.map((key) => timingSafeEqual(digest(key), given)).includes(true);
}

/** @throws ServiceError 401 when the client shows none of the keys. */
export function requireKey(request: FastifyRequest, keys: readonly string[]): void {
  if (isKey(shownKey(request), keys)) return;
  const what = shownKey(request) === undefined ? 'This service needs a key' : 'This key is not known';
  throw new ServiceError(401, 'no-key', `${what}: send the header "Authorization: Bearer <key>".`);
}

/** What a client is told apart by where requests are counted: its key where it shows one that is known, else its address. */
export function clientOf(request: FastifyRequest, keys: readonly string[]): string {
  const key = shownKey(request);
  return isKey(key, keys) ? createHash('sha256').update(key!).digest('hex') : request.ip;
}
