import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseConfig, SearchConfig } from '../config.js';
import { CaptionerError } from '../errors.js';
import { areaUnderRoc } from '../metrics/calibration.js';
import { fitLogistic, logistic } from '../metrics/logistic.js';
import { findCheckpoint, loadCheckpoint, type ConfidenceCalibration } from '../model/checkpoint/checkpoint.js';
import { confidencePredictors } from '../search/confidence.js';
import { evaluateCaptioner, type EvaluationRequest } from './evaluation.js';

/** The captioner and the photos of a calibration. */
export interface CalibrationRequest extends Omit<
  EvaluationRequest,
  'checkpoint' | 'ensemble' | 'beams' | 'seed' | 'split'
> {
  /** Folder of the checkpoint or training run. The calibration is written into its `config.json`. */
  readonly folder: string;
  /**
   * Split to fit on. Default: dev. The captioner would seem overconfident on photos it was trained
   * on.
   */
  readonly split?: EvaluationRequest['split'];
  /** Lowest CIDEr-D of a good caption. Default 0.5. */
  readonly threshold?: number;
}

/** Minimum number of photos for a fit. */
const fewest = 50;

/**
 * Calibrates the confidence of a captioner: captions photos by beam search, scores each caption
 * against the references, and fits a logistic regression that predicts from a caption's
 * log-probabilities whether it is good.
 * @returns the calibration, now also in the checkpoint's `config.json`.
 * @throws CaptionerError `bad-input` for fewer than 50 photos, or if all captions are good or none
 * is; otherwise as {@link evaluateCaptioner}.
 */
export async function calibrateConfidence(request: CalibrationRequest): Promise<ConfidenceCalibration> {
  const { folder, split = 'dev', threshold = 0.5, manifest } = request;
  const found = findCheckpoint(folder);
  const checkpoint = loadCheckpoint(found);
  const { beam } = parseConfig(SearchConfig, {});
  const [{ photos }] = await evaluateCaptioner({ ...request, checkpoint, split, beams: [beam] });
  const good = photos.map(({ scores }) => scores.CIDEr >= threshold);
  const share = good.filter(Boolean).length / good.length;
  if (photos.length < fewest || share === 0 || share === 1) {
    throw new CaptionerError(
      'bad-input',
      `Can't calibrate the confidence on ${photos.length} ${split} photos, of which ${good.filter(Boolean).length} have a good caption (CIDEr of at least ${threshold}). Use at least ${fewest} photos with good and bad captions, or another threshold.`,
    );
  }
  const predictors = photos.map((photo) => confidencePredictors(photo));
  const model = fitLogistic(predictors, good.map(Number));
  const [mean, least, length] = model.weights;
  const fitted = predictors.map((row) => logistic(model, row));
  const calibration: ConfidenceCalibration = {
    threshold,
    weights: { mean, least, length, bias: model.bias },
    fit: { dataset: manifest.name, split, photos: photos.length, good: share, auc: areaUnderRoc(fitted, good)! },
  };
  const file = path.join(found, 'config.json');
  writeFileSync(`${file}.part`, `${JSON.stringify({ ...checkpoint.config, confidence: calibration }, null, 2)}\n`);
  renameSync(`${file}.part`, file);
  return calibration;
}
