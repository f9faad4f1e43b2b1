/** The sessions of a node for its operator: lists them, and ends those of an identity or with a revoked certificate. */
import { X509Certificate } from 'node:crypto';
import { accountOf, addressOf } from '../imxp/address.js';
import { accountsOf } from '../imxp/identity.js';
import { identityOf } from '../mesh/identity.js';
import { events } from '../ops/events.js';
import type { SessionFacts } from '../ops/session-facts.js';
import { canonicalAccount } from '../sasl/name.js';
import type { Connection } from '../transport/connection.js';
import { certificateFields } from '../transport/tls/certificate.js';
import type { RevocationList } from '../transport/tls/revocation.js';
import type { TlsServiceOptions } from '../transport/tls/service.js';
import { certificatesIn } from './pem-certificates.js';

export interface SessionControlOptions {
  /** The sessions that exist, in groups. */
  connections(): readonly Iterable<Connection>[];
  /** What applications are attached as, by session. */
  attached(): ReadonlyMap<string, readonly string[]>;
}

/** Time for a peer to take its leave. */
const RELEASE_MS = 2000;

export class SessionControl {
  readonly #options: SessionControlOptions;

  constructor(options: SessionControlOptions) {
    this.#options = options;
  }

  list(): SessionFacts[] {
    const attached = this.#options.attached();
    return this.#connections().map((connection) => factsOf(connection, attached.get(connection.id) ?? []));
  }

  /**
   * Ends sessions in order; those who opened them may come back.
   *
   * @param whom id of a session, an address, `imxp=mesh@domain` or a domain for relays
   * @param reason for the log
   * @returns those that are ended
   */
  end(whom: string, reason: string): SessionFacts[] {
    const attached = this.#options.attached();
    const name = canonicalAccount(whom);
    const account = accountOf(name);
    const ended: SessionFacts[] = [];
    for (const connection of this.#connections()) {
      const held = attached.get(connection.id) ?? [];
      const known = accountsOf(identityOf(connection.identity));
      const meant =
        connection.id === whom ||
        known.includes(name) ||
        known.includes(account) ||
        held.includes(addressOf(whom)?.key ?? '');
      if (!meant) continue;
      ended.push(factsOf(connection, held));
      expel(connection, known[0] ?? '', reason, 'ended by the operator of this relay');
    }
    return ended;
  }

  /** Ends the sessions whose peer showed a certificate that has been revoked since. */
  endRevoked({ revocations, common }: TlsServiceOptions): void {
    if (revocations.length === 0) return;
    const authorities = common.authority === undefined ? [] : certificatesIn(common.authority);
    for (const connection of this.#connections()) {
      const certificate = connection.security?.peerCertificate;
      if (certificate === undefined || !isRevoked(certificate, revocations, authorities)) continue;
      const [name = ''] = accountsOf(identityOf(connection.identity));
      expel(connection, name, 'the certificate is revoked', 'your certificate is revoked');
    }
  }

  #connections(): Connection[] {
    return this.#options.connections().flatMap((some) => [...some].filter(({ ended }) => !ended));
  }
}

function expel(connection: Connection, account: string, reason: string, text: string): void {
  const { id: session, remote } = connection;
  events.expelled.publish({ session, remote: remote.address, account, reason });
  void connection.release(text, RELEASE_MS);
}

function factsOf(connection: Connection, attached: readonly string[]): SessionFacts {
  const { id: session, remote, role, identity, security } = connection;
  const { address, port } = remote;
  return {
    session,
    remote: `${address.includes(':') ? `[${address}]` : address}:${port}`,
    role,
    ...(identity === undefined ? {} : { identity: identity.name, mechanism: identity.mechanism }),
    ...(security === undefined ? {} : { tls: security.protocol }),
    channels: [...connection.channels].length,
    attached,
  };
}

/** A list counts when the authority that issued the certificate signed it, where that is known here. */
function isRevoked(
  certificate: Buffer,
  lists: readonly RevocationList[],
  authorities: readonly X509Certificate[],
): boolean {
  const { issuer, serial } = certificateFields(certificate);
  const leaf = new X509Certificate(certificate);
  const authority = authorities.find((one) => leaf.checkIssued(one));
  return lists.some(
    (list) => list.issuer.equals(issuer) && (authority === undefined || list.signedBy(authority)) && list.has(serial),
  );
}
