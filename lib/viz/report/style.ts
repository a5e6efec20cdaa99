import { fontFamily, ink, palette } from '../theme.js';

/** Colours of drawings, which are made for white paper, on a dark page. */
const darkened: readonly (readonly [light: string, dark: string])[] = [
  [ink.text, '#e4e9ee'],
  [ink.quiet, '#a3afbb'],
  [ink.line, '#4b5763'],
  [ink.grid, '#29323b'],
  [ink.paper, '#171d23'],
  [palette.blue, '#68a8e2'],
  [palette.green, '#55bd99'],
  [palette.purple, '#bd8cdb'],
  [palette.orange, '#e8914d'],
];

const darkDrawings = darkened
  .map(([light, dark]) => `.figure [fill="${light}"]{fill:${dark}}.figure [stroke="${light}"]{stroke:${dark}}`)
  .join('');

/** The report's style: light or dark as the reader's system is, one column on a phone. */
export const reportStyle = `
:root{color-scheme:light dark;--text:${ink.text};--quiet:${ink.quiet};--line:#d5dbe1;--paper:${ink.paper};--page:#f3f5f7;--good:#1f7a5c;--bad:#b3261e;--bad-paper:#fdecea}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 ${fontFamily}}
main{max-width:1040px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:26px;line-height:1.2;margin:8px 0 4px;overflow-wrap:anywhere}
h2{font-size:20px;margin:0 0 12px}
h3{font-size:16px;margin:20px 0 8px}
p{margin:0 0 12px}
.quiet{color:var(--quiet)}
section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:20px;margin:16px 0}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:20px}
.figure{margin:0}
.figure svg{display:block;width:100%;max-width:460px;height:auto}
.figure figcaption{font-size:14px;color:var(--quiet)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:5px 14px 5px 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600}
th:first-child,td:first-child{text-align:left}
td small,dd small,li small{display:block;font-weight:400;color:var(--quiet);font-size:13px}
td.words{white-space:normal;text-align:left}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:12px;margin:16px 0 0;padding:0}
.tiles div{border:1px solid var(--line);border-radius:8px;padding:8px 12px}
.tiles dt{color:var(--quiet);font-size:13px;line-height:1.3}
.tiles dd{margin:0;font-size:20px;font-weight:600}
.checks{list-style:none;margin:0;padding:0}
.checks li{padding:8px 0 8px 28px;position:relative;border-bottom:1px solid var(--line)}
.checks li:last-child{border:0}
.checks li::before{content:"\\2713";position:absolute;left:4px;color:var(--good);font-weight:700}
.checks li.alarm{background:var(--bad-paper);border-radius:6px}
.checks li.alarm::before{content:"!";left:10px;color:var(--bad)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,260px),1fr));gap:20px}
.card{margin:0;font-size:14px;line-height:1.4}
.card img{width:100%;height:auto;border-radius:6px;display:block}
.card .missing{border-radius:6px;aspect-ratio:4/3;background:var(--page);display:grid;place-items:center;padding:12px;color:var(--quiet);text-align:center;overflow-wrap:anywhere}
.card b{display:block;font-size:15px;margin-top:6px}
.card ul{margin:4px 0 0;padding-left:16px;color:var(--quiet)}
.card .id{overflow-wrap:anywhere}
pre{overflow-x:auto;font:13px/1.5 ui-monospace,Menlo,Consolas,monospace;margin:12px 0 0}
summary{cursor:pointer;font-weight:600}
@media (max-width:480px){main{padding:12px 10px 40px}section{padding:14px}th,td{padding-right:10px}}
@media (prefers-color-scheme:dark){:root{--text:#e4e9ee;--quiet:#a3afbb;--line:#2f3943;--paper:#171d23;--page:#0f1418;--good:#55bd99;--bad:#ff8a80;--bad-paper:#3a1d1b}${darkDrawings}}
@media print{body{background:#fff}section{break-inside:avoid}}
`;
