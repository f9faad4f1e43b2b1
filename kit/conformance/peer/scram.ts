/** The client side of SCRAM-SHA-256 (RFC 5802 §3, RFC 7677) without channel binding, by node:crypto only. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

/** The most iterations accepted; a server that asks for more is considered hostile. */
const MOST_ITERATIONS = 1_000_000;

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const fields = (text: string): Map<string, string> =>
  new Map(text.split(',').map((field): [string, string] => [field.slice(0, 1), field.slice(2)]));

export class RawScram {
  readonly #password: string;
  readonly #bare: string;
  readonly #nonce = randomBytes(18).toString('base64');
  /** What the server has to prove, after {@link answer}. */
  proof = '';

  constructor(username: string, password: string) {
    this.#password = password;
    this.#bare = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${this.#nonce}`;
  }

  /** The first message, which may come with the start of the channel. */
  get first(): string {
    return `n,,${this.#bare}`;
  }

  /** The answer to the server's first message. @throws Error when it is not one */
  answer(challenge: string): string {
    const given = fields(challenge);
    const [nonce = '', salt = '', count] = [given.get('r'), given.get('s'), Number(given.get('i'))];
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce) throw new Error('the nonce does not go on from ours');
    if (!(count >= 1 && count <= MOST_ITERATIONS)) throw new Error(`${given.get('i')} iterations`);
    const salted = pbkdf2Sync(this.#password, Buffer.from(salt, 'base64'), count, 32, 'sha256');
    const bare = `c=${Buffer.from('n,,').toString('base64')},r=${nonce}`;
    const signed = `${this.#bare},${challenge},${bare}`;
    const key = hmac(salted, 'Client Key');
    const signature = hmac(createHash('sha256').update(key).digest(), signed);
    const proof = Buffer.from(key.map((octet, index) => octet ^ (signature[index] ?? 0)));
    this.proof = `v=${hmac(hmac(salted, 'Server Key'), signed).toString('base64')}`;
    return `${bare},p=${proof.toString('base64')}`;
  }
}
