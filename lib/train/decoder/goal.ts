import type { TrainingConfig } from '../../config.js';
import type { EpochRecord } from '../loop/trainer.js';

/**
 * The number that the best epoch maximises: CIDEr or minus the loss on the dev photos; without dev
 * photos, minus the training loss.
 */
export function goalOf({ scores, loss }: Pick<EpochRecord, 'scores' | 'loss'>, by: TrainingConfig['chooseBy']): number {
  if (by === 'loss' && scores.loss !== undefined) return -scores.loss;
  return scores.CIDEr ?? -loss;
}
