/**
 * Runs contestants in turn for several rounds, so that other load on the machine affects all of
 * them alike. CAPTIONER_BENCH_ROUNDS sets the number of rounds.
 */
export async function alternate<K extends string>(
  contestants: Record<K, () => Promise<number>>,
  { rounds, warmup }: { rounds: number; warmup: number },
): Promise<Record<K, number[]>> {
  const names = Object.keys(contestants) as K[];
  const results = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  const counted = Number(process.env.CAPTIONER_BENCH_ROUNDS ?? rounds);
  for (let round = -Math.min(warmup, counted); round < counted; round++) {
    for (const name of names) {
      const result = await contestants[name]();
      if (round >= 0) results[name].push(result);
    }
  }
  return results;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median over rounds of the ratio of two contestants in the same round. */
export function medianRatio(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.map((value, round) => value / theirs[round]));
}

/** Our result compared with the fastest of the others: its name, and the ratio to it. */
export function ratioToBest(
  ours: readonly number[],
  others: Readonly<Record<string, readonly number[]>>,
): { readonly best: string; readonly ratio: number } | undefined {
  const [first, ...rest] = Object.keys(others);
  if (first === undefined) return undefined;
  const best = rest.reduce((a, b) => (median(others[b]) > median(others[a]) ? b : a), first);
  return { best, ratio: Number(medianRatio(ours, others[best]).toFixed(2)) };
}
