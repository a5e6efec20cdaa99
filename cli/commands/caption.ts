import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import {
  captionKey,
  decodeText,
  holdsSeveralJpegs,
  CaptionFile,
  CaptionerError,
  findPhotos,
  InferenceConfig,
  isInShard,
  openFeatures,
  parseShard,
  readText,
  SearchConfig,
  shardPath,
  Captioner,
  type CaptionedPhoto,
  type FeatureStore,
} from '../../lib/index.js';
import { addConfigOptions, fraction, checkpointFolders, defineCommand } from '../options.js';
import { chosenCheckpoints } from '../model.js';
import { printers, type Format } from '../caption-output.js';
import { printable } from '../printable.js';
import { runCommand, type Run } from '../run.js';

/** A file, or the photo on standard input. */
type NamedSource = string | { readonly file: string; readonly bytes: Uint8Array };

interface CaptionOptions {
  checkpoint?: string[];
  encoder?: string;
  list?: string;
  encoding?: string;
  features?: string;
  json?: boolean;
  jsonl?: boolean;
  csv?: boolean;
  out?: string;
  minConfidence: number;
  shard?: string;
}

/** `captioner caption`: photos in, captions out. */
export function captionCommand(): Command {
  const command = defineCommand('caption', 'Caption photos.', [
    ['captioner caption photo.jpg', 'one caption'],
    ['captioner caption photos/ --n 3', 'all photos of a folder, three captions each'],
    ["captioner caption 'photos/**/*.jpg' --jsonl > captions.jsonl", 'one line of JSON per photo'],
    ['captioner caption photo.jpg --require "red shirt" --forbid man', 'require some words and forbid others'],
    ['captioner caption photo.jpg --method diverse --n 3', 'three captions that differ more from each other'],
    ['captioner caption photo.jpg --method sample --top-p 0.9 --n 5', 'five captions drawn at random'],
    ['captioner caption photo.jpg --checkpoint runs/a,runs/b', 'an ensemble of two captioners'],
    ['captioner caption photos/ --out captions.jsonl', 'write to a file; repeat the command to add new photos'],
    ['captioner caption photos/ --out captions.jsonl --shard 2/8', 'one eighth of them, into captions.2-of-8.jsonl'],
    ['curl -s https://example.org/cat.jpg | captioner caption -', 'a photo from standard input'],
    ['find . -name "*.png" | captioner caption --list - --csv', 'a list of files from standard input'],
  ])
    .argument('[photos...]', "Files, folders or globs. '-' reads one photo from standard input.")
    .option('--features <folder>', 'Caption the photos of a feature store (captioner extract) instead of files.')
    .option('--list <file>', "File with one photo path per line, or with NUL between paths. '-' is standard input.")
    .option('--encoding <name>', 'Encoding of the list, such as windows-1252. (default: utf-8)')
    .option(
      '--checkpoint <folder>',
      'Checkpoint or training run. Several, separated by commas or by repeating the flag, form an ensemble. (default: the best shipped model whose encoder is on this machine)',
      checkpointFolders,
    )
    .option('--encoder <file>', 'ONNX file of the checkpoint’s encoder. (default: found or downloaded by its name)')
    .option('--json', 'Print one JSON array: [{file, captions: [{caption, logProbability, probability, confidence}]}].')
    .option('--jsonl', 'Print a line of JSON for each photo as soon as it is captioned.')
    .option('--csv', 'Print CSV: file, rank, caption, logProbability, probability, confidence, error.')
    .option(
      '--min-confidence <p>',
      'Withhold captions with a confidence below this, from 0 to 1. In JSON they are null, with the reason.',
      fraction,
      0,
    )
    .option(
      '-o, --out <file.jsonl>',
      'Append lines of JSON to a file. Photos that it already has from the same captioner and options are skipped.',
    )
    .option('--shard <i/n>', 'Caption only part i of n of the photos. The name of --out gets .i-of-n.')
    .addHelpText(
      'after',
      '\nExit codes: 0 all photos captioned, 1 an error or no photo captioned, 2 some photos failed.',
    );
  const config = addConfigOptions(
    command,
    { search: SearchConfig, inference: InferenceConfig },
    { heading: 'Search:' },
  );
  return command.action(
    runCommand(async (run, files: string[]) => {
      const chosen = run.options as CaptionOptions;
      const format = formatOf(chosen);
      const { search, inference } = config.given();
      const shard = chosen.shard === undefined ? undefined : parseShard(chosen.shard);
      const place = chosen.out === undefined || !shard ? chosen.out : shardPath(chosen.out, shard);
      const { minConfidence } = chosen;
      const checkpoint = chosenCheckpoints(chosen.checkpoint, run);
      const file =
        place === undefined
          ? undefined
          : CaptionFile.open(place, captionKey(checkpoint, search, inference, minConfidence), minConfidence);
      const wanted = (name: string) => (!shard || isInShard(name, shard)) && !file?.has(name);
      let [count, failed] = [0, 0];
      try {
        const started = await start({ ...chosen, ...inference, checkpoint }, files, search, run, wanted);
        ({ count } = started);
        const printer = printers[format](count > 1, minConfidence);
        const write = (text: string) => text && !file && process.stdout.write(text);
        write(printer.head);
        for await (const photo of started.captions) {
          file?.add(photo);
          write(printer.photo(photo));
          if (photo.error) {
            failed++;
            run.warn(printable(`captioner: ${photo.file}: ${photo.error.message}`));
          }
        }
        write(printer.tail);
      } finally {
        file?.close();
      }
      if (file) {
        console.log(
          `${file.size.toLocaleString('en')} photos have captions in ${place}: ${file.added.toLocaleString('en')} new.`,
        );
      }
      if (failed === 0) return 0;
      if (count > 1) run.warn(`captioner: ${failed} of ${count} photos could not be captioned`);
      // A command that resumes may have only photos left that it can not caption.
      return failed === count && !file?.size ? 1 : 2;
    }),
  );
}

/** Loads what is needed and begins to caption: photos, or the rows of a feature store. */
async function start(
  {
    checkpoint,
    encoder,
    features: folder,
    list,
    encoding,
    out,
    precision,
    minConfidence,
  }: CaptionOptions & Partial<InferenceConfig>,
  files: readonly string[],
  search: Partial<SearchConfig>,
  { progress, signal }: Run,
  wanted: (name: string) => boolean,
): Promise<{ count: number; captions: AsyncIterable<CaptionedPhoto> }> {
  const load = async () => {
    const captioner = await Captioner.load(checkpoint, { encoder, precision, progress, signal });
    if (minConfidence === 0 || captioner.calibrated) return captioner;
    throw new CaptionerError(
      'bad-option',
      '--min-confidence needs one calibrated captioner. Calibrate this one with captioner calibrate.',
    );
  };
  // A progress bar would only interrupt captions that appear one after the other.
  const seen = { progress: process.stdout.isTTY && out === undefined ? undefined : progress, signal };
  if (folder === undefined) {
    const photos = (await photosOf(files, list, encoding)).filter((photo) =>
      wanted(typeof photo === 'string' ? photo : photo.file),
    );
    if (!photos.length) return { count: 0, captions: none() };
    return { count: photos.length, captions: (await load()).captions(photos, search, seen) };
  }
  if (files.length > 0 || list !== undefined) {
    throw new CaptionerError('bad-option', 'Give photos or --features, not both.');
  }
  const features = onlySome(openFeatures(folder), wanted);
  return { count: features.ids.length, captions: (await load()).captionsOfFeatures(features, search, seen) };
}

/** Some rows of a feature store. */
function onlySome(features: FeatureStore, wanted: (id: string) => boolean): FeatureStore {
  const { dimension, encoder, precision, ids, randomViews } = features;
  return {
    ...{ dimension, encoder, precision, ids: ids.filter(wanted), randomViews },
    has: (id) => features.has(id),
    read: (id, into, offset) => features.read(id, into, offset),
    close: () => features.close(),
  };
}

async function* none(): AsyncGenerator<CaptionedPhoto> {
  // Nothing is left to do.
}

function formatOf({ json, jsonl, csv, out }: CaptionOptions): Format {
  if (out !== undefined && (json || csv)) {
    throw new CaptionerError('bad-option', '--out always writes lines of JSON. Leave out --json and --csv.');
  }
  const wanted = Object.entries({ json, jsonl, csv }).flatMap(([format, on]) => (on ? [format as Format] : []));
  if (wanted.length > 1) throw new CaptionerError('bad-option', `Give only one of --${wanted.join(', --')}.`);
  return wanted[0] ?? 'text';
}

async function photosOf(
  files: readonly string[],
  list: string | undefined,
  encoding: string | undefined,
): Promise<NamedSource[]> {
  if (list === '-' && files.includes('-')) {
    throw new CaptionerError(
      'bad-option',
      "Standard input can be a list of files (--list -) or a photo ('-'), not both.",
    );
  }
  if (files.includes('')) {
    throw new CaptionerError(
      'bad-option',
      'One of the photos has an empty name. Check the quotes and variables in the command.',
    );
  }
  const listed = list === undefined ? [] : await readList(list, encoding);
  const sources = [...files, ...listed];
  if (sources.length === 0) {
    throw new CaptionerError(
      'bad-input',
      "Name the photos to caption: files, folders, globs, or '-' for standard input.",
    );
  }
  const fromInput = files.includes('-') ? [{ file: '-', bytes: await readPhoto() }] : [];
  const named = sources.filter((file) => file !== '-');
  return [...fromInput, ...(named.length > 0 ? await findPhotos(named) : [])];
}

/** The photo on standard input. */
async function readPhoto(): Promise<Uint8Array> {
  const bytes = await buffer(process.stdin);
  if (holdsSeveralJpegs(bytes)) {
    throw new CaptionerError(
      'bad-input',
      'Standard input holds more than one photo, but only one can be read from it. Give files, or a list of them with --list.',
    );
  }
  return bytes;
}

/** Names a line each; or, as find -print0 writes them, with NUL between, where names may have line breaks. */
async function readList(file: string, encoding: string | undefined): Promise<string[]> {
  const text =
    file === '-' ? decodeText(await buffer(process.stdin), 'The list', encoding) : readText(file, 'The list', encoding);
  return text.split(text.includes('\0') ? '\0' : /\r?\n/).filter((line) => line.trim() !== '');
}
