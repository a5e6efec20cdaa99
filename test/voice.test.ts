import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

/** Folders whose comments and messages are checked. */
const edited = ['bench', 'cli', 'examples', 'jupyter', 'lib', 'serve', 'test'];

/** Wordings that a native writer would not choose, with the advice for the author. */
const rules: readonly { readonly pattern: RegExp; readonly advice: string }[] = [
  {
    pattern: /\/\*\*\s+(?:\* )?(?:What|Of|Told|Whoever|How)\b/g,
    advice: 'begin a doc comment with a noun phrase or a third-person verb',
  },
  { pattern: /(?<!\bthere )\bis no (?!longer\b|more\b)/gi, advice: 'write "is not a"' },
  { pattern: /\b(?:goes|go|going|went) on\b/gi, advice: 'write "continue" or "resume"' },
  { pattern: /\banew\b/gi, advice: 'write "again"' },
  { pattern: /\bwhoever\b/gi, advice: 'name the reader or the caller' },
  { pattern: /\bin the box\b/gi, advice: 'write "default model"' },
  { pattern: /\bpupils?\b/gi, advice: 'write "student"' },
];

const root = fileURLToPath(new URL('..', import.meta.url));

function sources(place: string): string[] {
  if (place.endsWith('.ts')) return [place];
  return readdirSync(path.join(root, place), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules') && name !== 'voice.test.ts')
    .map((name) => path.join(place, name));
}

function faults(text: string): string[] {
  return rules.flatMap(({ pattern, advice }) =>
    [...text.matchAll(pattern)].map(({ index, 0: found }) => {
      const line = text.slice(0, index).split('\n').length;
      return `line ${line}: '${found.trim()}': ${advice}`;
    }),
  );
}

describe('voice', () => {
  for (const place of edited) {
    it(`reads well: ${place}`, () => {
      const found = sources(place).flatMap((file) =>
        faults(readFileSync(path.join(root, file), 'utf8')).map((fault) => `${file}, ${fault}`),
      );
      expect(found).to.deep.equal([]);
    });
  }

  it('finds each wording, and no correct one', () => {
    expect(faults('/** What it does. */')).to.have.length(1);
    expect(faults('/**\n * Told of each photo. */')).to.have.length(1);
    expect(faults('The file is no JSON and goes on.')).to.have.length(2);
    expect(faults('/** Whatever follows. */ There is no file; it is no longer needed.')).to.deep.equal([]);
  });
});
