import { resolveSearch, searchCost } from '../lib/index.js';
import type { Work } from './pool/messages.js';

/** Captions that take as long as an explanation: it runs the encoder once for each part of the photo that it hides. */
const explanationPrice = 50;

const standard = searchCost(resolveSearch({}));

/** The price of a photo, in captions of the default search that take as long. Rate limit and queue count it. */
export function priceOf({ kind, search }: Pick<Work, 'kind' | 'search'>): number {
  return Math.ceil(searchCost(search) / standard) + (kind === 'explain' ? explanationPrice - 1 : 0);
}
