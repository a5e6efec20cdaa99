import type { EvaluatedPhoto } from '../../metrics/report.js';
import { escapeHtml } from '../html.js';
import { photoUrl } from '../photos.js';

/** Width of the photos in a report, in pixels. */
const thumbnail = 240;

/** Photos of a report: the best and worst captions by CIDEr, and those in the middle, none of them twice. */
export interface ChosenPhotos {
  readonly best: readonly EvaluatedPhoto[];
  readonly median: readonly EvaluatedPhoto[];
  readonly worst: readonly EvaluatedPhoto[];
}

/** @param most photos of each kind. */
export function choosePhotos(photos: readonly EvaluatedPhoto[], most = 6): ChosenPhotos {
  const sorted = [...photos].sort((a, b) => b.scores.CIDEr - a.scores.CIDEr || (a.image_id < b.image_id ? -1 : 1));
  const n = sorted.length;
  const each = Math.min(most, Math.max(1, Math.floor(n / 3)));
  const best = sorted.slice(0, each);
  const worst = sorted.slice(Math.max(best.length, n - each)).reverse();
  const middle = sorted.slice(best.length, n - worst.length);
  const from = Math.floor((middle.length - Math.min(each, middle.length)) / 2);
  return { best, median: middle.slice(from, from + each), worst };
}

/** A photo with its caption, how sure and how good that is, and what people wrote. A photo that can't be read is named instead. */
export async function photoCard(photo: EvaluatedPhoto, file: string | undefined): Promise<string> {
  const { image_id, caption, logProbability, length, scores, references } = photo;
  const perWord = Math.exp(logProbability / Math.max(1, length));
  return (
    `<figure class="card">${await picture(photo, file)}<figcaption><b>${escapeHtml(caption || '(no word)')}</b>` +
    `<div>CIDEr ${(100 * scores.CIDEr).toFixed(0)} · ${(100 * perWord).toFixed(0)}\u00A0% per word, ${percentOf(Math.exp(logProbability))} for the caption</div>` +
    `<ul>${references.map((reference) => `<li>${escapeHtml(reference)}</li>`).join('')}</ul>` +
    `<div class="quiet id">${escapeHtml(image_id)}</div></figcaption></figure>`
  );
}

async function picture({ image_id, caption }: EvaluatedPhoto, file: string | undefined): Promise<string> {
  const missing = (why: string) => `<div class="missing">The photo can't be shown: ${escapeHtml(why)}</div>`;
  if (file === undefined) return missing(`the location of ${image_id} is unknown`);
  try {
    const { url } = await photoUrl(file, thumbnail);
    return `<img src="${url}" alt="${escapeHtml(`Photo that was captioned: ${caption}`)}">`;
  } catch (error) {
    return missing((error as Error).message.split('\n')[0]);
  }
}

/** A probability as people write it: "1.2 %", "2e-6". */
function percentOf(probability: number): string {
  return probability >= 0.001 ? `${(100 * probability).toPrecision(2)}\u00A0%` : probability.toExponential(0);
}
