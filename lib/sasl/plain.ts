/** PLAIN mechanism (RFC 4616): sends the password itself. Both sides require privacy. */

import { LocalError } from '../errors.js';
import { mayActAs, statedAuthzid } from './authorization.js';
import { decoyScram } from './decoy.js';
import { equalSecrets, failure, malformedMessage, notAccepted, utf8Of } from './fault.js';
import type { ClientMechanism, ServerMechanism, ServerStep } from './mechanism.js';
import { scramKeys } from './scram/computation.js';
import { prepared } from './scram/saslprep.js';
import type { ClientSettings, ServerSettings } from './settings.js';

export interface PlainClientOptions extends ClientSettings {
  readonly username: string;
  readonly password: () => string | Promise<string>;
}

export class PlainClient implements ClientMechanism {
  readonly name = 'PLAIN';
  readonly layer = undefined;
  /** The mechanism does not authenticate the server; TLS does. */
  readonly complete = true;
  readonly #options: PlainClientOptions;

  /** @throws LocalError SASL_NO_MECHANISM without privacy */
  constructor(options: PlainClientOptions) {
    if (!options.privacy) throw new LocalError('SASL_NO_MECHANISM', 'PLAIN is not used without TLS');
    this.#options = options;
  }

  async initial(): Promise<Buffer> {
    const { authzid = '', username, password } = this.#options;
    return Buffer.from(`${authzid}\0${username}\0${await password()}`, 'utf8');
  }

  async step(challenge: Buffer): Promise<Buffer> {
    // RFC 4422 §3: a server that ignored the initial response asks with an empty challenge.
    if (challenge.length > 0) throw malformedMessage('PLAIN: no challenge is expected');
    return this.initial();
  }
}

export interface PlainServerOptions extends ServerSettings {
  readonly privacy: boolean;
}

export class PlainServer implements ServerMechanism {
  readonly name = 'PLAIN';
  readonly clientFirst = true;
  readonly #options: PlainServerOptions;

  constructor(options: PlainServerOptions) {
    this.#options = options;
  }

  async step(octets: Buffer | undefined): Promise<ServerStep> {
    // RFC 3080 §8: 538, the mechanism requires encryption. A password sent all the same is not looked at.
    if (!this.#options.privacy) return failure(538, 'PLAIN needs TLS; start TLS first');
    if (octets === undefined || octets.length === 0) return { type: 'challenge', data: Buffer.alloc(0) };
    const [authzid = '', username = '', password = '', ...more] = utf8Of(octets, 'PLAIN: the message').split('\0');
    if (username === '' || password === '' || more.length > 0)
      throw malformedMessage('PLAIN: the message is malformed');
    return this.#verify(authzid, username, password);
  }

  async #verify(authzid: string, username: string, password: string): Promise<ServerStep> {
    const options = this.#options;
    const name = prepared(username);
    if (name === undefined || name === '' || prepared(password) === undefined) {
      throw malformedMessage('PLAIN: the message contains prohibited characters');
    }
    const verifier = await options.credentials.lookup(name, undefined);
    // Computed for unknown users too, so that the time does not reveal which users exist.
    const decoy = decoyScram(options.secret, name, options.scramIterations);
    const secret = verifier?.scramSha256 ?? decoy;
    const keys = await scramKeys(password, Buffer.from(secret.salt, 'base64'), secret.iterations);
    const fits = equalSecrets(keys.storedKey, Buffer.from(secret.storedKey, 'base64'));
    if (verifier === undefined) return notAccepted('unknown user');
    if (!fits) return notAccepted('wrong password');
    const stated = statedAuthzid(verifier.account, username, authzid);
    if (!(await mayActAs(options, verifier.account, stated))) {
      return failure(537, 'you may not act as that identity', `${verifier.account} may not act as the authzid`);
    }
    const { account } = verifier;
    const authentication = {
      username: name,
      realm: undefined,
      authzid: stated,
      account,
      mechanism: this.name,
      layer: undefined,
    };
    return { type: 'success', data: undefined, authentication };
  }
}
