import type { Command } from 'commander';
import { encoders, encoderSource, type RegisteredEncoder } from '../../lib/index.js';
import { defineCommand } from '../options.js';
import { runCommand } from '../run.js';

/** What there is to know about an encoder, and where it would come from. */
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

/** `captioner encoders`: which pretrained networks there are. */
export function encodersCommand(): Command {
  return defineCommand(
    'encoders',
    `Lists the pretrained networks that turn photos into features, and where each comes from.

They are fetched when they are first used, verified, and kept in the cache folder (CAPTIONER_CACHE). CAPTIONER_MIRROR names a folder or a URL to take them from instead.`,
    [
      ['captioner encoders', 'a table'],
      ['captioner encoders --json', 'the same, for programs'],
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
