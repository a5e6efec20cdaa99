/**
 * The public API of figures: `import … from 'captioner/viz'`. In a notebook `await show(figure)` displays one; elsewhere a figure is written as SVG,
 * PNG or HTML. Loads neither TensorFlow.js nor Plotly.
 */
export * from './viz/spec.js';
export { Figure } from './viz/figure.js';
export {
  cellSignal,
  inNotebook,
  LiveDisplay,
  loadPlotly,
  plotlyScript,
  show,
  type Displayable,
  type DisplayData,
} from './viz/display.js';
export * from './viz/charts.js';
export { dropdown, photoPicker, slider, type Control, type ControlValues } from './viz/controls.js';
export { interact } from './viz/interact.js';
export { compareRuns, liveCurves, lossCurves } from './viz/curves.js';
export { wordAlternatives, wordFrequencies, wordProbabilities, zipfPlot } from './viz/words.js';
export { cosine, nearestNeighbours, principalComponents } from './viz/projection.js';
export { photoUrl, type ImageSource } from './viz/photos.js';
export { channelMaps, numberMaps, occlusionMaps, type PhotoMapOptions } from './viz/photo-maps.js';
export { embeddingMap, type EmbeddingMapOptions, type MappedPoint } from './viz/embedding-map.js';
export { beamTree, type BeamTreeOptions, type TreeCandidate } from './viz/beam-tree.js';
export { parallelRuns, type ParallelRun } from './viz/sweep.js';
export { curveStyle, liveSweep, sweepCurves, type SweptCurve } from './viz/sweep-curves.js';
export { Gallery, type GalleryItem, type GalleryOptions } from './viz/gallery.js';
export { Table, type TableData, type TableOptions } from './viz/table.js';
export { NotebookProgress } from './viz/progress-display.js';
export { calibrationCurve, lengthHistogram, scoreCurve, trainingCurves } from './viz/report/figures.js';
export { judgePage, type JudgedPhoto, type JudgePageOptions, type Verdict } from './viz/report/judge-page.js';
export { reportStyle } from './viz/report/style.js';
export { evaluationReport, type EvaluationReportOptions } from './viz/report/page.js';
export { amounts, heat, ink, palette, scores, seriesColours } from './viz/theme.js';
export { exercise, type Exercise } from './viz/exercise.js';
