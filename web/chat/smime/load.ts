/** S/MIME of one account, loaded when it is needed first: signs and encrypts what is sent, opens what has come. */
import type { Content } from '../../../lib/imxp/content.js';
import { readCertificates } from '../../../lib/message/smime/certificate.js';
import type { MadeEntity } from '../../../lib/message/smime/entity.js';
import { SMIME_LIMITS } from '../../../lib/message/smime/fault.js';
import type { SmimeIdentity } from '../../../lib/message/smime/identity.js';
import { KNOWN_LIMITS, type KnownCertificates } from '../../../lib/message/smime/known-certificates.js';
import { Protection, type Sealing } from '../../../lib/message/smime/protection.js';
import { Trust } from '../../../lib/message/smime/trust.js';
import { runLater } from '../../../lib/message/smime/work.js';
import { entityType } from '../../../lib/mime/entity.js';
import type { PageSecurity } from '../../secure.js';
import { type Identity, identityOf, keepKnown, knownTo } from '../certificates.js';
import { privateKey } from './keys.js';

/** What the account has learnt. It is read once, and written as it grows. */
class LearntCertificates implements KnownCertificates {
  readonly #account: string;
  readonly #known: Map<string, string[]>;
  #writing: Promise<void> = Promise.resolve();

  constructor(account: string, known: Map<string, string[]>) {
    this.#account = account;
    this.#known = known;
  }

  find(address: string): readonly string[] {
    return this.#known.get(address) ?? [];
  }

  learn(address: string, certificate: string): boolean {
    const domain = domainOf(address);
    const all = [...this.#known].flatMap(([other, some]) => some.map(() => domainOf(other)));
    if (all.length >= KNOWN_LIMITS.certificates) return false;
    if (all.filter((other) => other === domain).length >= KNOWN_LIMITS.perDomain) return false;
    this.#known.set(address, [...this.find(address), certificate]);
    this.#writing = this.#writing.then(() => keepKnown(this.#account, address, certificate));
    return true;
  }

  /** Resolves when all that was learnt is on disk. */
  async written(): Promise<void> {
    const writing = this.#writing;
    this.#writing = Promise.resolve();
    await writing;
  }
}

class Smime implements PageSecurity {
  readonly #protection: Protection;
  readonly #known: LearntCertificates;

  constructor(known: LearntCertificates, own: SmimeIdentity | undefined) {
    this.#known = known;
    this.#protection = new Protection({
      own,
      known,
      // Nobody names authorities or certificates of others in a page: signers are trusted on first use.
      trust: new Trust(),
      find: () => undefined,
      version: '4.0',
      freshMs: undefined,
      replays: undefined,
      limits: SMIME_LIMITS,
      now: () => new Date(),
    });
  }

  seal(entity: MadeEntity, sealing: Sealing): Promise<MadeEntity> {
    return runLater(this.#protection.seal(entity, sealing));
  }

  async open(content: Content, originator: string, recipients: readonly string[]) {
    if (content.kind !== 'part') return { content, signed: undefined, encrypted: false };
    const { entity, signed, encrypted } = await runLater(this.#protection.open(content, originator, recipients));
    await this.#known.written();
    if (entity === content) return { content, signed, encrypted };
    const { headers, body } = entity;
    const inner: Content = { kind: 'part', headers, type: entityType(headers).media.type, body };
    return { content: inner, signed, encrypted };
  }

  forget(content: Content): void {
    if (content.kind === 'part') this.#protection.forget(content);
  }
}

/** @throws Error when the browser's storage cannot be read */
export async function loadSmime(account: string): Promise<PageSecurity> {
  const identity = await identityOf(account);
  return new Smime(new LearntCertificates(account, await knownTo(account)), identity && smimeIdentity(identity));
}

function smimeIdentity({ chain, key }: Identity): SmimeIdentity | undefined {
  const [own, ...others] = readCertificates(chain.join('\n'));
  return own === undefined ? undefined : { chain: [own, ...others], key: privateKey(key) };
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}
