/** The demo's HTML: the service's page, with a captioner in the browser in place of the service. */

import fs from 'node:fs';
import { navigation } from './layout.js';

/** Parts of the service's page that differ here, and what stands in their place. */
const differences: readonly (readonly [part: RegExp, replacement: string])[] = [
  [/<title>.*<\/title>/, '<title>captioner: what is in your photo?</title>'],
  [/<link rel="stylesheet" href="page.css" \/>/, '$&\n    <link rel="stylesheet" href="site.css" />'],
  [/<script type="module" src="page.js"><\/script>/, '<script type="module" src="demo.js"></script>'],
  [
    /<nav aria-label="About">\s*<a href="docs\/">API<\/a>([\s\S]*?)<\/nav>/,
    `${navigation(0, 'index.html')}<div class="tools">$1</div>`,
  ],
  [
    /<noscript>[\s\S]*?<\/noscript>/,
    '<noscript><p class="notice">This demo runs in your browser and needs JavaScript. Turn it on and reload the page.</p></noscript>',
  ],
  [
    /<p class="hint mouse">Drop photos anywhere on this page, or paste them.<\/p>/,
    '$&\n        <p class="privacy"><strong>No photo leaves your device.</strong> The captioner runs in your browser, offline too after the first visit.</p>',
  ],
  [
    /<button type="button" id="camera">Take a photo<\/button>/,
    '<button type="button" id="camera">Use the camera</button>',
  ],
  [/(<video id="video"[^>]*><\/video>)/, '$1\n      <p id="live-caption" class="live-caption"></p>'],
  [/<dialog id="key-dialog"[\s\S]*?<\/dialog>/, ''],
  [
    /<footer>[\s\S]*?<\/footer>/,
    `<footer>
      <p>
        A caption is a guess and may be wrong. This is <em>Show and Tell</em>
        (<a href="https://arxiv.org/abs/1411.4555" rel="noreferrer">Vinyals et al. 2015</a>) in TypeScript: a convolutional network turns the
        photo into a vector, and an LSTM turns the vector into words. <a href="about.html">Caption your own photos with it, or train your own.</a>
      </p>
    </footer>`,
  ],
];

/** @throws Error where the service's page has changed so that a difference no longer applies. */
export function demoPage(): string {
  let html = fs.readFileSync('serve/page/static/index.html', 'utf8');
  for (const [part, replacement] of differences) {
    if (!part.test(html))
      throw new Error(`serve/page/static/index.html has no ${part.source}: adapt site/build/demo-page.ts.`);
    html = html.replace(part, replacement);
  }
  return html;
}
