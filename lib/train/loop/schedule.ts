import type { TrainingConfig } from '../../config.js';

/**
 * The learning rate of a step: it rises linearly over the warm-up to its highest, then stays, or goes down to nothing at the end
 * of the run along a line or half a cosine (Loshchilov and Hutter 2017).
 *
 * @param step counted from 0.
 * @param totalSteps steps of the whole run.
 */
export function learningRateAt(
  step: number,
  totalSteps: number,
  { learningRate, schedule, warmupSteps }: Pick<TrainingConfig, 'learningRate' | 'schedule' | 'warmupSteps'>,
): number {
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps;
  const share = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps)); // of the way down
  if (schedule === 'linear') return learningRate * (1 - share);
  if (schedule === 'cosine') return (learningRate * (1 + Math.cos(Math.PI * share))) / 2;
  return learningRate;
}
