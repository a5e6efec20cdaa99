import { crc32 } from 'node:zlib';
import { CaptionerError } from '../../errors.js';

/** One of several parts of the photos, for several processes or machines to work in parallel. */
export interface Shard {
  /** Counted from 1. */
  readonly index: number;
  readonly count: number;
}

/** Parses a shard. @param text `2/8`: the second of eight. @throws CaptionerError `bad-option` */
export function parseShard(text: string): Shard {
  const [, index, count] = (/^(\d+)\/(\d+)$/.exec(text.trim()) ?? []).map(Number);
  if (index >= 1 && index <= count) return { index, count };
  throw new CaptionerError(
    'bad-option',
    `'${text}' is not a shard. Write 2/8 for the second of eight; shards are counted from 1.`,
  );
}

/**
 * Whether a photo belongs to a shard. This depends only on the photo's id: each photo is in exactly
 * one shard, and adding photos to the data set moves none of the others.
 */
export function isInShard(id: string, { index, count }: Shard): boolean {
  // The lowest bits of a CRC depend on few bits of the id; mixing makes them depend on all.
  let hash = crc32(id);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % count === index - 1;
}

/** The output of a shard: `features/coco.2-of-8` for `features/coco`, `captions.2-of-8.jsonl` for `captions.jsonl`. */
export function shardPath(place: string, { index, count }: Shard): string {
  const [, stem, extension] = /^(.*?)(\.jsonl)?$/.exec(place.replace(/[\\/]+$/, ''))!;
  return `${stem}.${index}-of-${count}${extension ?? ''}`;
}

/**
 * The missing shards among paths made by {@link shardPath}, as `3-of-8`. Other paths are ignored.
 */
export function lackingShards(places: readonly string[]): string[] {
  const found = new Map<string, Set<number>>();
  for (const place of places) {
    const [, stem, index, count] = /^(.*)\.(\d+)-of-(\d+)(?:\.jsonl)?$/.exec(place.replace(/[\\/]+$/, '')) ?? [];
    if (stem === undefined) continue;
    const key = `${count} ${stem}`;
    found.set(key, (found.get(key) ?? new Set()).add(Number(index)));
  }
  return [...found].flatMap(([key, there]) => {
    const count = Number(key.split(' ', 1)[0]);
    return Array.from({ length: count }, (_, i) => i + 1)
      .filter((index) => !there.has(index))
      .map((index) => `${index}-of-${count}`);
  });
}
