/** Client of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802 §3, RFC 7677). Requires the server to prove itself. */

import { randomBytes } from 'node:crypto';
import { LocalError, RemoteProtocolError } from '../../errors.js';
import { equalSecrets, malformedMessage } from '../fault.js';
import type { ClientMechanism } from '../mechanism.js';
import type { ClientSettings } from '../settings.js';
import { hmac, scramKeys, xor } from './computation.js';
import { encodeName, parseServerFinal, parseServerFirst } from './message.js';
import { prepared } from './saslprep.js';

/** RFC 7677 §4. Fewer would make the password easy to guess. */
export const LEAST_ITERATIONS = 4096;
/** About a second of one processor; more would allow denial of service. */
export const MOST_ITERATIONS = 2_000_000;

export interface ScramClientOptions extends ClientSettings {
  readonly username: string;
  readonly password: () => string | Promise<string>;
  /** Binds to the channel (the -PLUS variant) with the first of the binding types given. */
  readonly plus: boolean;
  /**
   * True when the server offers -PLUS as well; with bindings here and false, the client says that it could bind (`y`).
   */
  readonly plusOffered?: boolean;
  /** For tests: replaces the random client nonce. */
  readonly nonce?: string;
}

function preparedName(name: string, what: string): string {
  const text = prepared(name);
  if (text === undefined || text === '') throw new LocalError('ARGUMENT', `${what} cannot be used with SCRAM`);
  return encodeName(text);
}

export class ScramClient implements ClientMechanism {
  readonly name: 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS';
  readonly layer = undefined;
  readonly #options: ScramClientOptions;
  readonly #nonce: string;
  readonly #gs2Header: string;
  readonly #binding: Buffer;
  readonly #bare: string;
  #state: 'first' | 'final' | 'complete' = 'first';
  #expected: Buffer = Buffer.alloc(0);

  /** @throws LocalError ARGUMENT: a name is not usable, or -PLUS without channel bindings */
  constructor(options: ScramClientOptions) {
    this.#options = options;
    this.name = options.plus ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256';
    this.#nonce = options.nonce ?? randomBytes(18).toString('base64');
    const [binding] = options.channelBindings ?? [];
    if (options.plus && binding === undefined) throw new LocalError('ARGUMENT', 'there is no channel to bind to');
    // RFC 5802 §6: `y` lets the server notice that -PLUS was removed from its offer on the way.
    const without = binding !== undefined && options.plusOffered !== true ? 'y' : 'n';
    const flag = options.plus && binding !== undefined ? `p=${binding[0]}` : without;
    const authzid = options.authzid === undefined ? '' : `a=${preparedName(options.authzid, 'the authzid')}`;
    this.#gs2Header = `${flag},${authzid},`;
    this.#binding = options.plus && binding !== undefined ? binding[1] : Buffer.alloc(0);
    this.#bare = `n=${preparedName(options.username, 'the user name')},r=${this.#nonce}`;
  }

  get complete(): boolean {
    return this.#state === 'complete';
  }

  async initial(): Promise<Buffer> {
    return Buffer.from(this.#gs2Header + this.#bare, 'utf8');
  }

  async step(challenge: Buffer): Promise<Buffer> {
    if (this.#state === 'first') return this.#prove(challenge);
    if (this.#state === 'complete') throw malformedMessage('SCRAM: nothing more is expected');
    if (!equalSecrets(parseServerFinal(challenge), this.#expected)) {
      throw new RemoteProtocolError('SASL_SERVER_UNPROVEN', 'the SCRAM signature of the server is wrong');
    }
    this.#state = 'complete';
    return Buffer.alloc(0);
  }

  async #prove(challenge: Buffer): Promise<Buffer> {
    const first = parseServerFirst(challenge);
    if (!first.nonce.startsWith(this.#nonce) || first.nonce.length === this.#nonce.length) {
      throw malformedMessage('SCRAM: the nonce of the server does not begin with ours');
    }
    if (first.iterations < LEAST_ITERATIONS || first.iterations > MOST_ITERATIONS) {
      throw malformedMessage(`SCRAM: ${first.iterations} iterations are not acceptable`);
    }
    const keys = await scramKeys(await this.#options.password(), first.salt, first.iterations);
    const binding = Buffer.concat([Buffer.from(this.#gs2Header, 'utf8'), this.#binding]).toString('base64');
    const withoutProof = `c=${binding},r=${first.nonce}`;
    const authMessage = `${this.#bare},${challenge.toString('utf8')},${withoutProof}`;
    this.#expected = hmac(keys.serverKey, authMessage);
    this.#state = 'final';
    const proof = xor(keys.clientKey, hmac(keys.storedKey, authMessage));
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`, 'utf8');
  }
}
