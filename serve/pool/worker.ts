import { createHash } from 'node:crypto';
import { Captioner, CaptionerError, defaultCheckpoint, explainPhoto, type Encoder } from '../../lib/index.js';
import type { PlainError } from '../answers.js';
import { plainError } from '../errors.js';
import type { FromWorker, ModelInfo, Outcome, Report, Stages, ToWorker, Work, WorkerSettings } from './messages.js';

/** The process that captions: it loads a captioner, reports it, and then takes one batch after the other. */

const settings = JSON.parse(process.argv[2]) as WorkerSettings;
const answer = (report: Report) => {
  const message: FromWorker = { ...report, memory: process.memoryUsage.rss() };
  process.send!(message, () => undefined);
};

// The service decides when a worker ends; signals for the service reach all of its processes. Without the service, a worker ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

/** A photo of 2 x 2 pixels, as PNG. */
const trialPhoto = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEUlEQVR4nGOoaOpJmRbFAKEAKHwFtWfBirkAAAAASUVORK5CYII=',
  'base64',
);

/**
 * The captioner of this worker, and a second one with more threads for a photo while the other workers are idle. The number of threads
 * of a network is fixed when it is loaded. Only a worker that gets such photos loads the second one, in the
 * background.
 */
class Captioners {
  private lone?: Captioner;
  private loading = false;

  constructor(
    private readonly captioner: Captioner,
    private readonly model: ModelInfo,
  ) {}

  choose(alone: boolean): Captioner {
    const { threads, loneThreads = threads } = settings;
    if (!alone || loneThreads <= threads) return this.captioner;
    if (!this.loading) void this.loadLone(loneThreads);
    return this.lone ?? this.captioner;
  }

  private async loadLone(threads: number): Promise<void> {
    this.loading = true;
    try {
      const { captioner, model } = await load(threads);
      // The files may have been replaced since this worker started.
      if (model.fingerprint === this.model.fingerprint) this.lone = captioner;
      else await captioner.release();
    } catch {
      // The photo is captioned with fewer threads.
    }
  }
}

async function load(threads: number): Promise<{ captioner: Captioner; model: ModelInfo }> {
  const checkpoint = settings.checkpoint ?? defaultCheckpoint();
  const captioner = await Captioner.load(checkpoint, { ...settings, threads });
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
  return { captioner, model };
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
  const { captioner, model } = await load(settings.threads);
  const captioners = new Captioners(captioner, model);
  process.on('message', ({ work, seconds, alone }: ToWorker) => {
    void perform(captioners.choose(alone), work, performance.now() + seconds * 1000);
  });
  answer({ type: 'ready', model });
} catch (error) {
  answer({ type: 'failed', error: failure(error) });
}

async function perform(captioner: Captioner, work: readonly Work[], deadline: number): Promise<void> {
  const stages = { decode: 0, encode: 0, search: 0 };
  const outcomes =
    work[0].kind === 'explain'
      ? [await explain(captioner, work[0], deadline)]
      : await caption(captioner, work, deadline, stages);
  answer({ type: 'done', outcomes, ...(work[0].kind === 'caption' && { stages }) });
}

/** Captions photos of the same search together; where that fails, each alone, so that one does not spoil the others. */
async function caption(
  captioner: Captioner,
  work: readonly Work[],
  deadline: number,
  stages: { -readonly [stage in keyof Stages]: number },
): Promise<Outcome[]> {
  const photos = work.map(({ bytes }) => ({ file: 'The file', bytes }));
  try {
    const found = await captioner.caption(photos, work[0].search, {
      deadline,
      onStage: (stage, seconds) => (stages[stage] += seconds),
    });
    return found.map(({ captions, error }) => (error ? { error: failure(error) } : { captions }));
  } catch (error) {
    if (work.length === 1) return [{ error: failure(error) }];
    const outcomes: Outcome[] = [];
    for (const job of work) outcomes.push(...(await caption(captioner, [job], deadline, stages)));
    return outcomes;
  }
}

async function explain(captioner: Captioner, { bytes, search }: Work, deadline: number): Promise<Outcome> {
  try {
    return { explanation: await explainPhoto(captioner, bytes, search, { deadline }) };
  } catch (error) {
    return { error: failure(error) };
  }
}

/** The message of an unexpected error stays within the service, which writes it to its log. */
function failure(error: unknown): PlainError {
  if (error instanceof CaptionerError) return plainError(error);
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
}
