import type { Command } from 'commander';
import {
  bootstrapIntervals,
  Random,
  readJsonOrLines,
  scoreNames,
  scorePredictions,
  type ScoredPredictions,
} from '../../lib/index.js';
import { defineCommand } from '../options.js';
import { runCommand } from '../run.js';

interface ScoreOptions {
  references: string;
  json?: true;
  onlyPredicted?: true;
}

export function scoreCommand(): Command {
  return defineCommand(
    'score',
    `Score captions against human references: BLEU-1 to 4, ROUGE-L and CIDEr-D, as the COCO caption evaluation computes them. The table has 95 % bootstrap intervals over the photos.

<predictions> is the output of captioner caption --json or --jsonl, [{"image_id": …, "caption": "…"}], {id: caption}, or a list of captions in the order of the references. The references are COCO's annotations, {image_id: ["…", …]}, or rows of captions, as JSON or JSON lines. METEOR and SPICE are not built in: they need Java and large data files.`,
    [
      ['captioner score predictions.json --references captions_val2017.json', 'a table'],
      ['captioner score predictions.json --references captions.json --json', 'fractions, for programs'],
    ],
  )
    .argument('<predictions>', 'Captions to score, as JSON or JSON lines.')
    .requiredOption('-r, --references <file>', 'Human captions of the photos, as JSON or JSON lines.')
    .option(
      '--only-predicted',
      'Leave out photos without a prediction, as the COCO evaluation does, instead of failing.',
    )
    .option('--json', 'Print {"BLEU-1": …, …, "CIDEr": …} as fractions.')
    .action(
      runCommand(({ options }, file: string) => {
        const { references, json, onlyPredicted } = options as ScoreOptions;
        const scored = scorePredictions(readJsonOrLines(file), readJsonOrLines(references), { onlyPredicted });
        console.log(json ? JSON.stringify(scored.corpus) : table(scored));
        return Promise.resolve();
      }),
    );
}

/** Scores as they are usually reported: times 100. */
function table({ corpus, images, statistics }: ScoredPredictions): string {
  const intervals = bootstrapIntervals(statistics, new Random(1));
  const hundred = (score: number) => (100 * score).toFixed(2);
  const rows = scoreNames.map((name) => {
    const { low, high } = intervals[name];
    return `${name.padEnd(8)}${hundred(corpus[name]).padStart(8)}  ${hundred(low)} to ${hundred(high)}`;
  });
  const photos = images.size === 1 ? '1 photo' : `${images.size} photos`;
  const note =
    images.size === 1 ? ['CIDEr weights words by their rarity among the photos. With one photo it is always 0.'] : [];
  return [`${photos}, scores x 100 with 95 % intervals`, ...rows, ...note].join('\n');
}
