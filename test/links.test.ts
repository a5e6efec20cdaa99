import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';

/** Markdown files of the project. Outside a git clone there is no list of them. */
function markdownFiles(): string[] {
  const skip = new Set(['node_modules', 'dist', '.git']);
  const walk = (folder: string): string[] =>
    fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) return skip.has(entry.name) ? [] : walk(file);
      return entry.name.endsWith('.md') ? [file] : [];
    });
  try {
    const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], { encoding: 'utf8' });
    return listed.split('\n').filter((file) => file !== '' && fs.existsSync(file));
  } catch {
    return walk('.');
  }
}

/** Anchors of a page's headings, as GitHub makes them. */
function anchors(markdown: string): Set<string> {
  const found = new Set<string>();
  for (const [, heading] of withoutCode(markdown).matchAll(/^#+ (.*)$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = plain.replace(/[^\p{L}\p{N}\- _]/gu, '').replaceAll(' ', '-');
    for (let n = 0, name = anchor; ; name = `${anchor}-${++n}`) {
      if (found.has(name)) continue;
      found.add(name);
      break;
    }
  }
  return found;
}

const withoutCode = (markdown: string) => markdown.replace(/^```.*?^```/gms, '').replace(/^ {4}.*$/gm, '');

describe('links in Markdown', () => {
  for (const file of markdownFiles()) {
    it(`lead somewhere: ${file}`, () => {
      const text = withoutCode(fs.readFileSync(file, 'utf8')).replace(/`[^`\n]*`/g, '');
      const broken: string[] = [];
      for (const [, target] of text.matchAll(/\]\(([^()\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [name, anchor] = target.split('#');
        const page = name === '' ? file : path.join(path.dirname(file), decodeURI(name));
        const leads =
          fs.existsSync(page) &&
          (anchor === undefined || !page.endsWith('.md') || anchors(fs.readFileSync(page, 'utf8')).has(anchor));
        if (!leads) broken.push(target);
      }
      expect(broken).to.deep.equal([]);
    });
  }
});
