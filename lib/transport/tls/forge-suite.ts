/**
 * Cipher suite of the year 2000 for node-forge's TLS, with native ciphers inside. The only file that changes node-forge's
 * global tables: they are shared by everything in this process that uses `forge.tls`, and this project uses it only for
 * what is set up here.
 */
import type Forge from 'node-forge';
import { forge } from './forge-library.js';
import { RecordOpener, RecordSealer } from './record-cipher.js';

const NAME = 'TLS_RSA_WITH_3DES_EDE_CBC_SHA';

interface SecurityParameters {
  readonly keys: Readonly<Record<string, string | undefined>>;
}

interface Half<Cipher> {
  cipherState: Cipher;
  cipherFunction(record: Forge.tls.Record, half: Half<Cipher>): boolean;
}

interface CipherHalves {
  readonly read: Half<RecordOpener>;
  readonly write: Half<RecordSealer>;
}

const suite = {
  id: [0x00, 0x0a] as [number, number],
  name: NAME,
  initSecurityParameters(parameters: object): void {
    Object.assign(parameters, {
      bulk_cipher_algorithm: forge.tls.BulkCipherAlgorithm.des3,
      cipher_type: forge.tls.CipherType.block,
      enc_key_length: 24,
      block_length: 8,
      fixed_iv_length: 8,
      record_iv_length: 8,
      mac_algorithm: forge.tls.MACAlgorithm.hmac_sha1,
      mac_length: 20,
      mac_key_length: 20,
    });
  },
  initConnectionState(state: CipherHalves, connection: Forge.tls.Connection, { keys }: SecurityParameters): void {
    const client = connection.entity === forge.tls.ConnectionEnd.client;
    const { minor } = connection.version;
    const side = (who: string) => ({
      minor,
      key: octets(keys[`${who}_write_key`]),
      macKey: octets(keys[`${who}_write_MAC_key`]),
      // Only TLS 1.0 takes the vector from the key material.
      ...(minor === 1 ? { iv: octets(keys[`${who}_write_IV`]) } : {}),
    });
    state.read.cipherState = new RecordOpener(side(client ? 'server' : 'client'));
    state.read.cipherFunction = open;
    state.write.cipherState = new RecordSealer(side(client ? 'client' : 'server'));
    state.write.cipherFunction = seal;
  },
};

/** RFC 7507: no suite but a word to the server; one that picks it is refused for lack of everything else. */
const fallback = { id: [0x56, 0x00] as [number, number], name: 'TLS_FALLBACK_SCSV' };

/** What a client offers. node-forge only reads the numbers. */
export const CLIENT_SUITES: Forge.tls.CipherSuite[] = [suite, fallback];

function open(record: Forge.tls.Record, half: Half<RecordOpener>): boolean {
  const content = half.cipherState.open(record.type, octets(record.fragment.getBytes()));
  if (content === undefined) return false;
  replace(record, content);
  return true;
}

function seal(record: Forge.tls.Record, half: Half<RecordSealer>): boolean {
  replace(record, half.cipherState.seal(record.type, octets(record.fragment.getBytes())));
  return true;
}

function replace(record: Forge.tls.Record, fragment: Buffer): void {
  record.fragment = forge.util.createBuffer(binary(fragment));
  record.length = fragment.length;
}

/** node-forge keeps octets in strings of as many characters. */
export function octets(binaryString: string | undefined): Buffer {
  return Buffer.from(binaryString ?? '', 'latin1');
}

export function binary(buffer: Buffer): string {
  return buffer.toString('latin1');
}

/** Puts the suite into node-forge's tables, alone. May be called often. */
export function installSuite(): void {
  const { CipherSuites, SupportedVersions } = forge.tls;
  if (CipherSuites[NAME] === suite) return;
  // A server picks from this table and does not look at a connection's own list, so AES has to go: peers with AES are
  // served by node:tls, which does it far better.
  for (const name of Object.keys(CipherSuites)) delete CipherSuites[name];
  CipherSuites[NAME] = suite;
  // A server's search begins with the second entry.
  const [first] = SupportedVersions;
  if (SupportedVersions.length === 2 && first !== undefined) SupportedVersions.unshift(first);
}

/** The ciphers of both directions, once the handshake is done. */
export function recordCiphers(
  connection: Forge.tls.Connection,
): { opener: RecordOpener; sealer: RecordSealer } | undefined {
  const halves: { read?: { cipherState?: unknown }; write?: { cipherState?: unknown } } = connection.state.current;
  const opener = halves.read?.cipherState;
  const sealer = halves.write?.cipherState;
  return opener instanceof RecordOpener && sealer instanceof RecordSealer ? { opener, sealer } : undefined;
}
