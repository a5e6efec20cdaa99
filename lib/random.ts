/** The state of a {@link Random}: four unsigned 32-bit words, as JSON can hold them. */
export type RandomState = readonly [number, number, number, number];

/**
 * The only source of randomness: xoshiro128** (Blackman and Vigna 2018), seeded by splitmix32. It
 * is passed in. Its state can be saved and restored, so that a resumed run gets the same numbers.
 */
export class Random {
  private readonly s = new Uint32Array(4);

  /**
   * @param seed any integers. Different integers give independent streams, for example
   * `new Random(seed, epoch)`.
   */
  constructor(...seed: number[]) {
    let x = 0x9e3779b9;
    const next = () => {
      x = (x + 0x9e3779b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) >>> 0;
    };
    for (const part of seed) {
      x = (next() ^ (part >>> 0)) >>> 0;
      x = (next() ^ Math.floor(part / 2 ** 32)) >>> 0;
    }
    for (let i = 0; i < 4; i++) this.s[i] = next();
  }

  get state(): RandomState {
    return [...this.s] as unknown as RandomState;
  }

  set state(state: RandomState) {
    this.s.set(state);
  }

  /** An unsigned 32-bit integer. */
  uint32(): number {
    const s = this.s;
    const x = Math.imul(s[1], 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** Fills an array with the bits of as many calls of {@link uint32}, several times as fast. */
  fill(bits: Int32Array): Int32Array {
    let [a, b, c, d] = Int32Array.from(this.s);
    for (let i = 0; i < bits.length; i++) {
      const x = Math.imul(b, 5);
      bits[i] = Math.imul((x << 7) | (x >>> 25), 9);
      const t = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= t;
      d = (d << 11) | (d >>> 21);
    }
    this.s.set([a, b, c, d]);
    return bits;
  }

  /** A number in [0, 1). */
  uniform(): number {
    return this.uint32() / 2 ** 32;
  }

  /** An integer in [0, n). */
  integer(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** A standard normal number (Box-Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Shuffles in place (Fisher-Yates) and returns its argument. */
  shuffle<A extends { length: number; [i: number]: unknown }>(items: A): A {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }
}
