/**
 * Refusal of a request by a service with a `reply`; thrown at the step that finds the reason. Never leaves the
 * services.
 */
import type { Reply } from '../errors.js';

export class Refusal extends Error {
  readonly reply: Reply;

  constructor(code: number, text: string) {
    super(text);
    this.name = 'Refusal';
    this.reply = { code, text };
  }
}
