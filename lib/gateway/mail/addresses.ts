/**
 * Mapping between addresses of the mesh and mail addresses: by domains that stand for each other, and by source-routed
 * names (`smtp=host/user@gateway`, RFC 3860 Appendix B.2). Local parts are the same on both sides. Pure.
 */
import { addressOf } from '../../imxp/address.js';
import { foreignAddress, parseForeignAddress } from '../../message/uri.js';

/** Two domains that stand for each other. */
interface DomainPair {
  readonly mesh: string;
  readonly mail: string;
}

export interface MailDomains {
  /** Mesh domains whose users have mail addresses. */
  readonly users: readonly DomainPair[];
  /** Mesh domains that stand for mail domains. */
  readonly domains: readonly DomainPair[];
  /** Mesh domain under which users of any mail domain have source-routed names. */
  readonly sourceRouted?: string | undefined;
}

/** RFC 5321 §4.5.3.1.1: of a local part. */
const LOCAL_OCTETS = 64;
const PROTOCOL = 'smtp';

export class MailAddresses {
  readonly #domains: MailDomains;

  constructor(domains: MailDomains) {
    this.#domains = domains;
  }

  /** The mesh domains that this gateway serves. */
  get served(): string[] {
    const { domains, sourceRouted } = this.#domains;
    return [...domains.map(({ mesh }) => mesh), ...(sourceRouted === undefined ? [] : [sourceRouted])];
  }

  /** Whether the configuration names a domain; only the users of others have source-routed names alone. */
  isListed(domain: string): boolean {
    const { users, domains } = this.#domains;
    return [...users, ...domains].some(({ mesh, mail }) => mail === domain || mesh === domain);
  }

  /** The mail address of somebody who uses mail. @param address in a mesh domain that this gateway serves */
  mailOfOutsider(address: string): string | undefined {
    const { domains, sourceRouted } = this.#domains;
    const parsed = addressOf(address);
    if (parsed === undefined || parsed.service) return undefined;
    if (parsed.domain !== sourceRouted) return moved(address, domains.find(({ mesh }) => mesh === parsed.domain)?.mail);
    const foreign = parseForeignAddress(parsed.key);
    if (foreign?.protocol !== PROTOCOL) return undefined;
    const mail = moved(`${foreign.user}@${foreign.host}`, foreign.host.toLowerCase());
    // Mail for users of the mesh would come back.
    return mail !== undefined && this.#isOutside(mail) ? mail : undefined;
  }

  /** The mesh address of somebody who uses mail. */
  outsider(mail: string): string | undefined {
    const { domains, sourceRouted } = this.#domains;
    const parsed = addressOf(mail);
    if (parsed === undefined || parsed.apexOnly || !this.#isOutside(mail)) return undefined;
    const pair = domains.find((one) => one.mail === parsed.domain);
    if (pair !== undefined) return moved(mail, pair.mesh);
    if (sourceRouted === undefined || parsed.service) return undefined;
    const address = foreignAddress({
      protocol: PROTOCOL,
      host: parsed.domain,
      user: parsed.local,
      gateway: sourceRouted,
    });
    return addressOf(address)?.key;
  }

  /** The mail address of a user of the mesh. */
  mailOfUser(address: string): string | undefined {
    const domain = addressOf(address)?.domain;
    return moved(address, this.#domains.users.find(({ mesh }) => mesh === domain)?.mail);
  }

  /** The user of the mesh whom a mail address stands for. */
  user(mail: string): string | undefined {
    const domain = addressOf(mail)?.domain;
    return moved(mail, this.#domains.users.find((pair) => pair.mail === domain)?.mesh);
  }

  #isOutside(mail: string): boolean {
    const domain = addressOf(mail)?.domain;
    return !this.#domains.users.some((pair) => pair.mail === domain);
  }
}

/** The same name in another domain; undefined for services, and for what one of the sides cannot name. */
function moved(address: string, domain: string | undefined): string | undefined {
  const parsed = addressOf(address);
  if (parsed === undefined || domain === undefined || parsed.service || parsed.apexOnly) return undefined;
  return parsed.local.length > LOCAL_OCTETS ? undefined : addressOf(`${parsed.local}@${domain}`)?.key;
}
