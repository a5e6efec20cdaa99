import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { CaptionerError, pairCaptions, readText } from '../../lib/index.js';
import { addDatasetOptions, openGiven, type DatasetFlags } from '../dataset.js';
import { defineCommand } from '../options.js';
import { runCommand } from '../run.js';

interface PairOptions extends DatasetFlags {
  text: string;
  out: string;
  json?: true;
}

const Line = z.object({ captions: z.array(z.string()) });

/** `captioner pair`: captions without images and a data set in, a data set to pretrain on out. */
export function pairCommand(): Command {
  return addDatasetOptions(
    defineCommand(
      'pair',
      `Give captions whose images are not there to the train photos that they fit best.

A decoder learns language from more text than there are photos: pretrain it on the result, then train it on the data set itself with --from.`,
      [
        ['captioner pair --data my.jsonl --text coco-captions.jsonl --out paired.jsonl', 'make the data'],
        ['captioner train --data paired.jsonl --features features/my --out runs/language --epochs 2', 'pretrain'],
        ['captioner train --data my.jsonl --features features/my --out runs/my --from runs/language/last', 'train'],
      ],
    ),
  )
    .requiredOption('--text <file.jsonl>', 'Captions, a line for each image: {"captions": ["…", "…"]}.')
    .requiredOption('-o, --out <file.jsonl>', 'The list of photos with all their captions.')
    .option('--json', 'Print what was done as JSON.')
    .action(
      runCommand(async ({ options, progress, signal, warn }) => {
        const { text, out, json, ...data } = options as PairOptions;
        const manifest = await openGiven(data, warn);
        const { manifest: paired, placed, given } = pairCaptions(manifest, readGroups(text), { progress, signal });
        const folder = path.dirname(path.resolve(out));
        const lines = paired.photos.map(({ id, file, captions, split }) => {
          // Ids stay those of the features: the photos are found by --photos, as before.
          const place = data.photos === undefined ? path.relative(folder, file).split(path.sep).join('/') : id;
          return JSON.stringify({ file: place, captions, ...(split && { split }) });
        });
        await writeFile(out, `${lines.join('\n')}\n`);
        const count = (n: number) => n.toLocaleString('en');
        console.log(
          json
            ? JSON.stringify({ out, placed, given })
            : `${count(placed)} of ${count(given)} captions found a photo; the list is ${out}.`,
        );
      }),
    );
}

function readGroups(file: string): string[][] {
  return readText(file, 'The captions')
    .split('\n')
    .flatMap((line, i) => {
      if (line.trim() === '') return [];
      try {
        return [Line.parse(JSON.parse(line)).captions];
      } catch (cause) {
        const message = `Line ${i + 1} of ${file} is not {"captions": ["…"]}.`;
        throw new CaptionerError('bad-input', message, { cause });
      }
    });
}
