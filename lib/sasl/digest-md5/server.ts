/**
 * Server of DIGEST-MD5 (RFC 2831 §2.1, §2.2): sends the challenge, verifies the response against the given verifiers,
 * and proves itself in turn.
 */

import { randomBytes } from 'node:crypto';
import type { Qop } from '../../config/sasl-names.js';
import { mayActAs, statedAuthzid } from '../authorization.js';
import { decoyDigest } from '../decoy.js';
import { equalSecrets, failure, notAccepted } from '../fault.js';
import type { SecurityLayer, ServerMechanism, ServerStep } from '../mechanism.js';
import type { RememberedNonce } from '../nonce-cache.js';
import { type Cipher, DEFAULT_CIPHERS, DEFAULT_MAXBUF, type ServerSettings } from '../settings.js';
import type { Verifier } from '../verifier.js';
import { SECRET_VARIANTS } from './charset.js';
import { responseValue, serverProof, sessionKey } from './computation.js';
import { DigestLayer } from './layer.js';
import { decodeDirective, formatChallenge, formatServerProof, parseResponse, type Response } from './message.js';

export interface DigestServerOptions extends ServerSettings {
  /** True under TLS: no security layer is offered then (RFC 3080 §4.1). */
  readonly privacy: boolean;
  /** For tests: replaces the random nonce. */
  readonly nonce?: string;
}

export class DigestMd5Server implements ServerMechanism {
  readonly name = 'DIGEST-MD5';
  readonly clientFirst = false;
  readonly #options: DigestServerOptions;
  readonly #qops: readonly Qop[];
  readonly #ciphers: readonly Cipher[];
  readonly #maxbuf: number;
  /** The nonce of the challenge sent; `undefined` before it. */
  #nonce: string | undefined;

  constructor(options: DigestServerOptions) {
    this.#options = options;
    this.#ciphers = options.ciphers ?? DEFAULT_CIPHERS;
    this.#maxbuf = options.maxbuf ?? DEFAULT_MAXBUF;
    const qops = options.privacy ? (['auth'] satisfies Qop[]) : (options.qops ?? ['auth']);
    this.#qops = this.#ciphers.length > 0 ? qops : qops.filter((qop) => qop !== 'auth-conf');
  }

  async step(octets: Buffer | undefined): Promise<ServerStep> {
    if (this.#nonce !== undefined) return this.#finish(parseResponse(octets ?? Buffer.alloc(0)), this.#nonce);
    if (octets === undefined || octets.length === 0) return this.#challenge(false);
    return this.#resume(parseResponse(octets));
  }

  #challenge(stale: boolean): ServerStep {
    // RFC 2831 §2.1.1: different for every initial challenge; 144 bits are more than the 64 recommended.
    this.#nonce = this.#options.nonce ?? randomBytes(18).toString('base64');
    const data = formatChallenge({
      realms: this.#options.realms,
      nonce: this.#nonce,
      qops: this.#qops,
      stale,
      maxbuf: this.#maxbuf,
      utf8: true,
      ciphers: this.#ciphers,
    });
    return { type: 'challenge', data };
  }

  /** RFC 2831 §2.2.2: an initial response refers to an earlier exchange; whatever is not right gets a new challenge. */
  async #resume(response: Response): Promise<ServerStep> {
    const known = this.#options.nonces?.find(response.nonce);
    if (known === undefined || !continues(response, known)) return this.#challenge(true);
    const step = await this.#verify(response);
    if (step.type !== 'success') return this.#challenge(false);
    // Two sessions may race with the same count: the first to get here wins. An invalid response never counts.
    if (!continues(response, known)) return this.#challenge(true);
    known.nc += 1;
    return step;
  }

  async #finish(response: Response, nonce: string): Promise<ServerStep> {
    if (response.nonce !== nonce) return notAccepted('the nonce is not the one of the challenge');
    if (Number.parseInt(response.nc, 16) !== 1) return notAccepted('nc is not 00000001');
    const step = await this.#verify(response);
    if (step.type === 'success' && step.authentication.layer === undefined) this.#remember(response);
    return step;
  }

  #remember(response: Response): void {
    this.#options.nonces?.remember({
      username: response.username,
      realm: response.realm ?? '',
      nonce: response.nonce,
      cnonce: response.cnonce,
      nc: 1,
    });
  }

  async #verify(response: Response): Promise<ServerStep> {
    const offer = this.#checkOffer(response);
    if (offer !== undefined) return offer;
    const username = decodeDirective(response.username, response.utf8, 'the user name');
    const realm =
      response.realm === undefined ? undefined : decodeDirective(response.realm, response.utf8, 'the realm');
    const verifier = await this.#options.credentials.lookup(username, realm);
    const key = this.#provenKey(response, this.#candidates(verifier, username, realm ?? ''));
    if (verifier === undefined) return notAccepted('unknown user');
    if (key === undefined) return notAccepted('wrong password: the response does not match the verifier');
    return this.#accept(response, verifier, key, username, realm);
  }

  /** What is wrong with the choices of the client, none of which are secret. */
  #checkOffer(response: Response): ServerStep | undefined {
    if (response.realm === undefined && this.#options.realms.length > 0) {
      return failure(535, 'DIGEST-MD5: a realm was offered and must be answered');
    }
    if (!this.#qops.some((qop) => qop === response.qop.toLowerCase())) {
      return failure(535, 'DIGEST-MD5: the qop was not offered');
    }
    const wantsCipher = response.qop.toLowerCase() === 'auth-conf';
    if (wantsCipher && !this.#ciphers.some((cipher) => cipher === response.cipher)) {
      return failure(535, 'DIGEST-MD5: the cipher is missing or was not offered');
    }
    return this.#servesUri(response.digestUri)
      ? undefined
      : failure(535, 'DIGEST-MD5: the digest-uri names no service here');
  }

  /** RFC 2831 §2.1.2: a client that was led elsewhere hashed another URI, which is how the detour is noticed. */
  #servesUri(digestUri: string): boolean {
    const [type, host, service, ...more] = digestUri.toLowerCase().split('/');
    if (type !== 'beep' || host === undefined || host === '' || more.length > 0) return false;
    const { hosts, realms } = this.#options;
    if (hosts === undefined) return true;
    const named = (name: string) => (each: string) => each.toLowerCase() === name;
    if (service !== undefined && !realms.some(named(service))) return false;
    return hosts.some(named(host)) || realms.some(named(host));
  }

  /** Always the same number of secrets, so that the time does not reveal how many are real. */
  #candidates(verifier: Verifier | undefined, username: string, realm: string): readonly string[] {
    const entry = verifier?.digestMd5.find((each) => each.username === username && each.realm === realm);
    const hashes = [...(entry?.hashes ?? [])].slice(0, SECRET_VARIANTS);
    const decoy = decoyDigest(this.#options.secret, `${username}\0${realm}`);
    while (hashes.length < SECRET_VARIANTS) hashes.push(decoy);
    return hashes;
  }

  #provenKey(response: Response, hashes: readonly string[]): Buffer | undefined {
    const received = Buffer.from(response.response, 'latin1');
    let proven: Buffer | undefined;
    for (const hash of hashes) {
      const key = sessionKey(Buffer.from(hash, 'hex'), response.nonce, response.cnonce, response.authzid);
      const expected = Buffer.from(responseValue(key, response), 'latin1');
      if (equalSecrets(expected, received)) proven = key;
    }
    return proven;
  }

  async #accept(
    response: Response,
    verifier: Verifier,
    key: Buffer,
    username: string,
    realm: string | undefined,
  ): Promise<ServerStep> {
    const sent = response.authzid === undefined ? undefined : decodeDirective(response.authzid, true, 'the authzid');
    const authzid = statedAuthzid(verifier.account, username, sent);
    if (!(await mayActAs(this.#options, verifier.account, authzid))) {
      return failure(537, 'you may not act as that identity', `${verifier.account} may not act as the authzid`);
    }
    return {
      type: 'success',
      data: formatServerProof(serverProof(key, response)),
      authentication: {
        username,
        realm,
        authzid,
        account: verifier.account,
        mechanism: this.name,
        layer: this.#layer(response, key),
      },
    };
  }

  #layer(response: Response, key: Buffer): SecurityLayer | undefined {
    const qop = response.qop.toLowerCase();
    if (qop !== 'auth-int' && qop !== 'auth-conf') return undefined;
    const cipher = qop === 'auth-conf' ? this.#ciphers.find((each) => each === response.cipher) : undefined;
    return new DigestLayer({
      role: 'server',
      sessionKey: key,
      qop,
      cipher,
      peerMaxbuf: response.maxbuf,
      maxbuf: this.#maxbuf,
    });
  }
}

/** True when it continues the remembered exchange: same names and nonces, the next count, and no layer. */
function continues(response: Response, known: RememberedNonce): boolean {
  return (
    response.username === known.username &&
    (response.realm ?? '') === known.realm &&
    response.cnonce === known.cnonce &&
    // A layer with the keys of an earlier session would encrypt twice with the same stream.
    response.qop.toLowerCase() === 'auth' &&
    Number.parseInt(response.nc, 16) === known.nc + 1
  );
}
