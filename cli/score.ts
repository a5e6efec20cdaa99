import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { CaptionerError, type CaptionScores, scorePredictions } from '../lib/index.js';
import { defineCommand } from './options.js';
import { runCommand } from './run.js';

interface ScoreOptions {
  references: string;
  json?: true;
  onlyPredicted?: true;
}

export function scoreCommand(): Command {
  return defineCommand(
    'score',
    `Scores captions against those that people wrote: BLEU-1 to 4, ROUGE-L and CIDEr-D, as the COCO caption evaluation computes them.

<predictions> is a JSON file, [{"image_id": …, "caption": "…"}], one caption a photo. The references are COCO's annotations, or {image_id: ["…", …]}. METEOR and SPICE are not built in: they need Java and data files of their own.`,
    [
      ['captioner score predictions.json --references captions_val2017.json', 'a table'],
      ['captioner score predictions.json --references captions.json --json', 'fractions, for programs'],
    ],
  )
    .argument('<predictions>', 'JSON file of captions to score.')
    .requiredOption('-r, --references <file>', 'JSON file of the captions that people wrote.')
    .option(
      '--only-predicted',
      'Leave photos without a prediction out, as the COCO evaluation does; else they are an error.',
    )
    .option('--json', 'Print {"BLEU-1": …, …, "CIDEr": …} as fractions.')
    .action(
      runCommand(async ({ options }, file: string) => {
        const { references, json, onlyPredicted } = options as ScoreOptions;
        const { corpus, images } = scorePredictions(await readJson(file), await readJson(references), {
          onlyPredicted,
        });
        console.log(json ? JSON.stringify(corpus) : table(corpus, images.size));
      }),
    );
}

/** Scores as they are usually reported: times 100. */
function table(scores: CaptionScores, photos: number): string {
  const rows = Object.entries(scores).map(
    ([name, score]) => `${name.padEnd(8)}${(100 * score).toFixed(2).padStart(8)}`,
  );
  return [`${photos} ${photos === 1 ? 'photo' : 'photos'}, scores x 100`, ...rows].join('\n');
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new CaptionerError('not-found', `${file} can't be read (${(error as Error).message}).`);
  }
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new CaptionerError('bad-input', `${file} is no JSON: ${(error as Error).message}.`);
  }
}
