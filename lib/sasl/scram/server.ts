/**
 * Server of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802 §3, RFC 7677). Verifies against the given verifiers; for
 * unknown users it takes the same steps with a decoy.
 */

import { randomBytes } from 'node:crypto';
import { mayActAs, statedAuthzid } from '../authorization.js';
import { decoyScram } from '../decoy.js';
import { equalSecrets, failure, malformedMessage, notAccepted } from '../fault.js';
import type { ServerMechanism, ServerStep, SessionConditions } from '../mechanism.js';
import type { ServerSettings } from '../settings.js';
import type { ScramSecret, Verifier } from '../verifier.js';
import { hash, hmac, SCRAM_KEY_OCTETS, xor } from './computation.js';
import { type ClientFirst, parseClientFinal, parseClientFirst } from './message.js';
import { prepared } from './saslprep.js';

export interface ScramServerOptions extends ServerSettings, SessionConditions {
  readonly plus: boolean;
  /** True when -PLUS was offered on this session. */
  readonly plusOffered: boolean;
  /** For tests: replaces the random server nonce. */
  readonly nonce?: string;
}

/** What must be kept between the two messages. */
interface Started {
  readonly first: ClientFirst;
  readonly username: string;
  readonly verifier: Verifier | undefined;
  readonly secret: ScramSecret;
  readonly nonce: string;
  readonly serverFirst: string;
}

export class ScramServer implements ServerMechanism {
  readonly name: 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS';
  readonly clientFirst = true;
  readonly #options: ScramServerOptions;
  #started: Started | undefined;

  constructor(options: ScramServerOptions) {
    this.#options = options;
    this.name = options.plus ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256';
  }

  async step(octets: Buffer | undefined): Promise<ServerStep> {
    if (this.#started !== undefined) return this.#finish(octets ?? Buffer.alloc(0), this.#started);
    // RFC 4422 §3: a client without an initial response is given an empty challenge.
    if (octets === undefined || octets.length === 0) return { type: 'challenge', data: Buffer.alloc(0) };
    return this.#start(parseClientFirst(octets));
  }

  async #start(first: ClientFirst): Promise<ServerStep> {
    const refusal = this.#checkBinding(first);
    if (refusal !== undefined) return refusal;
    const username = prepared(first.username);
    if (username === undefined || username === '')
      throw malformedMessage('SCRAM: the user name contains prohibited characters');
    const options = this.#options;
    const verifier = await options.credentials.lookup(username, undefined);
    // Computed for unknown users too, so that the time does not reveal which users exist.
    const decoy = decoyScram(options.secret, username, options.scramIterations);
    const secret = verifier?.scramSha256 ?? decoy;
    const nonce = first.nonce + (options.nonce ?? randomBytes(18).toString('base64'));
    const serverFirst = `r=${nonce},s=${secret.salt},i=${secret.iterations}`;
    this.#started = { first, username, verifier, secret, nonce, serverFirst };
    return { type: 'challenge', data: Buffer.from(serverFirst, 'utf8') };
  }

  #checkBinding({ binding }: ClientFirst): ServerStep | undefined {
    const { plus, plusOffered, channelBindings } = this.#options;
    if (typeof binding === 'object') {
      if (!plus) return failure(535, 'SCRAM: channel binding belongs to the -PLUS mechanism');
      return channelBindings?.has(binding.type)
        ? undefined
        : failure(535, 'SCRAM: the type of channel binding is not supported');
    }
    if (plus) return failure(535, 'SCRAM: the -PLUS mechanism needs channel binding');
    // RFC 5802 §6: the client believes that this side cannot bind, although it offered to: the offer was changed on the
    // way.
    if (binding === 'y' && plusOffered)
      return failure(535, 'SCRAM: channel binding was offered, but the offer did not reach you');
    return undefined;
  }

  #bindingOctets({ binding, gs2Header }: ClientFirst): Buffer {
    const data = typeof binding === 'object' ? this.#options.channelBindings?.get(binding.type) : undefined;
    return Buffer.concat([Buffer.from(gs2Header, 'utf8'), data ?? Buffer.alloc(0)]);
  }

  async #finish(octets: Buffer, started: Started): Promise<ServerStep> {
    const final = parseClientFinal(octets);
    if (final.nonce !== started.nonce) return notAccepted('the nonce is not the one of the challenge');
    if (!equalSecrets(final.binding, this.#bindingOctets(started.first))) {
      return failure(535, 'SCRAM: the channel binding does not match this connection');
    }
    if (final.proof.length !== SCRAM_KEY_OCTETS) throw malformedMessage('SCRAM: the proof has the wrong length');
    const authMessage = `${started.first.bare},${started.serverFirst},${final.withoutProof}`;
    const storedKey = Buffer.from(started.secret.storedKey, 'base64');
    const clientKey = xor(final.proof, hmac(storedKey, authMessage));
    const fits = equalSecrets(hash(clientKey), storedKey);
    if (started.verifier === undefined) return notAccepted('unknown user');
    if (!fits) return notAccepted('wrong password: the proof does not match the verifier');
    return this.#accept(started, started.verifier, authMessage);
  }

  async #accept(started: Started, verifier: Verifier, authMessage: string): Promise<ServerStep> {
    const authzid = statedAuthzid(verifier.account, started.username, started.first.authzid);
    if (!(await mayActAs(this.#options, verifier.account, authzid))) {
      return failure(537, 'you may not act as that identity', `${verifier.account} may not act as the authzid`);
    }
    const signature = hmac(Buffer.from(started.secret.serverKey, 'base64'), authMessage);
    return {
      type: 'success',
      data: Buffer.from(`v=${signature.toString('base64')}`, 'utf8'),
      authentication: {
        username: started.username,
        realm: undefined,
        authzid,
        account: verifier.account,
        mechanism: this.name,
        layer: undefined,
      },
    };
  }
}
