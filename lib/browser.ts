/** The public API of captioner in a browser: captions on the visitor's own device. */
export { Captioner, type BrowserPhoto, type CallOptions, type LoadOptions } from './browser/captioner.js';
export type { Device, DownloadProgress } from './browser/messages.js';
export type { Caption } from './captioner/caption-model.js';
export type { Explanation, ProbableWord } from './captioner/explain.js';
export type { OcclusionMap } from './captioner/occlusion.js';
export type { SearchConfig } from './config.js';
export { CaptionerError, type ErrorCode } from './errors.js';
export { confidenceWord } from './search/confidence.js';
