/**
 * An uninvolved session beside those of the checks, which shows whether other peers continue to be served;
 * authenticated if possible.
 */

import { askNone } from './checks/common.js';
import { Context, causeText, type Facts } from './context.js';
import { Blocked } from './finding.js';
import { DIGEST_MD5 } from './peer/documents.js';
import type { RawPeer } from './peer/peer.js';
import type { Target } from './target.js';
import { transcript } from './transcript.js';

/** Longest age of the session: unauthenticated sessions are not kept for ever. */
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

  /** Opens a session unless a recent one exists. @returns whether there is one now */
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

  /** Checks the uninvolved session. @returns what is wrong with it, or undefined */
  async trouble(): Promise<{ readonly text: string; readonly transcript: readonly string[] } | undefined> {
    const [context, peer] = [this.#context, this.#peer];
    if (context === undefined || peer === undefined) return undefined;
    try {
      await askNone(context, peer);
      return undefined;
    } catch (error) {
      const lines = transcript('an uninvolved session', peer.log);
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
