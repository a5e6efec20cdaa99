import * as z from 'zod';
import { viewsOf } from '../data/features/encoder-identity.js';
import { viewCounts } from '../images/photo-views.js';
import { byScore } from '../metrics/bootstrap.js';
import { scoreNames } from '../metrics/statistics.js';
import { allDatasets, lastDataset, type CheckpointConfig } from '../model/checkpoint/checkpoint.js';

/** The part of a metrics.json by `captioner evaluate` that a card quotes. */
export const TestReport = z.object({
  split: z.string(),
  photos: z.int(),
  /** Scores by name, as fractions, for each width of the beam. */
  beams: z.record(z.string(), z.object(byScore(() => z.number()))),
});
export type TestReport = z.output<typeof TestReport>;

/**
 * The card of a model, README.md of its checkpoint: what it is, what it learned from, how good it is.
 * @param about what else its users should know, Markdown.
 */
export function modelCard(config: CheckpointConfig, report?: TestReport, about = ''): string {
  const { decoder, encoder, dataset, training, trained, scores, vocabularySize } = config;
  const { devPhotos } = lastDataset(config);
  const rows = Object.entries(scores).map(([name, score]) => `| ${name} | ${score.toFixed(3)} |`);
  return `# A captioner of photos

Features of \`${encoder.name}\` (${encoder.dimension} numbers a photo, sha256 \`${encoder.sha256.slice(0, 12)}…\`)${averaged(config)}${inInt8(config)}, and a decoder that writes English captions:
${decoder.layers === 1 ? 'one layer' : `${decoder.layers} layers`} of ${decoder.cell.toUpperCase()} with ${decoder.hiddenSize} units, word embeddings of ${decoder.embeddingSize} numbers, ${vocabularySize} words.

    captioner caption --checkpoint <this folder> photo.jpg

## Training

${dataset.photos} photos${augmented(dataset)} and ${dataset.captions} captions of ${dataset.name}; ${trained.epochs} epochs, ${trained.steps} steps of ${training.batchSize} captions${begun(config)}. All hyperparameters are in \`config.json\`.
${together(config)}${reinforcement(config)}${licence(config)}${about && `\n${about.trim()}\n`}
${rows.length > 0 ? `## Scores on ${devPhotos} dev photos\n\nBeam search of 3. The epoch was chosen by CIDEr on these photos.\n\n| score | |\n|---|---|\n${rows.join('\n')}\n` : ''}${report ? `\n${testTable(report)}` : ''}`;
}

/** Scores x 100, as they are usually reported. */
function testTable({ split, photos, beams }: TestReport): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rows = Object.entries(beams).map(([beam, scores]) =>
    line([beam, ...scoreNames.map((name) => (100 * scores[name]).toFixed(1))]),
  );
  return `## Scores on ${photos} ${split} photos, x 100\n\n${[line(['beam', ...scoreNames]), line(['beam', ...scoreNames].map(() => '---')), ...rows].join('\n')}\n`;
}

/** A sentence part on averaged views, where features are the mean of several. */
function averaged({ encoder }: CheckpointConfig): string {
  const views = viewsOf(encoder);
  return views === 'one' ? '' : `, the mean over ${viewCounts[views]} views of each photo (\`${views}\`)`;
}

/** A sentence part on the encoder in 8 bits, where there is one. */
const inInt8 = ({ int8Encoder }: CheckpointConfig): string =>
  int8Encoder ? ', or of the same network in 8 bits (`--precision int8`)' : '';

/** A sentence part on random views, where a phase learned from some. */
function augmented({ randomViews }: CheckpointConfig['dataset']): string {
  return randomViews === undefined ? '' : `, ${randomViews} random views of them`;
}

/** The captioner that training began with, where it did. */
function begun({ from }: CheckpointConfig): string {
  if (!from) return '';
  return `, from the weights of a captioner of ${from.datasets.map(({ name }) => name).join(' and ')} with features of \`${from.encoder.name}\` (${from.trained.epochs} epochs)`;
}

/** The second phase of training, where there was one. */
function together({ finetuned }: CheckpointConfig): string {
  if (!finetuned) return '';
  const { trained, dataset, from, config } = finetuned;
  return `
Encoder and decoder were then trained together, from \`${from.name}\` on: ${dataset.photos} photos and ${dataset.captions} captions of ${dataset.name}; ${trained.epochs} epochs, ${trained.steps} steps of ${config.photosPerBatch} photos.
`;
}

/** The last phase of training, where there was one. */
function reinforcement({ reinforced }: CheckpointConfig): string {
  if (!reinforced) return '';
  const { trained, dataset, config } = reinforced;
  return `
The decoder then learned from the CIDEr-D of its own captions (self-critical sequence training): ${dataset.photos} photos${augmented(dataset)} of ${dataset.name}; ${trained.epochs} epochs, ${trained.steps} steps of ${config.photosPerBatch} photos, ${config.samples} captions of each.
`;
}

/** The terms of each known data set that any phase of the training saw. */
function licence(config: CheckpointConfig): string {
  if (!allDatasets(config).some(({ name }) => /flickr8k/i.test(name))) return '';
  return `
Flickr8k's photos and captions are for non-commercial research and education only (Hodosh, Young and Hockenmaier, JAIR 2013). So is
this model.
`;
}
