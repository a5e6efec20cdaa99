/** The explanation of a photo's caption. It costs about fifty captions, so it is asked for once, when it is first needed. */

import type { AnsweredExplanation } from '../answers.js';
import type { SearchFields } from './options.js';
import type { CaptionSource, Photo } from './source.js';

export class Explanation {
  private asked: Promise<AnsweredExplanation> | undefined;
  private controller = new AbortController();
  private arrived = false;

  constructor(
    private readonly photo: Photo,
    private readonly search: SearchFields,
    private readonly source: CaptionSource,
  ) {}

  /** Whether it is here, so that looking at it costs nothing. */
  get loaded(): boolean {
    return this.arrived;
  }

  /** The explanation. After a failure, the next call asks again. */
  get(): Promise<AnsweredExplanation> {
    this.asked ??= this.ask();
    return this.asked;
  }

  /** Gives up the request, if there is one. */
  cancel(): void {
    if (this.arrived) return;
    this.controller.abort();
    this.asked = undefined;
  }

  private async ask(): Promise<AnsweredExplanation> {
    const { signal } = (this.controller = new AbortController());
    try {
      const explanation = await this.source.explain(this.photo, this.search, signal);
      this.arrived = true;
      return explanation;
    } catch (error) {
      if (!signal.aborted) this.asked = undefined;
      throw error;
    }
  }
}
