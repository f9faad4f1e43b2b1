/**
 * Keys of TLS 1.0 and 1.1 for suites with 3DES and SHA-1: the pseudo-random function, the master secret, the keys of both
 * directions, and the Finished messages (RFC 2246 §5, §6.3, §7.4.9, §8.1).
 */
import { createHash, createHmac } from 'node:crypto';
import { HandshakeFields } from './handshake-fields.js';
import { RecordOpener, RecordSealer } from './record-cipher.js';

const MASTER_OCTETS = 48;
const [MAC_OCTETS, KEY_OCTETS, IV_OCTETS] = [20, 24, 8];
const FINISHED_OCTETS = 12;

export interface LegacyKeys {
  readonly opener: RecordOpener;
  readonly sealer: RecordSealer;
  readonly master: Buffer;
}

/** What keys are made of. */
export interface KeySource {
  readonly role: 'server' | 'client';
  /** 1 is TLS 1.0, 2 is TLS 1.1. */
  readonly minor: number;
  readonly secret: Buffer;
  readonly clientRandom: Buffer;
  readonly serverRandom: Buffer;
}

export function keysFrom({ role, minor, secret, clientRandom, serverRandom }: KeySource): LegacyKeys {
  const master = prf(secret, 'master secret', [clientRandom, serverRandom], MASTER_OCTETS);
  const length = 2 * (MAC_OCTETS + KEY_OCTETS + IV_OCTETS);
  const block = new HandshakeFields(prf(master, 'key expansion', [serverRandom, clientRandom], length));
  const [clientMac, serverMac] = [block.take(MAC_OCTETS), block.take(MAC_OCTETS)];
  const [clientKey, serverKey] = [block.take(KEY_OCTETS), block.take(KEY_OCTETS)];
  // Only TLS 1.0 takes the vector from the key material.
  const [clientIv, serverIv] = minor === 1 ? [block.take(IV_OCTETS), block.take(IV_OCTETS)] : [];
  const client = { minor, macKey: clientMac, key: clientKey, ...(clientIv === undefined ? {} : { iv: clientIv }) };
  const server = { minor, macKey: serverMac, key: serverKey, ...(serverIv === undefined ? {} : { iv: serverIv }) };
  const [own, peer] = role === 'server' ? [server, client] : [client, server];
  return { opener: new RecordOpener(peer), sealer: new RecordSealer(own), master };
}

/** What a Finished message has to contain, by all messages before it. */
export function verifyData(master: Buffer, role: 'server' | 'client', said: Buffer): Buffer {
  return prf(master, `${role} finished`, [transcriptDigests(said)], FINISHED_OCTETS);
}

/** MD5 and SHA-1 of all messages so far (RFC 2246 §7.4.8, §7.4.9). */
export function transcriptDigests(said: Buffer): Buffer {
  return Buffer.concat([createHash('md5').update(said).digest(), createHash('sha1').update(said).digest()]);
}

/** RFC 2246 §5: MD5 with one half of the secret, SHA-1 with the other, which share the middle octet. */
function prf(secret: Buffer, label: string, seeds: readonly Buffer[], length: number): Buffer {
  const half = Math.ceil(secret.length / 2);
  const seed = Buffer.concat([Buffer.from(label), ...seeds]);
  const one = expanded('md5', secret.subarray(0, half), seed, length);
  const other = expanded('sha1', secret.subarray(secret.length - half), seed, length);
  return Buffer.from(one.map((octet, at) => octet ^ (other[at] ?? 0)));
}

function expanded(digest: 'md5' | 'sha1', secret: Buffer, seed: Buffer, length: number): Buffer {
  const blocks: Buffer[] = [];
  let [a, have] = [seed, 0];
  while (have < length) {
    a = createHmac(digest, secret).update(a).digest();
    const block = createHmac(digest, secret).update(a).update(seed).digest();
    blocks.push(block);
    have += block.length;
  }
  return Buffer.concat(blocks).subarray(0, length);
}
