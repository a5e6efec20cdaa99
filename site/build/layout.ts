/** The frame that all pages of the site share. */

const sections = [
  ['index.html', 'Demo'],
  ['about.html', 'About'],
  ['docs/index.html', 'Docs'],
  ['notebooks/index.html', 'Notebooks'],
  ['results/index.html', 'Results'],
  ['api/index.html', 'API'],
] as const;

/** Links to the sections, from a page at `depth` folders below the root. */
export function navigation(depth: number, current = ''): string {
  const links = sections.map(([href, name]) => {
    const here = href === current ? ' aria-current="page"' : '';
    return `<a href="${'../'.repeat(depth)}${href}"${here}>${name}</a>`;
  });
  return `<nav class="sections" aria-label="Site">${links.join('')}</nav>`;
}

/** A page of text. @param file its path in the site, such as `docs/search.html`. */
export function textPage(file: string, title: string, html: string): string {
  const depth = file.split('/').length - 1;
  const up = '../'.repeat(depth);
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${title} · captioner</title>
    <link rel="icon" href="${up}icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="${up}page.css" />
    <link rel="stylesheet" href="${up}site.css" />
  </head>
  <body>
    <a class="skip" href="#text">Skip to the text</a>
    <header class="bar">
      <p class="brand"><img src="${up}icon.svg" alt="" width="28" height="28" />captioner</p>
      ${navigation(depth, file)}
    </header>
    <main id="text" class="prose" tabindex="-1">
${html}
    </main>
  </body>
</html>
`;
}
