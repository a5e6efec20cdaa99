import { createHash } from 'node:crypto';
import {
  Captioner,
  CaptionerError,
  decodePhoto,
  defaultCheckpoint,
  explainPhoto,
  type Encoder,
} from '../../lib/index.js';
import type { PlainError } from '../answers.js';
import { plainError } from '../errors.js';
import type { FromWorker, ModelInfo, Outcome, Report, Stages, ToWorker, Work, WorkerSettings } from './messages.js';

/** The process that captions: it loads a captioner, says so, and then does one batch after the other. */

const settings = JSON.parse(process.argv[2]) as WorkerSettings;
const answer = (report: Report) => {
  const message: FromWorker = { ...report, memory: process.memoryUsage.rss() };
  process.send!(message, () => undefined);
};

// The service says when to end; signals for it reach all of its processes. Without the service there is nothing to do.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

/** A photo of 2 x 2 pixels, as PNG. */
const trialPhoto = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEUlEQVR4nGOoaOpJmRbFAKEAKHwFtWfBirkAAAAASUVORK5CYII=',
  'base64',
);

async function load(): Promise<{ captioner: Captioner; encoder: Encoder; model: ModelInfo }> {
  const checkpoint = settings.checkpoint ?? defaultCheckpoint();
  const captioner = await Captioner.load(checkpoint, settings);
  const encoder = await captioner.ready();
  const [trial] = await captioner.caption([{ file: 'trial', bytes: trialPhoto }]);
  if (trial.error) throw trial.error;
  if (!trial.captions[0]?.words.every(({ probability }) => probability >= 0 && probability <= 1)) {
    throw new CaptionerError(
      'numeric',
      `The captions of ${checkpoint} have no probabilities: its weights are damaged.`,
    );
  }
  const { config, vocabulary } = captioner.checkpoint;
  const model = {
    checkpoint,
    fingerprint: fingerprintOf(captioner, encoder),
    encoder: encoder.identity.name,
    dataset: config.dataset.name,
    words: vocabulary.size,
  };
  return { captioner, encoder, model };
}

function fingerprintOf({ checkpoint: { weights, vocabulary } }: Captioner, { identity }: Encoder): string {
  const hash = createHash('sha256')
    .update(identity.sha256)
    .update(identity.views ?? '')
    .update(vocabulary.words.join(' '));
  for (const [name, { data }] of weights) hash.update(name).update(data);
  return hash.digest('hex').slice(0, 16);
}

try {
  const { captioner, encoder, model } = await load();
  process.on('message', ({ work }: ToWorker) => {
    void perform(captioner, encoder, work);
  });
  answer({ type: 'ready', model });
} catch (error) {
  answer({ type: 'failed', error: failure(error) });
}

async function perform(captioner: Captioner, encoder: Encoder, work: readonly Work[]): Promise<void> {
  if (work[0].kind === 'explain') {
    const outcomes = await Promise.all(work.map((job) => explain(captioner, job)));
    answer({ type: 'done', outcomes });
    return;
  }
  try {
    answer({ type: 'done', ...(await caption(captioner, encoder, work)) });
  } catch (error) {
    // One of them spoils it for all: each for itself, then.
    const outcomes: Outcome[] = [];
    for (const job of work) {
      const alone = work.length > 1 ? caption(captioner, encoder, [job]) : Promise.reject(error as Error);
      outcomes.push(
        await alone.then(
          (done) => done.outcomes[0],
          (reason: unknown) => ({ error: failure(reason) }),
        ),
      );
    }
    answer({ type: 'done', outcomes });
  }
}

/** Captions photos: all decoded at the same time, all through the encoder, then a search for all that are searched alike. */
async function caption(
  captioner: Captioner,
  encoder: Encoder,
  work: readonly Work[],
): Promise<{ outcomes: Outcome[]; stages: Stages }> {
  const times = [performance.now()];
  const decoded = await Promise.all(
    work.map(({ bytes }) =>
      decodePhoto(bytes, encoder.inputSize, settings).catch((error: unknown) => ({ error: failure(error) })),
    ),
  );
  times.push(performance.now());
  const sound = decoded.flatMap((photo, i) => ('error' in photo ? [] : [{ job: i, photo }]));
  const features = await encoder.features(sound.map(({ photo }) => photo)); // [sound, D]
  times.push(performance.now());

  const outcomes: Outcome[] = decoded.map((photo) => ('error' in photo ? photo : { captions: [] }));
  const alike = new Map<string, number[]>(); // search -> rows of features
  for (const [row, { job }] of sound.entries()) {
    const key = JSON.stringify(work[job].search);
    alike.set(key, [...(alike.get(key) ?? []), row]);
  }
  for (const rows of alike.values()) {
    const some = new Float32Array(rows.length * encoder.dimension);
    rows.forEach((row, i) => {
      some.set(features.subarray(row * encoder.dimension, (row + 1) * encoder.dimension), i * encoder.dimension);
    });
    const found = await captioner.captionFeatures(some, rows.length, work[sound[rows[0]].job].search);
    for (const [i, row] of rows.entries()) outcomes[sound[row].job] = { captions: found[i] };
  }
  times.push(performance.now());
  const [decode, encode, search] = [0, 1, 2].map((i) => (times[i + 1] - times[i]) / 1000);
  return { outcomes, stages: { decode, encode, search } };
}

async function explain(captioner: Captioner, { bytes, search }: Work): Promise<Outcome> {
  try {
    return { explanation: await explainPhoto(captioner, bytes, search, { maxPixels: settings.maxPixels }) };
  } catch (error) {
    return { error: failure(error) };
  }
}

/** Here, nobody else sees what an unexpected error says: it goes to the log with its message. */
function failure(error: unknown): PlainError {
  if (error instanceof CaptionerError) return plainError(error);
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
}
