/** A caption of the demo as code. */

import type { Call } from '../../serve/page/code.js';

function browserCode({ options }: Call): string {
  const search = Object.keys(options).length > 0 ? `, ${JSON.stringify(searchLiteral(options))}` : '';
  return [
    "import { Captioner } from './browser/captioner.js';",
    '',
    "const captioner = await Captioner.load('model/');",
    "const [file] = document.querySelector('input[type=file]').files;",
    `for (const { caption } of await captioner.caption(file${search})) console.log(caption);`,
  ].join('\n');
}

function searchLiteral(options: Call['options']): Record<string, unknown> {
  const entries = Object.entries(options).map(([name, value]) => {
    if (name === 'method') return [name, value];
    return [
      name,
      name === 'require' || name === 'forbid' ? value.split(',').map((word) => word.trim()) : Number(value),
    ];
  });
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function commandLine({ file, options }: Call): string {
  const word = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`);
  const flags = Object.entries(options).map(
    ([name, value]) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${word(value)}`,
  );
  return ['npx captioner caption', word(file), ...flags].join(' ');
}

/** The code in each language. */
export const languages: Readonly<Record<string, (call: Call) => string>> = {
  JavaScript: browserCode,
  'Command line': commandLine,
};
