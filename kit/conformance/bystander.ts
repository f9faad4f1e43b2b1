/**
 * A session beside those of the checks, to see whether others go on being served: authenticated where that is possible.
 * Knows no checks.
 */

import { askNone } from './checks/common.js';
import { Context, causeText, type Facts } from './context.js';
import { Blocked } from './finding.js';
import { DIGEST_MD5 } from './peer/documents.js';
import type { RawPeer } from './peer/peer.js';
import type { Target } from './target.js';
import { transcript } from './transcript.js';

/** Strangers are not kept for ever. */
const OLDEST_MS = 20_000;

export class Bystander {
  readonly #target: Target;
  readonly #facts: Facts;
  #context: Context | undefined;
  #peer: RawPeer | undefined;
  #since = 0;

  constructor(target: Target, facts: Facts) {
    this.#target = target;
    this.#facts = facts;
  }

  /** Makes a session if there is none that is fresh. Returns whether there is one now. */
  async ready(): Promise<boolean> {
    if (this.#peer?.alive === true && Date.now() - this.#since < OLDEST_MS) return true;
    await this.leave();
    const context = new Context(this.#target, this.#facts);
    this.#context = context;
    try {
      const known = this.#target.account !== undefined && context.offers(DIGEST_MD5);
      this.#peer = known ? await context.authenticated() : await context.session();
      this.#since = Date.now();
      return true;
    } catch (error) {
      if (error instanceof Blocked) return false;
      throw error;
    }
  }

  /** What is wrong with the session that had nothing to do with a fault. */
  async trouble(): Promise<{ readonly text: string; readonly transcript: readonly string[] } | undefined> {
    const [context, peer] = [this.#context, this.#peer];
    if (context === undefined || peer === undefined) return undefined;
    try {
      await askNone(context, peer);
      return undefined;
    } catch (error) {
      const lines = transcript('a session that had done nothing wrong', peer.log);
      await this.leave();
      return { text: causeText(error), transcript: lines };
    }
  }

  async leave(): Promise<void> {
    this.#peer = undefined;
    await this.#context?.leave();
    this.#context = undefined;
  }
}
