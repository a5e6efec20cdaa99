import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import * as z from 'zod';
import { CaptionerError, readJson, readText } from '../../lib/index.js';
import { defineCommand } from '../options.js';
import { runCommand } from '../run.js';

interface JudgeOptions {
  photos: string;
  list?: string;
  verdicts?: string;
  out: string;
}

const Predictions = z.array(z.object({ image_id: z.string(), caption: z.string() }));
const Verdicts = z.record(z.string(), z.record(z.string(), z.enum(['right', 'nearly', 'wrong'])));

/** `captioner judge`: captions of several captioners in, a page to judge them by eye out. */
export function judgeCommand(): Command {
  return defineCommand(
    'judge',
    `Write a page for judging captions by eye: right, nearly or wrong.

It shows each photo with the captions of one or more captioners, counts the verdicts, and saves them as JSON. The photos are embedded in the page.`,
    [
      [
        'captioner judge results/a/predictions.json results/b/predictions.json --photos data/photos --out judge.html',
        'compare two captioners',
      ],
      [
        'captioner judge results/a/predictions.json --photos data/photos --list ids.txt --out judge.html',
        'judge only the photos of a list',
      ],
    ],
  )
    .argument('<predictions...>', 'Files of predictions from captioner evaluate --out.')
    .requiredOption('--photos <folder>', 'Folder that the photo ids are relative to.')
    .option('--list <file>', 'File with one photo id per line. (default: all photos)')
    .option('--verdicts <file.json>', 'Verdicts saved earlier from the page.')
    .requiredOption('-o, --out <file.html>', 'The page.')
    .action(
      runCommand(async ({ options }, files: string[]) => {
        const { photos, list, verdicts, out } = options as JudgeOptions;
        const predictions = files.map((file) => new Map(read(Predictions, file).map((p) => [p.image_id, p.caption])));
        const ids =
          list === undefined
            ? [...predictions[0].keys()]
            : readText(list, 'The list').split(/\r?\n/).filter((line) => line.trim() !== ''); // prettier-ignore
        const { judgePage } = await import('../../lib/viz.js');
        const page = await judgePage({
          title: `${ids.length} photos, judged by eye`,
          captioners: names(files),
          photos: ids.map((id) => ({
            ...{ id, file: path.join(photos, id) },
            captions: predictions.map((captions) => captions.get(id)),
          })),
          ...(verdicts !== undefined && { verdicts: read(Verdicts, verdicts) }),
        });
        await writeFile(out, page);
        console.log(`${ids.length} photos are in ${out}: open it in a browser.`);
      }),
    );
}

function read<T>(schema: z.ZodType<T>, file: string): T {
  const { success, data, error } = schema.safeParse(readJson(file, 'The file'));
  if (success) return data;
  const [{ path: at, message }] = error.issues;
  throw new CaptionerError('bad-input', `${file} does not have the expected content: ${at.join('.')}: ${message}.`);
}

/** The folder of each file, or its path where folders are alike. */
function names(files: readonly string[]): string[] {
  const folders = files.map((file) => path.basename(path.dirname(path.resolve(file))));
  return new Set(folders).size === files.length ? folders : [...files];
}
