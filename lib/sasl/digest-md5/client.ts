/**
 * Client of DIGEST-MD5 (RFC 2831 §2.1, §2.2): answers a challenge with the strongest protection that both accept, and
 * requires the server to prove itself.
 */

import { randomBytes } from 'node:crypto';
import { QOPS, type Qop } from '../../config/sasl-names.js';
import { LocalError, RemoteProtocolError } from '../../errors.js';
import { equalSecrets, malformedMessage } from '../fault.js';
import type { ClientMechanism, SecurityLayer } from '../mechanism.js';
import { CIPHERS, type Cipher, type ClientSettings, DEFAULT_CIPHERS, DEFAULT_MAXBUF } from '../settings.js';
import { latin1Of, userSecret } from './charset.js';
import { responseValue, serverProof, sessionKey } from './computation.js';
import { DigestLayer } from './layer.js';
import {
  type Challenge,
  formatResponse,
  isServerProof,
  parseChallenge,
  parseServerProof,
  type Response,
} from './message.js';

/**
 * State that a client may keep for authentication without a challenge (RFC 2831 §2.2.1). As sensitive as a password.
 */
export interface DigestMemory {
  readonly response: Omit<Response, 'response' | 'nc'>;
  readonly key: Buffer;
  nc: number;
}

export interface DigestClientOptions extends ClientSettings {
  readonly username: string;
  readonly password: () => string | Promise<string>;
  /** From an earlier success with the same server: tried first. */
  readonly memory?: DigestMemory;
  /** For tests: replaces the random cnonce. */
  readonly cnonce?: string;
}

function octetsOf(text: string, utf8: boolean, what: string): string {
  const octets = utf8 ? Buffer.from(text, 'utf8') : latin1Of(text);
  if (octets === undefined) throw new LocalError('ARGUMENT', `the server does not accept UTF-8, which ${what} needs`);
  return octets.toString('latin1');
}

function nonceCount(nc: number): string {
  return nc.toString(16).padStart(8, '0');
}

/** RFC 2831 §2.1.2: serv-name only when the service is replicated and it differs from the host. */
export function digestUri(host: string, service: string | undefined): string {
  const replicated = service !== undefined && service.toLowerCase() !== host.toLowerCase();
  return replicated ? `beep/${host}/${service}` : `beep/${host}`;
}

export class DigestMd5Client implements ClientMechanism {
  readonly name = 'DIGEST-MD5';
  readonly #options: DigestClientOptions;
  #sent: { readonly memory: DigestMemory; readonly subsequent: boolean } | undefined;
  #proven = false;
  #layer: SecurityLayer | undefined;

  constructor(options: DigestClientOptions) {
    this.#options = options;
  }

  get complete(): boolean {
    return this.#proven;
  }

  get layer(): SecurityLayer | undefined {
    return this.#proven ? this.#layer : undefined;
  }

  /** After success with qop `auth`: pass it to the next client for the same server. */
  get memory(): DigestMemory | undefined {
    // A layer's keys depend on nonce and cnonce only: coming back with them would encrypt twice with the same stream.
    return this.#proven && this.#sent?.memory.response.qop === 'auth' ? this.#sent.memory : undefined;
  }

  async initial(): Promise<Buffer | undefined> {
    const { memory } = this.#options;
    if (memory === undefined) return undefined;
    memory.nc += 1;
    this.#sent = { memory, subsequent: true };
    return this.#respond(memory);
  }

  async step(challenge: Buffer): Promise<Buffer> {
    if (this.#sent !== undefined && isServerProof(challenge)) return this.#verify(challenge, this.#sent.memory);
    // RFC 2831 §2.2.2: a refused subsequent authentication continues as an initial one; anything else is out of order.
    if (this.#sent !== undefined && !this.#sent.subsequent) throw malformedMessage('DIGEST-MD5: rspauth is expected');
    const parsed = parseChallenge(challenge);
    const memory = await this.#prepare(parsed);
    this.#sent = { memory, subsequent: false };
    return this.#respond(memory);
  }

  async #prepare(challenge: Challenge): Promise<DigestMemory> {
    const options = this.#options;
    const { qop, cipher } = this.#protection(challenge);
    const realm = this.#realm(challenge.realms);
    const secret = userSecret(options.username, realm ?? '', await options.password());
    const cnonce = options.cnonce ?? randomBytes(18).toString('base64');
    // authzid is UTF-8 whatever the charset (RFC 2831 §2.1.2).
    const authzid = options.authzid === undefined ? undefined : octetsOf(options.authzid, true, 'the authzid');
    const key = sessionKey(secret, challenge.nonce, cnonce, authzid);
    const maxbuf = options.maxbuf ?? DEFAULT_MAXBUF;
    if (qop !== 'auth') {
      const peerMaxbuf = challenge.maxbuf;
      this.#layer = new DigestLayer({
        role: 'client',
        sessionKey: key,
        qop,
        cipher,
        peerMaxbuf,
        maxbuf,
      });
    }
    const response = {
      username: octetsOf(options.username, challenge.utf8, 'the user name'),
      realm: realm === undefined ? undefined : octetsOf(realm, challenge.utf8, 'the realm'),
      nonce: challenge.nonce,
      cnonce,
      qop,
      digestUri: digestUri(options.host, options.service),
      maxbuf,
      utf8: challenge.utf8,
      cipher,
      authzid,
    };
    return { response, key, nc: 1 };
  }

  /**
   * RFC 2831 §3.6: a man in the middle can shorten the offer, so the strongest is chosen, and nothing that is not
   * acceptable.
   */
  #protection(challenge: Challenge): {
    readonly qop: Qop;
    readonly cipher: Cipher | undefined;
  } {
    // RFC 3080 §4.1: no security layer over TLS.
    const acceptable = this.#options.privacy ? (['auth'] satisfies Qop[]) : (this.#options.qops ?? ['auth']);
    const ciphers = this.#options.ciphers ?? DEFAULT_CIPHERS;
    const cipher = CIPHERS.find((each) => ciphers.includes(each) && challenge.ciphers.includes(each));
    for (const qop of [...QOPS].reverse()) {
      if (!acceptable.includes(qop) || !challenge.qops.includes(qop)) continue;
      if (qop !== 'auth-conf') return { qop, cipher: undefined };
      if (cipher !== undefined) return { qop, cipher };
    }
    throw malformedMessage('DIGEST-MD5: no acceptable protection is offered');
  }

  /** Ours if we have one; else that of the user name or the service if offered; else the server's first. */
  #realm(offered: readonly string[]): string | undefined {
    const { realm, username, service } = this.#options;
    if (realm !== undefined) return realm;
    const at = username.lastIndexOf('@');
    const domain = at < 0 ? undefined : username.slice(at + 1).toLowerCase();
    const match = (wanted: string | undefined) => offered.find((each) => each.toLowerCase() === wanted);
    return match(domain) ?? match(service?.toLowerCase()) ?? offered[0];
  }

  #respond(memory: DigestMemory): Buffer {
    const nc = nonceCount(memory.nc);
    const response = responseValue(memory.key, { ...memory.response, nc });
    return formatResponse({ ...memory.response, nc, response });
  }

  #verify(challenge: Buffer, memory: DigestMemory): Buffer {
    const proof = parseServerProof(challenge);
    const expected = serverProof(memory.key, {
      ...memory.response,
      nc: nonceCount(memory.nc),
    });
    if (!equalSecrets(Buffer.from(proof), Buffer.from(expected))) {
      throw new RemoteProtocolError('SASL_SERVER_UNPROVEN', 'the rspauth of the server is wrong');
    }
    this.#proven = true;
    return Buffer.alloc(0);
  }
}
