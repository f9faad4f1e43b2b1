/**
 * Accounts that a file has named so far, with their lines: 20 octets for each instead of its name, in a table that is at
 * most half full, so that a million of them take 40 MB.
 */
import { hash } from 'node:crypto';

/** Words of a slot: four of a hash of the name, which no two names share, and the line; 0 if the slot is free. */
const WORDS = 5;
const LINE = 4;
const FIRST_SLOTS = 1024;

export class SeenAccounts {
  #slots = new Uint32Array(FIRST_SLOTS * WORDS);
  #count = 0;

  /**
   * Notes the line of an account.
   *
   * @returns the line on which the account was noted before; then it stays that one
   */
  note(account: string, line: number): number | undefined {
    const digest = hash('sha256', account, 'buffer');
    const key = [0, 4, 8, 12].map((at) => digest.readUInt32LE(at));
    const at = slotOf(this.#slots, key);
    const earlier = this.#slots[at + LINE];
    if (earlier !== 0) return earlier;
    this.#slots.set([...key, line], at);
    this.#count += 1;
    if (this.#count * 2 * WORDS > this.#slots.length) this.#grow();
    return undefined;
  }

  #grow(): void {
    const larger = new Uint32Array(this.#slots.length * 2);
    for (let at = 0; at < this.#slots.length; at += WORDS) {
      const slot = this.#slots.subarray(at, at + WORDS);
      if (slot[LINE] !== 0) larger.set(slot, slotOf(larger, slot));
    }
    this.#slots = larger;
  }
}

/** Where a key is, or would be. */
function slotOf(slots: Uint32Array, key: ArrayLike<number>): number {
  const count = slots.length / WORDS;
  for (let number = (key[0] ?? 0) % count; ; number = (number + 1) % count) {
    const at = number * WORDS;
    if (slots[at + LINE] === 0) return at;
    if (slots[at] === key[0] && slots[at + 1] === key[1] && slots[at + 2] === key[2] && slots[at + 3] === key[3])
      return at;
  }
}
