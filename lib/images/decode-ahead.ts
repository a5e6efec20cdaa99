/**
 * Decodes photos in order, several of them ahead of need, so that sharp's threads decode while the caller computes. An error surfaces
 * when its photo's turn comes, not before. A caller that stops early waits for the decoding that has begun.
 *
 * @param count number of photos.
 * @param decode decodes photo i.
 * @param lookahead maximum number of photos that are being decoded, or are decoded and waiting. Every photo takes several turns of the
 *   event loop, which the networks hold up, so this is many more than there are threads.
 */
export async function* decodeAhead<Decoded>(
  count: number,
  decode: (i: number) => Promise<Decoded>,
  lookahead = 32,
): AsyncGenerator<Decoded, void> {
  const queue: Promise<Decoded>[] = [];
  let next = 0;
  try {
    while (next < count || queue.length > 0) {
      while (next < count && queue.length < lookahead) {
        const decoding = decode(next++);
        decoding.catch(() => undefined);
        queue.push(decoding);
      }
      yield await queue.shift()!;
    }
  } finally {
    await Promise.allSettled(queue);
  }
}
