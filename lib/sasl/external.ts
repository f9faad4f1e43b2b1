/**
 * EXTERNAL mechanism (RFC 4422 appendix A, RFC 3080 §4.1.3): uses identities already proven by TLS, which are given as
 * values.
 */

import { mayActAs } from './authorization.js';
import { failure, malformedMessage, utf8Of } from './fault.js';
import type { ClientMechanism, ServerMechanism, ServerStep, SessionConditions } from './mechanism.js';
import { sameAccount } from './name.js';
import type { ServerSettings } from './settings.js';

export class ExternalClient implements ClientMechanism {
  readonly name = 'EXTERNAL';
  readonly layer = undefined;
  readonly complete = true;
  readonly #authzid: string;

  /** @param authzid identity to act as; default: that of the certificate */
  constructor(authzid: string | undefined) {
    this.#authzid = authzid ?? '';
  }

  async initial(): Promise<Buffer> {
    return Buffer.from(this.#authzid, 'utf8');
  }

  async step(challenge: Buffer): Promise<Buffer> {
    if (challenge.length > 0) throw malformedMessage('EXTERNAL: no challenge is expected');
    return this.initial();
  }
}

export interface ExternalServerOptions extends Pick<ServerSettings, 'authorize'>, SessionConditions {}

export class ExternalServer implements ServerMechanism {
  readonly name = 'EXTERNAL';
  readonly clientFirst = true;
  readonly #options: ExternalServerOptions;

  constructor(options: ExternalServerOptions) {
    this.#options = options;
  }

  async step(octets: Buffer | undefined): Promise<ServerStep> {
    if (octets === undefined) return { type: 'challenge', data: Buffer.alloc(0) };
    const proven = this.#options.external ?? [];
    const [first] = proven;
    // RFC 3080 §4.1.3: without an active external service the mechanism fails.
    if (first === undefined)
      return failure(535, 'EXTERNAL needs a certificate that names you; none was shown under TLS');
    const text = utf8Of(octets, 'EXTERNAL: the identity');
    if (text.includes('\0')) throw malformedMessage('EXTERNAL: the identity contains a NUL');
    // Empty: derive the identity from the credentials.
    if (text === '') return this.#success(first, undefined);
    const account = proven.find((name) => sameAccount(name, text));
    if (account !== undefined) return this.#success(account, text);
    if (await mayActAs(this.#options, first, text)) return this.#success(first, text);
    return failure(537, 'the certificate does not name that identity');
  }

  #success(account: string, authzid: string | undefined): ServerStep {
    const authentication = {
      username: account,
      realm: undefined,
      authzid,
      account,
      mechanism: this.name,
      layer: undefined,
    };
    return { type: 'success', data: undefined, authentication };
  }
}
