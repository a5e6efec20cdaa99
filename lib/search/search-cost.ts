import type { SearchConfig } from '../config.js';

/**
 * The words that the decoder evaluates for one photo, at most: the places of the search times the words of a caption. Required words
 * multiply the places, as those of the beam are kept for each number of words that are met (see `BeamSearch`).
 */
export function searchCost({ maxLength, require, ...search }: SearchConfig): number {
  const places = placesOf(search);
  const required = require.join(' ').match(/[\p{L}\p{N}]+/gu)?.length ?? 0;
  return places * (required + 1) * maxLength;
}

function placesOf({ method, beam, n, samples }: Omit<SearchConfig, 'maxLength' | 'require'>): number {
  if (method === 'sample') return n;
  return method === 'consensus' ? beam + samples : beam;
}
