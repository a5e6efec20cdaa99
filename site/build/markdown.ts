/** Markdown of the project as pages, at the same paths, so that relative links stay right. */

import fs from 'node:fs';
import path from 'node:path';
import { Marked, type Tokens } from 'marked';
import { textPage } from './layout.js';

/** Files that browsers show as they are. Others, HTML too, are shown as text. */
const shown = new Set(['.svg', '.png', '.jpg', '.txt']);

/** The place in the site of a file of the project. */
function placeOf(file: string): string {
  if (file === 'README.md') return 'about.html';
  if (/(^|\/)README\.md$/.test(file)) return file.replace(/README\.md$/, 'index.html');
  if (/\.(md|ipynb)$/.test(file)) return file.replace(/\.(md|ipynb)$/, '.html');
  return shown.has(path.extname(file)) ? file : `${file}.txt`;
}

/** Writes pages for Markdown files and for all that they link to. */
export class MarkdownPages {
  private readonly written = new Set<string>();

  /** @param target the site's folder. */
  constructor(private readonly target: string) {}

  /** Writes the page of a Markdown file, and what it links to. */
  write(file: string): void {
    if (this.written.has(file)) return;
    this.written.add(file);
    const source = fs.readFileSync(file, 'utf8');
    const title = /^# (.+)$/m.exec(source)?.[1].replaceAll(/[*_`]/g, '') ?? path.basename(file, '.md');
    const place = placeOf(file);
    this.put(place, textPage(place, title, this.render(source, file, place)));
  }

  /** The HTML of a file of the project with its links to other files changed to places in the site. */
  linked(html: string, file: string): string {
    return html.replaceAll(/href="([^"]+)"/g, (whole, href: string) =>
      /^(?:[a-z]+:|#)|\.html/i.test(href) ? whole : `href="${this.link(href, file, placeOf(file))}"`,
    );
  }

  private render(source: string, file: string, place: string): string {
    const marked = new Marked({ gfm: true });
    const link = (href: string) => this.link(href, file, place);
    const slugs = new Map<string, number>();
    let [tables, codes] = [0, 0];
    marked.use({
      walkTokens: (token) => {
        if (token.type === 'link' || token.type === 'image')
          (token as Tokens.Link).href = link((token as Tokens.Link).href);
      },
      renderer: {
        heading({ tokens, depth, text }) {
          const slug = text
            .toLowerCase()
            .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
            .trim()
            .replaceAll(/\s/g, '-');
          const count = slugs.get(slug) ?? 0;
          slugs.set(slug, count + 1);
          return `<h${depth} id="${count ? `${slug}-${count}` : slug}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
        },
        table(token) {
          const cells = (row: Tokens.TableCell[], tag: 'th' | 'td') =>
            `<tr>${row
              .map((cell) => {
                const name = cell.text === '' ? 'td' : tag; // an empty head names nothing
                return `<${name}>${this.parser.parseInline(cell.tokens)}</${name}>`;
              })
              .join('')}</tr>`;
          const body = token.rows.map((row) => cells(row, 'td')).join('\n');
          // Wide tables scroll by themselves, with the keyboard, too.
          return `<div class="wide" tabindex="0" role="region" aria-label="Table ${++tables}"><table><thead>${cells(token.header, 'th')}</thead><tbody>${body}</tbody></table></div>\n`;
        },
        code({ text }) {
          const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
          return `<pre tabindex="0" role="region" aria-label="Code ${++codes}"><code>${escaped}</code></pre>\n`;
        },
      },
    });
    return marked.parse(source, { async: false });
  }

  /** The address of a link on a page. Files of the project that it names become part of the site. */
  private link(href: string, file: string, place: string): string {
    if (/^(?:[a-z]+:|#)/i.test(href)) return href;
    const [relative, fragment] = href.split('#');
    let linked = path.posix.normalize(path.posix.join(path.posix.dirname(file), relative));
    if (fs.statSync(linked, { throwIfNoEntry: false })?.isDirectory()) linked = path.posix.join(linked, 'README.md');
    if (!fs.existsSync(linked)) {
      this.listFolder(path.posix.dirname(linked));
    } else if (linked.endsWith('.md')) {
      this.write(linked);
    } else if (!linked.endsWith('.ipynb')) {
      this.put(placeOf(linked), fs.readFileSync(linked));
    }
    const address = path.posix.relative(path.posix.dirname(place), placeOf(linked));
    return fragment === undefined ? address : `${address}#${fragment}`;
  }

  /** Writes a page that lists the files of a folder which has no README. */
  private listFolder(folder: string): void {
    const place = placeOf(`${folder}/README.md`);
    if (this.written.has(place)) return;
    this.written.add(place);
    const files = fs.readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
    const items = files.map(({ name }) => {
      const target = placeOf(`${folder}/${name}`);
      this.put(target, fs.readFileSync(path.join(folder, name)));
      return `<li><a href="${path.posix.relative(folder, target)}">${name}</a></li>`;
    });
    this.put(place, textPage(place, folder, `<h1>${folder}</h1>\n<ul>${items.join('')}</ul>`));
  }

  private put(place: string, content: string | Uint8Array): void {
    const file = path.join(this.target, place);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
  }
}
