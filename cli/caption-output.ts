import { stringify } from 'csv-stringify/sync';
import { captionRecord, type CaptionedPhoto } from '../lib/index.js';

/** How captions are printed. */
export type Format = 'text' | 'json' | 'jsonl' | 'csv';

interface Printer {
  readonly head: string;
  readonly tail: string;
  photo(photo: CaptionedPhoto): string;
}

function csvRows({ file, captions, error }: CaptionedPhoto): (string | number)[][] {
  if (error) return [[file, '', '', '', '', error.message]];
  return captions.map(({ caption, logProbability, probability }, i) => [
    file,
    i + 1,
    caption,
    logProbability,
    probability,
    '',
  ]);
}

/** Two digits that matter: 0.012. */
const brief = (probability: number) => String(Number(probability.toPrecision(2)));

/** Makes the printer of each format. `several`: there is more than one photo, so that each is named. */
export const printers: Record<Format, (several: boolean) => Printer> = {
  text: (several) => ({
    head: '',
    tail: '',
    // What went wrong with a photo is told on stderr.
    photo: ({ file, captions }) => {
      if (!captions) return '';
      if (captions.length === 1) return `${several ? `${file}: ` : ''}${captions[0].caption}\n`;
      const lines = captions.map(
        ({ caption, probability }) => `${several ? '  ' : ''}${caption}  (p = ${brief(probability)})`,
      );
      return `${[...(several ? [file] : []), ...lines].join('\n')}\n`;
    },
  }),
  json: () => {
    let first = true;
    return {
      head: '[',
      tail: '\n]\n',
      photo: (photo) => {
        const separator = first ? '\n' : ',\n';
        first = false;
        return separator + JSON.stringify(captionRecord(photo));
      },
    };
  },
  jsonl: () => ({ head: '', tail: '', photo: (photo) => `${JSON.stringify(captionRecord(photo))}\n` }),
  csv: () => ({
    head: stringify([['file', 'rank', 'caption', 'logProbability', 'probability', 'error']]),
    tail: '',
    photo: (photo) => stringify(csvRows(photo)),
  }),
};
