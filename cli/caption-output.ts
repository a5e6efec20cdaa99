import { stringify } from 'csv-stringify/sync';
import { captionRecord, confidenceWord, isWithheld, type Caption, type CaptionedPhoto } from '../lib/index.js';
import { printable } from './printable.js';

/** Output format of captions. */
export type Format = 'text' | 'json' | 'jsonl' | 'csv';

interface Printer {
  readonly head: string;
  readonly tail: string;
  photo(photo: CaptionedPhoto): string;
}

function csvRows({ file, captions, error }: CaptionedPhoto, minConfidence: number): (string | number)[][] {
  if (error) return [[file, '', '', '', '', '', error.message]];
  return captions.map((each, i) => {
    const { caption, logProbability, probability, confidence } = each;
    const row = [file, i + 1, caption, logProbability, probability, confidence ?? '', ''];
    return isWithheld(each, minConfidence) ? [file, i + 1, '', '', '', confidence!, 'withheld'] : row;
  });
}

/** A mark for uncertain captions. */
function doubt({ confidence }: Caption): string {
  const word = confidence === null ? 'sure' : confidenceWord(confidence);
  return word === 'sure' ? '' : `  (${word})`;
}

/** Two significant digits: 0.012. */
const brief = (probability: number) => String(Number(probability.toPrecision(2)));

/**
 * Creates the printer of each format. `several`: more than one photo, so each is named. Captions
 * below `minConfidence` are withheld.
 */
export const printers: Record<Format, (several: boolean, minConfidence: number) => Printer> = {
  text: (several, minConfidence) => ({
    head: '',
    tail: '',
    // A failed photo is reported on stderr.
    photo: ({ file, captions, error }) => {
      if (error) return '';
      const withheld = (each: Caption) =>
        isWithheld(each, minConfidence) && `(withheld: confidence ${each.confidence!.toFixed(2)})`;
      const [best] = captions;
      if (captions.length === 1) {
        return `${several ? `${printable(file)}: ` : ''}${withheld(best) || `${best.caption}${doubt(best)}`}\n`;
      }
      const lines = captions.map((each) => {
        const sure = each.confidence === null ? '' : `, confidence ${each.confidence.toFixed(2)}`;
        const text = withheld(each) || `${each.caption}  (p = ${brief(each.probability)}${sure})`;
        return `${several ? '  ' : ''}${text}`;
      });
      return `${[...(several ? [printable(file)] : []), ...lines].join('\n')}\n`;
    },
  }),
  json: (_, minConfidence) => {
    let first = true;
    return {
      head: '[',
      tail: '\n]\n',
      photo: (photo) => {
        const separator = first ? '\n' : ',\n';
        first = false;
        return separator + JSON.stringify(captionRecord(photo, minConfidence));
      },
    };
  },
  jsonl: (_, minConfidence) => ({
    head: '',
    tail: '',
    photo: (photo) => `${JSON.stringify(captionRecord(photo, minConfidence))}\n`,
  }),
  csv: (_, minConfidence) => ({
    head: stringify([['file', 'rank', 'caption', 'logProbability', 'probability', 'confidence', 'error']]),
    tail: '',
    photo: (photo) => stringify(csvRows(photo, minConfidence)),
  }),
};
