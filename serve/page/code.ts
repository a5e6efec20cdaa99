/** A call of the service as code: the same photo, the same options. */

import type { SearchFields } from './options.js';

/** A request for the captions of one photo. */
export interface Call {
  /** Address of the route. */
  readonly url: string;
  /** File of the photo. */
  readonly file: string;
  readonly options: SearchFields;
  /** Whether the service wants a key. The code takes it from the environment variable CAPTIONER_KEY. */
  readonly keyed: boolean;
}

/** A word of a POSIX shell. */
function shell(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** A string of TypeScript. */
function quoted(text: string): string {
  return /^[^'\\\p{Cc}]*$/u.test(text) ? `'${text}'` : JSON.stringify(text);
}

function curlCode({ url, file, options, keyed }: Call): string {
  // Without quotes, curl takes commas and semicolons of a name for syntax.
  const photo = /^[\w.-]+$/.test(file) ? file : `"${file.replace(/["\\]/g, String.raw`\$&`)}"`;
  const parts = [
    'curl',
    ...(keyed ? ['--header "Authorization: Bearer $CAPTIONER_KEY"'] : []),
    `--form ${shell(`photo=@${photo}`)}`,
    ...Object.entries(options).map(([name, value]) => `--form-string ${shell(`${name}=${value}`)}`),
    shell(url),
  ];
  return parts.join(' \\\n  ');
}

function typescriptCode({ url, file, options, keyed }: Call): string {
  const headers = keyed ? ['  headers: { authorization: `Bearer ${process.env.CAPTIONER_KEY}` },'] : [];
  return [
    "import { openAsBlob } from 'node:fs';",
    "import path from 'node:path';",
    '',
    `const file = ${quoted(file)};`,
    'const body = new FormData();',
    "body.append('photo', await openAsBlob(file), path.basename(file));",
    ...Object.entries(options).map(([name, value]) => `body.append(${quoted(name)}, ${quoted(value)});`),
    '',
    `const reply = await fetch(${quoted(url)}, {`,
    "  method: 'POST',",
    '  body,',
    ...headers,
    '});',
    'if (!reply.ok) throw new Error(await reply.text());',
    'const { captions } = (await reply.json()) as { captions: { caption: string; p: number }[] };',
    'for (const { caption } of captions) console.log(caption);',
  ].join('\n');
}

function pythonCode({ url, file, options, keyed }: Call): string {
  const given = Object.entries(options).map(
    ([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)},`,
  );
  return [
    'import json',
    ...(keyed ? ['import os'] : []),
    'import urllib.parse',
    'import urllib.request',
    '',
    'options = {',
    ...given,
    '}',
    'headers = {',
    '    "Content-Type": "application/octet-stream",',
    ...(keyed ? ['    "Authorization": "Bearer " + os.environ["CAPTIONER_KEY"],'] : []),
    '}',
    `url = ${JSON.stringify(url)} + "?" + urllib.parse.urlencode(options)`,
    `with open(${JSON.stringify(file)}, "rb") as photo:`,
    '    request = urllib.request.Request(url, photo.read(), headers)',
    'with urllib.request.urlopen(request) as reply:',
    '    for caption in json.load(reply)["captions"]:',
    '        print(caption["caption"])',
  ].join('\n');
}

/** The code in each language. */
export const languages: Readonly<Record<string, (call: Call) => string>> = {
  curl: curlCode,
  TypeScript: typescriptCode,
  Python: pythonCode,
};
