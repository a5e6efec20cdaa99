/** The public API of captioner, all but training. Nothing here loads TensorFlow.js, so that captioning starts fast. */
export * from './config.js';
export * from './errors.js';
export { exportCheckpoint, type CheckpointExport } from './export-checkpoint.js';
export { readJson, readText } from './files.js';
export * from './progress.js';
export * from './random.js';
export { tokenize } from './text/tokenizer.js';
export * from './text/vocabulary.js';
export { ptbTokenize } from './metrics/ptb.js';
export * from './metrics/score.js';
export * from './metrics/scorer.js';
export { beamSearch } from './decode/beam.js';
export { greedySearch } from './decode/greedy.js';
export { searchCaptions, tracedSearch } from './decode/search.js';
export { completeSearch } from './decode/complete-search.js';
export { DecoderEnsemble, loadDecoder, type CaptionDecoder } from './decode/ensemble.js';
export { tracedBeamSearch, type SearchTrace, type TracedCandidate, type TracedSearch } from './decode/trace.js';
export { alternatives, type WordAlternatives } from './decode/alternatives.js';
export { diverseBeamSearch, type DiverseBeamOptions } from './decode/diverse-beam.js';
export { sampleCaptions, type SamplingOptions } from './decode/sampling.js';
export * from './decode/stepper.js';
export { cacheFolder } from './cache.js';
export { CaptionFile, captionKey, captionRecord } from './caption-file.js';
export * from './captioner.js';
export { explainPhoto, type ExplainOptions, type Explanation } from './explain.js';
export { occlusion, type OcclusionMap, type OcclusionOptions } from './occlusion.js';
export { decodePhoto, defaultMaxPixels, normalise, type PhotoOptions } from './images/photo.js';
export { decodedSize, viewsOfPhoto } from './images/photo-views.js';
export { findPhotos } from './images/find.js';
export { openDataset, type DatasetOptions } from './data/datasets.js';
export {
  downloadDataset,
  mirroredDataset,
  missingArchives,
  type DatasetDownload,
  type DatasetDownloadOptions,
} from './data/dataset-download.js';
export {
  publishedDataset,
  publishedDatasets,
  type PublishedArchive,
  type PublishedDataset,
} from './data/published-datasets.js';
export * from './data/manifest.js';
export { HistogramEncoder } from './data/histogram-encoder.js';
export { shapesDataset, type ShapesOptions } from './data/shapes.js';
export { summarise, type DatasetSummary, type PhotoCounts } from './data/summary.js';
export {
  openFeatures,
  readSkipped,
  viewsOf,
  type EncoderIdentity,
  type FeatureStore,
  type SkippedPhoto,
} from './data/features.js';
export {
  extractFeatures,
  type ExtractionReport,
  type ExtractionRequest,
  type PhotoEncoder,
} from './data/extraction.js';
export { photoFeatures } from './data/photo-features.js';
export { mergeFeatures, type MergeReport, type MergeRequest } from './data/merge.js';
export { isInShard, lackingShards, parseShard, shardPath, type Shard } from './data/shard.js';
export { Encoder, type EncoderOptions } from './model/encoder.js';
export { EncoderMetadata, readEncoderMetadata, writeEncoderMetadata } from './model/encoder-file.js';
export { encoderFile, encoders, encoderSource, isSameNetwork, type RegisteredEncoder } from './model/encoders.js';
export { loadVectors, type VectorOptions, type WordVectors } from './text/vectors.js';
export {
  checkEncoder,
  CheckpointConfig,
  findCheckpoint,
  lastDataset,
  loadCheckpoint,
  ownEncoder,
  saveCheckpoint,
  type Checkpoint,
  type SaveOptions,
} from './model/checkpoint.js';
export { decodeSafetensors, encodeSafetensors, type Weight, type Weights } from './model/safetensors.js';
export { evaluateCaptioner, type Evaluation, type EvaluationRequest } from './evaluation.js';
export { metricsOf, writeEvaluation } from './evaluation-files.js';
export * from './results.js';
export { compareStatistics, type ScoreComparison } from './metrics/compare.js';
export type { ConfidentPrediction, Prediction } from './metrics/predictions.js';
export { CaptionStatistics, scoreNames, type PhotoStatistics, type ScoreName } from './metrics/statistics.js';
export { bootstrapIntervals, type BootstrapOptions, type Interval } from './metrics/bootstrap.js';
export { calibration, spearmanCorrelation, type Calibration, type CalibrationBin } from './metrics/calibration.js';
export { diversity, type Diversity } from './metrics/diversity.js';
export { alarmThresholds, type Check } from './metrics/checks.js';
export { referenceFit, type ReferenceFit } from './metrics/perplexity.js';
export { reportCaptions, type CaptionReport, type EvaluatedPhoto } from './metrics/report.js';
export { modelCard, type TestReport } from './train/card.js';
export { lessonPreset, openLesson, openSamples, projectFolder, type LessonData, type Preset } from './lesson.js';
