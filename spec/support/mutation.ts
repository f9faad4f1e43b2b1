/**
 * Random and mutated inputs, reproducible from a seed. It is independent of the format: samples and words come from the
 * caller.
 */

/** Mulberry32: small, fast and good enough for choosing octets. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 up to, not including, `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * limit);
  }

  of<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to choose from');
    return item;
  }
}

/** Octets that have broken parsers before. */
const WORDS: readonly Buffer[] = [
  ...['\r\n', '\n', '\r', '\0', '\r\n\r\n', '--', '"', "'", '<', '>', '&', ';', '=', ' ', '\t', '\\', '%', '@', '/'],
  ...[
    '0',
    '-1',
    '2147483647',
    '2147483648',
    '4294967295',
    '4294967296',
    '99999999999',
    '00',
    '1e9',
    'NaN',
    '__proto__',
  ],
  ...[
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    '<?',
    '?>',
    '&lt;',
    '&#0;',
    '&#xD800;',
    '<!DOCTYPE',
    'xmlns=',
    '\ufeff',
    '\u2028',
  ],
  ...['MSG ', 'RPY ', 'ERR ', 'ANS ', 'NUL ', 'SEQ ', 'END\r\n', ' * ', ' . ', 'Content-Type: ', 'boundary='],
].map((word) => Buffer.from(word));

const LARGEST = 4096;

export class Mutator {
  readonly #dice: Dice;
  readonly #seeds: readonly Buffer[];
  readonly #words: readonly Buffer[];

  /** @param seeds valid inputs */
  constructor(dice: Dice, seeds: readonly Buffer[]) {
    this.#dice = dice;
    this.#seeds = seeds;
    this.#words = WORDS;
  }

  /** The next input: a buffer of its own. */
  next(): Buffer {
    const dice = this.#dice;
    if (dice.below(16) === 0) return this.#random(dice.below(300));
    let octets: Buffer = Buffer.from(dice.of(this.#seeds));
    for (let times = 1 + dice.below(dice.below(4) === 0 ? 12 : 3); times > 0; times -= 1) octets = this.#mutate(octets);
    return octets.length > LARGEST ? octets.subarray(0, LARGEST) : octets;
  }

  #random(length: number): Buffer {
    const octets = Buffer.alloc(length);
    for (let at = 0; at < length; at += 1) octets[at] = this.#dice.below(256);
    return octets;
  }

  #mutate(octets: Buffer): Buffer {
    const dice = this.#dice;
    const at = dice.below(octets.length + 1);
    const end = Math.min(octets.length, at + 1 + dice.below(dice.below(3) === 0 ? 64 : 6));
    const before = octets.subarray(0, at);
    switch (dice.below(9)) {
      case 0: // flip a bit
        if (at < octets.length) octets[at] = (octets[at] ?? 0) ^ (1 << dice.below(8));
        return octets;
      case 1: // another octet
        if (at < octets.length) octets[at] = dice.below(256);
        return octets;
      case 2: // cut out
        return Buffer.concat([before, octets.subarray(end)]);
      case 3: // cut off
        return Buffer.from(before);
      case 4: // say twice, or often
        return Buffer.concat([
          before,
          ...new Array<Buffer>(1 + dice.below(dice.below(8) === 0 ? 40 : 3)).fill(octets.subarray(at, end)),
          octets.subarray(at),
        ]);
      case 5: // a word from outside
        return Buffer.concat([before, dice.of(this.#words), octets.subarray(at)]);
      case 6: // a word instead
        return Buffer.concat([before, dice.of(this.#words), octets.subarray(end)]);
      case 7: {
        // the end of another one
        const other = dice.of(this.#seeds);
        return Buffer.concat([before, other.subarray(dice.below(other.length + 1))]);
      }
      default: // anything in between
        return Buffer.concat([before, this.#random(dice.below(8)), octets.subarray(at)]);
    }
  }
}
