import { escapeHtml } from '../html.js';
import { photoUrl } from '../photos.js';
import { reportStyle } from './style.js';

/** A photo with captions to judge. */
export interface JudgedPhoto {
  readonly id: string;
  /** Its file. */
  readonly file: string;
  /** A caption for each captioner; undefined if one has none. */
  readonly captions: readonly (string | undefined)[];
}

/** Options of the page for judging captions. */
export interface JudgePageOptions {
  readonly title: string;
  /** Names of the captioners, in the order of the captions. */
  readonly captioners: readonly string[];
  readonly photos: readonly JudgedPhoto[];
  /** Verdicts given before, `verdicts[captioner][photo]`; the page opens with them. */
  readonly verdicts?: Readonly<Record<string, Readonly<Record<string, Verdict>>>>;
}

/** Judgements by eye: right, right but for a detail, or wrong. */
export const verdictNames = ['right', 'nearly', 'wrong'] as const;
/** A verdict on a caption. */
export type Verdict = (typeof verdictNames)[number];

/**
 * A page on which a person judges captions by eye: each photo with the caption of each captioner and a choice of right, nearly or wrong;
 * the counts so far, and a button that saves the verdicts as JSON. It needs no network. The photos are in the page.
 */
export async function judgePage({ title, captioners, photos, verdicts = {} }: JudgePageOptions): Promise<string> {
  const cards: string[] = [];
  for (const photo of photos) cards.push(await card(photo, captioners, verdicts));
  return (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">' +
    `<title>${escapeHtml(title)}</title><style>${reportStyle}${style}</style></head>\n<body><main>\n` +
    `<header><h1>${escapeHtml(title)}</h1><p class="quiet">right: true of the photo and about its main subject; nearly: one detail is wrong; wrong: all else.</p>` +
    `<p id="counts" role="status"></p><button id="save" type="button">Save verdicts</button></header>\n` +
    `<div class="cards">\n${cards.join('\n')}\n</div></main>\n<script>${script}</script></body></html>\n`
  );
}

async function card(
  { id, file, captions }: JudgedPhoto,
  captioners: readonly string[],
  verdicts: NonNullable<JudgePageOptions['verdicts']>,
): Promise<string> {
  const { url } = await photoUrl(file, 320);
  const judged = captioners.map((captioner, i) => {
    const name = `${captioner}/${id}`;
    const choice = verdictNames.map((verdict) => {
      const checked = verdicts[captioner]?.[id] === verdict ? ' checked' : '';
      return `<label><input type="radio" name="${escapeHtml(name)}" value="${verdict}"${checked}> ${verdict}</label>`;
    });
    const text = captions[i] ?? '(no caption)';
    return `<fieldset data-captioner="${escapeHtml(captioner)}" data-photo="${escapeHtml(id)}"><legend>${escapeHtml(captioner)}</legend><b>${escapeHtml(text)}</b><div>${choice.join(' ')}</div></fieldset>`;
  });
  return `<figure class="card"><img src="${url}" alt=""><figcaption>${judged.join('')}<div class="quiet id">${escapeHtml(id)}</div></figcaption></figure>`;
}

const style = `
fieldset{border:1px solid var(--line);border-radius:6px;margin:8px 0;padding:4px 10px 8px}
legend{color:var(--quiet);font-size:13px}
label{margin-right:10px;white-space:nowrap}
button{font:inherit;padding:6px 14px}
header{position:sticky;top:0;background:var(--page);padding:4px 0 12px;z-index:1}
`;

const script = `
const sets = [...document.querySelectorAll('fieldset')];
function verdicts() {
  const all = {};
  for (const set of sets) {
    const chosen = set.querySelector('input:checked');
    const of = (all[set.dataset.captioner] ??= {});
    if (chosen) of[set.dataset.photo] = chosen.value;
  }
  return all;
}
function count() {
  const lines = Object.entries(verdicts()).map(([captioner, of]) => {
    const given = Object.values(of);
    const n = (verdict) => given.filter((each) => each === verdict).length;
    return captioner + ': ' + n('right') + ' right, ' + n('nearly') + ' nearly, ' + n('wrong') + ' wrong of ' + given.length;
  });
  document.getElementById('counts').textContent = lines.join('; ');
}
document.addEventListener('change', count);
document.getElementById('save').addEventListener('click', () => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([JSON.stringify(verdicts(), null, 1)], { type: 'application/json' }));
  link.download = 'verdicts.json';
  link.click();
});
count();
`;
