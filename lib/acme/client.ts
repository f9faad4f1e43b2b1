/**
 * Orders certificates from an ACME server (RFC 8555). The only file that knows `acme-client`, which is loaded when the
 * first certificate is ordered.
 */
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import type { Client } from 'acme-client';
import type { AcmeConfig } from '../config/acme.js';
import { readPasswordFile } from '../config/password-file.js';
import { LocalError } from '../errors.js';
import { whenAborted } from '../transport/abort.js';
import { withTimeLimit } from '../transport/deadline.js';
import type { ChallengeResponder, IssuedCertificate } from './challenge.js';

export interface CertificateOrder {
  readonly config: Pick<AcmeConfig, 'directory' | 'agree' | 'contact' | 'challenge' | 'authority' | 'externalAccount'>;
  /** PEM. */
  readonly accountKey: string;
  /** Host names to be in the certificate. */
  readonly names: readonly string[];
  /** Key of the certificate, PEM; a new one unless given. */
  readonly key?: string;
  /** Whether a new key must be an RSA key, for the cipher suites of the year 2000. */
  readonly rsa: boolean;
  readonly responder: ChallengeResponder;
  /** Gives the order up. */
  readonly signal: AbortSignal;
}

/** A server that does not answer a request has so long. */
const REQUEST_MS = 30_000;
/** An order as a whole, hooks that wait for the DNS included. */
const ORDER_MS = 30 * 60_000;
/** How often the server is asked whether it has validated, and how often at most. */
const POLL = { backoffMin: 1000, backoffMax: 30_000, backoffAttempts: 20 };

/** The library has one HTTP client for the process, so orders wait for each other. */
let turn: Promise<unknown> = Promise.resolve();

/** Makes the private key of an account or a certificate, PEM. */
export async function newAcmeKey(rsa = false): Promise<string> {
  const { crypto } = await import('acme-client');
  return (await (rsa ? crypto.createPrivateRsaKey(2048) : crypto.createPrivateEcdsaKey('P-256'))).toString();
}

/**
 * Orders a certificate: registers the account if the server does not know its key, proves the control of all names,
 * and obtains the certificate.
 *
 * @throws Error of the server or of the network, in words; LocalError CONFIGURATION for files; the signal's reason
 */
export function orderCertificate(order: CertificateOrder): Promise<IssuedCertificate> {
  const placed = turn.then(() => place(order));
  turn = placed.catch(() => {});
  return placed;
}

async function place(order: CertificateOrder): Promise<IssuedCertificate> {
  order.signal.throwIfAborted();
  const { authority } = order.config;
  const agent = new Agent(authority === undefined ? {} : { ca: await readFile(authority) });
  try {
    const obtained = obtain(order, agent);
    // An order that was given up ends by its own limits, and nobody waits for it.
    obtained.catch(() => {});
    return await withTimeLimit(ORDER_MS, (late) => unlessAborted(order.signal, unlessAborted(late, obtained)));
  } finally {
    agent.destroy();
  }
}

/** Waits for work until a signal is aborted, and rejects with its reason then. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const forget = whenAborted(signal, () => reject(signal.reason));
    work.finally(forget).then(resolve, reject);
  });
}

async function obtain(
  { config, accountKey, names, key: kept, rsa, responder }: CertificateOrder,
  agent: Agent,
): Promise<IssuedCertificate> {
  const acme = await import('acme-client');
  acme.axios.defaults.httpsAgent = agent;
  acme.axios.defaults.timeout = REQUEST_MS;
  const { externalAccount, contact, challenge: type } = config;
  const client = new acme.Client({
    directoryUrl: config.directory,
    accountKey,
    ...POLL,
    ...(externalAccount === undefined
      ? {}
      : {
          externalAccountBinding: {
            kid: externalAccount.keyId,
            hmacKey: await readPasswordFile(externalAccount.keyFile),
          },
        }),
  });
  const [key, csr] = await acme.crypto.createCsr({ altNames: [...names] }, kept ?? (await newAcmeKey(rsa)));
  await register(client, config.agree, contact);
  const certificate = await client.auto({
    csr,
    challengePriority: [type],
    // This machine may see other addresses of the domain than the authority does.
    skipChallengeVerification: true,
    challengeCreateFn: async (authorization, offered, keyAuthorization) => {
      const name = authorization.identifier.value;
      if (offered.type !== type)
        throw new LocalError('CONFIGURATION', `the authority does not offer ${type} for ${name}`);
      await responder.present({
        name,
        token: offered.token,
        keyAuthorization,
        certified: async () => {
          const [proofKey, proof] = await acme.crypto.createAlpnCertificate(
            authorization,
            keyAuthorization,
            await newAcmeKey(),
          );
          return { key: proofKey.toString(), certificate: proof.toString() };
        },
      });
    },
    challengeRemoveFn: async ({ identifier: { value: name } }, { token }, keyAuthorization) =>
      await responder.remove({ name, token, keyAuthorization }),
  });
  return { certificate, key: key.toString() };
}

/** Registers the account of the key, or finds it. */
async function register(client: Client, agreed: boolean, contact: string | undefined): Promise<void> {
  try {
    const contacts = contact === undefined ? {} : { contact: [`mailto:${contact}`] };
    await client.createAccount({ termsOfServiceAgreed: agreed, ...contacts });
  } catch (error) {
    // The library updates an account that it has found, and servers refuse an update that changes nothing.
    if (contact !== undefined || !isKnown(client)) throw error;
  }
}

function isKnown(client: Client): boolean {
  try {
    return client.getAccountUrl() !== '';
  } catch {
    return false;
  }
}
