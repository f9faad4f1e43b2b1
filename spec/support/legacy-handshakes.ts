/** Both sides of a TLS handshake of the year 2000, joined in memory: what goes between them can be changed on the way. */
import { createPrivateKey } from 'node:crypto';
import { issue, periodOf } from '../../lib/certs/issue.js';
import type { ImxpError } from '../../lib/errors.js';
import { pemCertificates } from '../../lib/transport/tls/authorities.js';
import { DssHandshake } from '../../lib/transport/tls/dss-handshake.js';
import type { HandshakeOptions, HandshakeResult } from '../../lib/transport/tls/legacy-handshake.js';
import { RecordReader } from '../../lib/transport/tls/record.js';
import { TestAuthority, type TestCertificate } from './certificates.js';

export type Role = 'client' | 'server';

/** What a side came to, and the records it sent. */
export interface Side {
  readonly sent: Buffer[];
  result?: HandshakeResult;
  error?: ImxpError;
  /** How often it ended. */
  ends: number;
}

/** Called with each record on the way; returns what arrives instead. */
export type OnTheWay = (record: Buffer, from: Role, index: number) => Buffer;

/** A DSA certificate of a server, and an RSA certificate of a client. */
export interface LegacyIdentities {
  readonly server: Pick<TestCertificate, 'certificate' | 'key'>;
  readonly client: Pick<TestCertificate, 'certificate' | 'key'>;
}

export async function legacyIdentities(authority = new TestAuthority()): Promise<LegacyIdentities> {
  const server = await issue(authority, { kind: 'relay', domain: 'rubble.com', dsa: true }, periodOf(1));
  return { server, client: authority.issue({ mailboxes: ['imxp=mesh@example.com'] }) };
}

export function dssOptions(
  role: Role,
  { certificate, key }: LegacyIdentities[Role],
  more: Partial<HandshakeOptions> = {},
): HandshakeOptions {
  return {
    suite: 'TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA',
    role,
    certificates: pemCertificates(certificate),
    key: createPrivateKey(key),
    clientCertificate: 'request',
    serverName: 'rubble.com',
    verify: () => undefined,
    ...more,
  };
}

/** One side alone: what it is sent, it takes as from a stream. */
export class HandshakeSide {
  readonly side: Side = { sent: [], ends: 0 };
  readonly handshake: DssHandshake;
  readonly #reader = new RecordReader();

  /** @param send called with each record that it sends */
  constructor(options: HandshakeOptions, send: (record: Buffer) => void = () => {}) {
    const { side } = this;
    this.handshake = new DssHandshake(options, {
      write: (record) => {
        side.sent.push(record);
        send(record);
      },
      done: (result) => {
        side.result = result;
        side.ends += 1;
      },
      failed: (error) => {
        side.error = error;
        side.ends += 1;
      },
    });
  }

  take(octets: Buffer): void {
    if (this.side.ends > 0) return;
    try {
      this.#reader.read(octets, (type, minor, fragment) => this.handshake.record(type, minor, fragment));
    } catch (error) {
      this.handshake.fail(error);
    }
  }
}

/** Does a whole handshake. */
export function handshakeBetween(
  identities: LegacyIdentities,
  onTheWay: OnTheWay = (record) => record,
  more: Partial<HandshakeOptions> = {},
): Readonly<Record<Role, Side>> {
  const queue: { readonly to: Role; readonly octets: Buffer }[] = [];
  const sideOf = (role: Role): HandshakeSide => {
    const to = role === 'client' ? 'server' : 'client';
    let index = 0;
    return new HandshakeSide(dssOptions(role, identities[role], more), (record) => {
      queue.push({ to, octets: onTheWay(record, role, index) });
      index += 1;
    });
  };
  const sides = { client: sideOf('client'), server: sideOf('server') };
  sides.client.handshake.begin();
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) sides[next.to].take(next.octets);
  return { client: sides.client.side, server: sides.server.side };
}
