/** The demo: the service's page, with a captioner in the page itself. No photo leaves the device. */

import { answered, answeredExplanation } from '../../serve/answered.js';
import type { Caption, SearchConfig } from '../../lib/browser.js';
import { Captioner, CaptionerError } from '../../lib/browser.js';
import type { AnsweredPhoto } from '../../serve/answers.js';
import { byId, make, sentenceOf } from '../../serve/page/dom.js';
import type { SearchFields } from '../../serve/page/options.js';
import type { CaptionSource, Photo } from '../../serve/page/source.js';
import { startPage } from '../../serve/page/start.js';
import { languages } from './languages.js';

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** The state of the download, for people; undefined once the captioner is there. */
let waiting: string | undefined = 'The captioner is being downloaded.';
let failure: unknown;

/** Longest time to wait for the service worker, in milliseconds. */
const patience = 3000;

/** Starts the service worker, which keeps what is downloaded from then on. Without one, the page works with a connection only. */
async function startServiceWorker(): Promise<void> {
  if (!('serviceWorker' in navigator)) return;
  const { serviceWorker } = navigator;
  const started = new Promise((resolve) => {
    serviceWorker.addEventListener('controllerchange', resolve, { once: true });
    setTimeout(resolve, patience);
  });
  try {
    await serviceWorker.register('service-worker.js');
  } catch {
    return; // switched off, or a private window
  }
  if (!serviceWorker.controller) await started;
}

const loading = startServiceWorker().then(() =>
  Captioner.load('model/', {
    onProgress: ({ loaded, total }) => {
      waiting =
        loaded < total
          ? `The captioner is being downloaded: ${megabytes(loaded)} of ${megabytes(total)} MB. Your browser keeps it.`
          : 'The captioner is starting.';
      const notice = byId('notice', HTMLElement);
      notice.hidden = false;
      notice.textContent = waiting;
    },
  }),
);
loading.then(
  () => {
    waiting = undefined;
    byId('notice', HTMLElement).hidden = true;
  },
  (error: unknown) => {
    failure = error;
  },
);

/** The form's fields as options of a search. */
function searchOf(fields: SearchFields): Partial<SearchConfig> {
  const entries = Object.entries(fields).map(([name, value]) => {
    if (name === 'method') return [name, value];
    if (name !== 'require' && name !== 'forbid') return [name, Number(value)];
    const phrases = value.split(',').map((phrase) => phrase.trim());
    return [name, phrases.filter(Boolean)];
  });
  return Object.fromEntries(entries) as Partial<SearchConfig>;
}

const source: CaptionSource = {
  readiness: () => {
    const message = failure === undefined ? waiting : sentenceOf(failure);
    const error = message === undefined ? undefined : { code: 'not-ready', message };
    return Promise.resolve({ status: error ? 'not-ready' : 'ready', ...(error && { error }) });
  },
  sampleNames: async () => (await (await fetch('samples/names.json')).json()) as string[],
  caption: async (photos, fields, onPhoto, signal) => {
    const captioner = await loading;
    for (const [index, photo] of photos.entries()) {
      onPhoto(index, await resultOf(photo, () => captioner.caption(asFile(photo), searchOf(fields), { signal })));
    }
  },
  explain: async (photo, fields, signal) => {
    const captioner = await loading;
    return answeredExplanation(await captioner.explain(asFile(photo), searchOf(fields), { signal }));
  },
  languages,
  hasKey: () => false,
  captionVideo: async (video) => (await (await loading).caption(video))[0].caption,
};

/** The photo with its name, which messages have. */
const asFile = ({ blob, name }: Photo): File => new File([blob], name, { type: blob.type });

async function resultOf({ name }: Photo, caption: () => Promise<Caption[]>): Promise<AnsweredPhoto> {
  try {
    return { name, captions: answered(await caption()) };
  } catch (error) {
    if (!(error instanceof CaptionerError)) throw error;
    return { name, error: { code: error.code, message: error.message } };
  }
}

/** Captions the samples one after the other, below their pictures. */
async function captionSamples(): Promise<void> {
  const captioner = await loading;
  for (const name of await source.sampleNames()) {
    const image = document.querySelector<HTMLImageElement>(`#samples img[src="samples/${name}"]`);
    const blob = await (await fetch(`samples/${name}`)).blob();
    const [{ caption }] = await captioner.caption(blob);
    image?.parentElement?.append(make('span', { class: 'sample-caption' }, caption));
  }
}

startPage(source);
void captionSamples().catch(() => undefined); // the notice says why there are none
