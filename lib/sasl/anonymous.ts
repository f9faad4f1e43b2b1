/** ANONYMOUS mechanism (RFC 4505): no identity, with an optional unproven trace. */

import { malformedMessage, utf8Of } from './fault.js';
import type { ClientMechanism, ServerMechanism, ServerStep } from './mechanism.js';

/** Characters a trace may have (RFC 4505 §2). */
const TRACE_LIMIT = 255;

export class AnonymousClient implements ClientMechanism {
  readonly name = 'ANONYMOUS';
  readonly layer = undefined;
  readonly complete = true;

  async initial(): Promise<Buffer> {
    return Buffer.alloc(0);
  }

  async step(challenge: Buffer): Promise<Buffer> {
    if (challenge.length > 0) throw malformedMessage('ANONYMOUS: no challenge is expected');
    return Buffer.alloc(0);
  }
}

export class AnonymousServer implements ServerMechanism {
  readonly name = 'ANONYMOUS';
  readonly clientFirst = true;

  async step(octets: Buffer | undefined): Promise<ServerStep> {
    if (octets === undefined) return { type: 'challenge', data: Buffer.alloc(0) };
    if ([...utf8Of(octets, 'ANONYMOUS: the trace')].length > TRACE_LIMIT)
      throw malformedMessage('ANONYMOUS: the trace is too long');
    const authentication = {
      // The trace is a claim without proof: it never becomes a name.
      username: 'anonymous',
      realm: undefined,
      authzid: undefined,
      account: undefined,
      mechanism: this.name,
      layer: undefined,
    };
    return { type: 'success', data: undefined, authentication };
  }
}
