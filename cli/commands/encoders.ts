import type { Command } from 'commander';
import { encoders, encoderSource, type RegisteredEncoder } from '../../lib/index.js';
import { defineCommand } from '../options.js';
import { runCommand } from '../run.js';

/** Description of an encoder, with its source. */
function describe(encoder: RegisteredEncoder) {
  const { name, file, dimension, inputSize, licence } = encoder;
  const { from, location, isHere, file: chosen } = encoderSource(encoder);
  return {
    name,
    dimension,
    inputSize,
    licence,
    bytes: chosen.bytes,
    sha256: chosen.sha256,
    /** Whether it is on this machine. */
    cached: isHere,
    from,
    location,
    url: file.url,
  };
}

/** `captioner encoders`: lists the pretrained encoders. */
export function encodersCommand(): Command {
  return defineCommand(
    'encoders',
    `List the pretrained encoders, which turn photos into features, and where each comes from.

An encoder is downloaded on first use, verified, and kept in the cache folder (CAPTIONER_CACHE). If CAPTIONER_MIRROR is set to a folder or URL, files come from there.`,
    [
      ['captioner encoders', 'a table'],
      ['captioner encoders --json', 'as JSON'],
      ['captioner extract --encoder resnet50 …', 'use one'],
    ],
  )
    .option(
      '--json',
      'Print a JSON array: [{name, dimension, inputSize, licence, bytes, sha256, cached, from, location, url}].',
    )
    .action(
      runCommand(({ options }) => {
        const rows = encoders.map(describe);
        if (options.json) console.log(JSON.stringify(rows, null, 2));
        else {
          const header = ['encoder', 'features', 'size', 'licence', 'here', 'from'];
          const cells = rows.map(({ name, dimension, bytes, licence, cached, location }) => {
            return [
              name,
              String(dimension),
              `${(bytes / 1e6).toFixed(1)} MB`,
              licence,
              cached ? 'yes' : 'no',
              location,
            ];
          });
          const widths = header.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i].length)));
          const isNumber = (column: number) => column === 1 || column === 2;
          for (const row of [header, ...cells]) {
            const padded = row.map((cell, i) => (isNumber(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])));
            console.log(padded.join('  ').trimEnd());
          }
        }
        return Promise.resolve(0);
      }),
    );
}
