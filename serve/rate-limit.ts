import type { FastifyReply, FastifyRequest } from 'fastify';
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import { ServiceError } from './errors.js';
import { clientOf } from './keys.js';

/**
 * Limit on the captions of each client per minute. A client is identified by its key, or by its network if it
 * has none.
 */
export class RateLimit {
  private readonly limiter: RateLimiterMemory;

  /** @param limit captions per minute; 0 for no limit. */
  constructor(
    private readonly limit: number,
    private readonly keys: readonly string[],
  ) {
    this.limiter = new RateLimiterMemory({ points: Math.max(1, limit), duration: 60 });
  }

  /**
   * Counts captions. A request that costs more than a minute has takes the whole minute.
   * @throws ServiceError 429 when the client has had as many.
   */
  async charge(request: FastifyRequest, reply: FastifyReply, price: number): Promise<void> {
    if (this.limit === 0 || price <= 0) return;
    const client = clientOf(request, this.keys);
    try {
      this.tell(reply, await this.limiter.consume(client, Math.min(price, this.limit)));
    } catch (refusal) {
      const { msBeforeNext } = this.tell(reply, refusal as RateLimiterRes);
      const seconds = Math.max(1, Math.ceil(msBeforeNext / 1000));
      throw new ServiceError(
        429,
        'too-many-requests',
        `More than ${this.limit} captions per minute. Try again in ${seconds} seconds.`,
        { retryAfter: seconds },
      );
    }
  }

  private tell(reply: FastifyReply, state: RateLimiterRes): RateLimiterRes {
    if (state instanceof Error) throw state;
    void reply
      .header('x-ratelimit-limit', this.limit)
      .header('x-ratelimit-remaining', Math.max(0, state.remainingPoints))
      .header('x-ratelimit-reset', Math.ceil(state.msBeforeNext / 1000));
    return state;
  }
}
