/** The public API of captioner, all but training. Nothing here loads TensorFlow.js, so that captioning starts fast. */
export * from './config.js';
export * from './errors.js';
export { exportCheckpoint, type CheckpointExport } from './publish/export.js';
export type { Int8Calibration } from './publish/int8-encoder.js';
export type { QuantizedEncoder } from './model/encoder/quantize-encoder.js';
export { decodeText } from './files/text-encoding.js';
export { readJson, readJsonOrLines, readText } from './files/text-file.js';
export * from './progress.js';
export * from './random.js';
export { tokenize } from './text/tokenizer.js';
export * from './text/vocabulary.js';
export { ptbTokenize } from './metrics/ptb.js';
export * from './metrics/score.js';
export * from './metrics/scorer.js';
export { beamSearch } from './search/beam.js';
export { greedySearch } from './search/greedy.js';
export { searchCaptions, tracedSearch, type SearchRun } from './search/search.js';
export { searchCost } from './search/search-cost.js';
export { resolveSearch } from './search/search-config.js';
export { DecoderEnsemble, loadDecoder } from './search/ensemble.js';
export { tracedBeamSearch } from './search/trace.js';
export type { SearchTrace, TracedCandidate, TracedSearch } from './search/observer.js';
export { alternatives, type WordAlternatives } from './search/alternatives.js';
export { diverseBeamSearch, type DiverseBeamOptions } from './search/diverse-beam.js';
export { sampleCaptions, type SamplingOptions } from './search/sampling.js';
export * from './search/stepper.js';
export { cacheFolder } from './files/cache.js';
export { CaptionFile, captionKey, captionRecord, isWithheld } from './captioner/caption-file.js';
export * from './captioner/captioner.js';
export {
  chooseModel,
  defaultCheckpoint,
  shippedModels,
  type ModelChoice,
  type ShippedModel,
} from './captioner/shipped-models.js';
export { explainPhoto, type ExplainOptions, type Explanation, type ProbableWord } from './captioner/explain.js';
export { occlusion, type OcclusionMap, type OcclusionOptions } from './captioner/occlusion.js';
export { photoFormats } from './images/format.js';
export { normalise } from './images/normalise.js';
export { decodePhoto, type PhotoOptions } from './images/photo.js';
export { Budget, defaultMaxPixels, type PhotoLimits } from './images/photo-limits.js';
export { decodedSize, viewsOfPhoto } from './images/photo-views.js';
export { findPhotos } from './images/find.js';
export { holdsSeveralJpegs } from './images/jpeg.js';
export {
  captionsByLabels,
  type LabelCaptionsOptions,
  type LabelledCaptions,
  type LabelledPhoto,
} from './captioner/label-captions.js';
export { pairCaptions, type CaptionGroup, type Pairing, type PairingOptions } from './data/datasets/pair-captions.js';
export { openDataset, type DatasetOptions } from './data/datasets/datasets.js';
export {
  downloadDataset,
  mirroredDataset,
  missingArchives,
  type DatasetDownload,
  type DatasetDownloadOptions,
} from './data/datasets/dataset-download.js';
export {
  publishedDataset,
  publishedDatasets,
  type PublishedArchive,
  type PublishedDataset,
} from './data/datasets/published-datasets.js';
export * from './data/datasets/manifest.js';
export { HistogramEncoder } from './data/features/histogram-encoder.js';
export { shapesDataset, type ShapesOptions } from './data/datasets/shapes.js';
export { summarise, type DatasetSummary, type PhotoCounts } from './data/datasets/summary.js';
export { viewsOf, type EncoderIdentity } from './data/features/encoder-identity.js';
export { openFeatures, readRows, readSkipped, type FeatureStore, type SkippedPhoto } from './data/features/store.js';
export {
  extractFeatures,
  type ExtractionReport,
  type ExtractionRequest,
  type PhotoEncoder,
} from './data/features/extraction.js';
export { featureStatistics, type FeatureStatistics } from './data/features/statistics.js';
export { photoFeatures } from './data/features/photo-features.js';
export { mergeFeatures, type MergeReport, type MergeRequest } from './data/features/merge.js';
export { isInShard, lackingShards, parseShard, shardPath, type Shard } from './data/features/shard.js';
export { Encoder, type EncoderOptions } from './model/encoder/encoder.js';
export {
  encoderNormalisation,
  normalisationOf,
  type NormalisationOptions,
} from './model/encoder/photo-normalisation.js';
export { EncoderMetadata, readEncoderMetadata, writeEncoderMetadata } from './model/encoder/encoder-file.js';
export {
  encoderFile,
  encoders,
  encoderSource,
  isSameNetwork,
  type RegisteredEncoder,
} from './model/encoder/registry.js';
export { int8FormOf } from './model/checkpoint/find-encoder.js';
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
} from './model/checkpoint/checkpoint.js';
export { decodeSafetensors, encodeSafetensors, type Storage, type Weight, type Weights } from './files/safetensors.js';
export { evaluateCaptioner, type Evaluation, type EvaluationRequest } from './evaluate/evaluation.js';
export { confidenceWord } from './search/confidence.js';
export { calibrateConfidence, type CalibrationRequest } from './evaluate/calibrate.js';
export { metricsOf, writeEvaluation } from './evaluate/evaluation-files.js';
export * from './evaluate/results.js';
export { compareStatistics, type ScoreComparison } from './metrics/compare.js';
export type { ConfidentPrediction, Prediction } from './metrics/predictions.js';
export { CaptionStatistics, scoreNames, type PhotoStatistics, type ScoreName } from './metrics/statistics.js';
export { bootstrapIntervals, type BootstrapOptions, type Interval } from './metrics/bootstrap.js';
export {
  areaUnderRoc,
  calibration,
  reliability,
  spearmanCorrelation,
  type Calibration,
  type CalibrationBin,
  type Reliability,
} from './metrics/calibration.js';
export { diversity, type Diversity } from './metrics/diversity.js';
export { alarmThresholds, type Check } from './metrics/checks.js';
export { referenceFit, type ReferenceFit } from './metrics/perplexity.js';
export { reportCaptions, type CaptionReport, type EvaluatedPhoto } from './metrics/report.js';
export { modelCard, type TestReport } from './publish/card.js';
export { readRuns, type RunReport, type RunStatus } from './train/loop/run-reader.js';
export { lessonPreset, openLesson, openSamples, type LessonData, type Preset } from './lesson.js';
export { libraryVersion, projectFolder } from './files/package.js';
