import { chooseModel } from '../lib/index.js';
import type { Run } from './run.js';

/**
 * The checkpoints of a command: those given, or the best shipped model whose encoder is on this
 * machine. Reports the choice on stderr, and how to get a better model.
 */
export function chosenCheckpoints(
  given: string[] | undefined,
  { options, warn }: Pick<Run, 'options' | 'warn'>,
): string[] {
  if (given) return given;
  const { model, better } = chooseModel();
  if (!options.quiet) {
    const get =
      better &&
      ` captioner download ${better.encoder.name} (${megabytes(better.encoder.file.bytes)}) gets a better one.`;
    warn(`captioner: using the model '${model.name}'.${get ?? ''}`);
  }
  return [model.folder];
}

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
