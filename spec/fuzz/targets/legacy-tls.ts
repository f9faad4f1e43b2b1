/** Readers of the TLS handshake with DHE and DSS, on both sides, and of what goes between them. */
import { getDiffieHellman } from 'node:crypto';
import { agreeWith } from '../../../lib/transport/tls/diffie-hellman.js';
import { HandshakeFields, vector } from '../../../lib/transport/tls/handshake-fields.js';
import {
  dssOptions,
  HandshakeSide,
  handshakeBetween,
  type LegacyIdentities,
  legacyIdentities,
  type Role,
} from '../../support/legacy-handshakes.js';
import type { Dice } from '../../support/mutation.js';
import { inPieces, type Reader } from '../reader.js';

const ROLES: readonly Role[] = ['client', 'server'];
const RECORD_HEADER = 5;
/** Most of a record's octets that are replaced at a time. */
const REPLACED = 8;

/** Octets from a peer, to one side. @throws what the side failed with */
function takenBy(role: Role, identities: LegacyIdentities, octets: Buffer, dice: Dice): void {
  const one = new HandshakeSide(dssOptions(role, identities[role]));
  if (role === 'client') one.handshake.begin();
  inPieces(octets, dice, (piece) => one.take(piece));
  checked(one);
}

function checked({ side }: HandshakeSide): void {
  if (side.ends > 1) throw new Error('the handshake ended twice');
  if (side.error !== undefined) throw side.error;
}

/**
 * A whole handshake, in which one record is changed: the input says which, where, and to what. So the change comes late
 * enough to be reached, since what was recorded before fits no later handshake.
 */
function changedOnTheWay(identities: LegacyIdentities, input: Buffer): void {
  const [whose = 0, which = 0, high = 0, low = 0, ...rest] = input;
  const sides = handshakeBetween(identities, (record, from, index) => {
    if (from !== ROLES[whose % 2] || index !== which % 8) return record;
    const at = RECORD_HEADER + (((high << 8) | low) % Math.max(1, record.length - RECORD_HEADER));
    const count = Math.min(REPLACED, rest.length);
    // An even number keeps the length of the record, an odd one changes it.
    const after = record.subarray(at + (rest.length % 2 === 0 ? count : 0));
    const content = Buffer.concat([record.subarray(RECORD_HEADER, at), Buffer.from(rest.slice(0, REPLACED)), after]);
    return Buffer.concat([record.subarray(0, 3), vector(2, content)]);
  });
  for (const role of ROLES) {
    const { ends, error } = sides[role];
    if (ends > 1) throw new Error(`the ${role} ended twice`);
    if (error !== undefined) throw error;
  }
}

export async function legacyTlsReaders(): Promise<Reader[]> {
  const identities = await legacyIdentities();
  const { client, server } = handshakeBetween(identities);
  const group = getDiffieHellman('modp14');
  group.generateKeys();
  const params = [group.getPrime(), group.getGenerator(), group.getPublicKey()].map((value) => vector(2, value));
  return [
    {
      target: 'tls-dss',
      name: 'TLS with DSS: records of a client',
      seeds: [Buffer.concat(client.sent), ...client.sent],
      read: (octets, dice) => takenBy('server', identities, octets, dice),
    },
    {
      target: 'tls-dss',
      name: 'TLS with DSS: records of a server',
      seeds: [Buffer.concat(server.sent), ...server.sent],
      read: (octets, dice) => takenBy('client', identities, octets, dice),
    },
    {
      target: 'tls-dss',
      name: 'TLS with DSS: a record changed on the way',
      seeds: [0, 1].flatMap((whose) =>
        [0, 1, 2, 3, 4, 5].map((which) => Buffer.from([whose, which, 0, 4, 255, 255, 0, 1])),
      ),
      read: (octets) => changedOnTheWay(identities, octets),
    },
    {
      target: 'tls-dss',
      name: 'TLS with DSS: a Diffie-Hellman group',
      seeds: [Buffer.concat(params)],
      read: (octets) => {
        const fields = new HandshakeFields(octets);
        agreeWith({ prime: fields.opaque(2), generator: fields.opaque(2), value: fields.opaque(2) });
      },
    },
  ];
}
