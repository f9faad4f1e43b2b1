/**
 * Answers to the challenges of an ACME server: over HTTP (RFC 8555 §8.3), in the directory of a web server, over TLS
 * (RFC 8737), or in the DNS by a program of the operator (RFC 8555 §8.4).
 */
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { createSecureContext, createServer as createTlsServer, type SecureContext } from 'node:tls';
import { promisify } from 'node:util';
import type { AcmeConfig } from '../config/acme.js';
import { LocalError } from '../errors.js';
import { cannotListen } from '../transport/listen-fault.js';

/** A certificate with its chain, and its key; both PEM. */
export interface IssuedCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** What proves to the server that a name is controlled from here. */
export interface ChallengeProof {
  /** The host name. */
  readonly name: string;
  readonly token: string;
  /** For DNS its digest, as it is in the record. */
  readonly keyAuthorization: string;
}

/** Makes the certificate that the proof over TLS consists of. */
export interface CertifiableProof extends ChallengeProof {
  certified(): Promise<IssuedCertificate>;
}

/** Presents proofs while a certificate is ordered. */
export interface ChallengeResponder {
  /** @throws LocalError CONFIGURATION if the proof cannot be presented */
  present(proof: CertifiableProof): Promise<void>;
  remove(proof: ChallengeProof): Promise<void>;
  /** Ends it, whatever is presented. */
  close(): Promise<void>;
}

/**
 * Opens what presents the proofs.
 *
 * @param signal ends a program that has not yet added its record
 * @throws LocalError LISTEN_FAILED | CONFIGURATION
 */
export async function openResponder(config: AcmeConfig, signal: AbortSignal): Promise<ChallengeResponder> {
  const { challenge, listen, webroot, hook } = config;
  if (challenge === 'dns-01' && hook !== undefined) return new HookResponder(hook, signal);
  if (challenge === 'tls-alpn-01' && listen !== undefined) return await AlpnResponder.open(listen);
  if (webroot !== undefined) return new WebrootResponder(webroot);
  if (listen !== undefined) return await HttpResponder.open(listen);
  throw new LocalError('CONFIGURATION', 'tls.acme does not say how the challenges are answered');
}

type Place = NonNullable<AcmeConfig['listen']>;

const PATH = '/.well-known/acme-challenge/';
/** Tokens are of the base64url alphabet (RFC 8555 §8.1), so that none leads out of a directory. */
const TOKEN = /^[A-Za-z0-9_-]{1,256}$/;
/** A client that sends its request more slowly is not the authority. */
const REQUEST_MS = 10_000;
const CONNECTIONS = 100;

async function listening<S extends Server>(server: S, { host, port }: Place): Promise<S> {
  server.maxConnections = CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(cannotListen(host, port, cause, 'tls.acme.listen: ')));
    server.listen({ host, port, exclusive: true }, resolve);
  });
  // Clients that vanish are theirs to worry about.
  server.on('error', () => {});
  return server;
}

/** Answers `http-01` from a listener of its own. */
class HttpResponder implements ChallengeResponder {
  readonly #proofs = new Map<string, string>();
  readonly #server = createHttpServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS },
    (request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost');
      const proof = pathname.startsWith(PATH) ? this.#proofs.get(pathname.slice(PATH.length)) : undefined;
      const found = proof !== undefined && (request.method === 'GET' || request.method === 'HEAD');
      response.writeHead(found ? 200 : 404, { 'Content-Type': 'text/plain', Connection: 'close' });
      response.end(found ? proof : 'only ACME challenges are answered here\n');
    },
  );

  static async open(place: Place): Promise<HttpResponder> {
    const responder = new HttpResponder();
    await listening(responder.#server, place);
    return responder;
  }

  async present({ token, keyAuthorization }: ChallengeProof): Promise<void> {
    this.#proofs.set(token, keyAuthorization);
  }

  async remove({ token }: ChallengeProof): Promise<void> {
    this.#proofs.delete(token);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** Answers `http-01` through a web server that serves a directory. */
class WebrootResponder implements ChallengeResponder {
  readonly #directory: string;
  readonly #present = new Set<string>();

  constructor(webroot: string) {
    this.#directory = join(webroot, ...PATH.split('/').filter((part) => part !== ''));
  }

  async present({ token, keyAuthorization }: ChallengeProof): Promise<void> {
    if (!TOKEN.test(token)) throw new LocalError('CONFIGURATION', 'the authority sent a token that is no token');
    await mkdir(this.#directory, { recursive: true });
    const file = join(this.#directory, token);
    this.#present.add(file);
    // The web server runs as another user, and the proof is no secret.
    await writeFile(file, keyAuthorization, { mode: 0o644 });
  }

  async remove({ token }: ChallengeProof): Promise<void> {
    const file = join(this.#directory, token);
    if (this.#present.delete(file)) await rm(file, { force: true });
  }

  async close(): Promise<void> {
    for (const file of this.#present) await rm(file, { force: true });
  }
}

/** Answers `tls-alpn-01` (RFC 8737 §3) from a listener of its own. */
class AlpnResponder implements ChallengeResponder {
  readonly #contexts = new Map<string, SecureContext>();
  readonly #server = createTlsServer(
    {
      ALPNProtocols: ['acme-tls/1'],
      handshakeTimeout: REQUEST_MS,
      SNICallback: (name, found) => {
        const context = this.#contexts.get(name.toLowerCase());
        if (context === undefined) found(new Error('no challenge for this name'));
        else found(null, context);
      },
    },
    // The handshake is the proof.
    (socket) => socket.on('error', () => {}).destroy(),
  );

  static async open(place: Place): Promise<AlpnResponder> {
    const responder = new AlpnResponder();
    await listening(responder.#server, place);
    return responder;
  }

  async present({ name, certified }: CertifiableProof): Promise<void> {
    const { certificate: cert, key } = await certified();
    this.#contexts.set(name.toLowerCase(), createSecureContext({ cert, key }));
  }

  async remove({ name }: ChallengeProof): Promise<void> {
    this.#contexts.delete(name.toLowerCase());
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A program that waits until all name servers of the zone have the record needs time. */
const HOOK_MS = 10 * 60_000;
const HOOK_OUTPUT = 65_536;

/** Answers `dns-01` by a program that changes the DNS, called as `HOOK add|remove NAME VALUE`. */
class HookResponder implements ChallengeResponder {
  readonly #hook: string;
  readonly #signal: AbortSignal;
  readonly #present = new Map<string, readonly [name: string, value: string]>();

  constructor(hook: string, signal: AbortSignal) {
    this.#hook = hook;
    this.#signal = signal;
  }

  async present({ name, keyAuthorization }: ChallengeProof): Promise<void> {
    const record = [`_acme-challenge.${name}`, keyAuthorization] as const;
    this.#present.set(record.join(' '), record);
    await this.#run('add', record);
  }

  async remove({ name, keyAuthorization }: ChallengeProof): Promise<void> {
    const record = [`_acme-challenge.${name}`, keyAuthorization] as const;
    if (this.#present.delete(record.join(' '))) await this.#run('remove', record);
  }

  async close(): Promise<void> {
    for (const record of this.#present.values()) await this.#run('remove', record);
  }

  async #run(action: 'add' | 'remove', [name, value]: readonly [string, string]): Promise<void> {
    try {
      await promisify(execFile)(this.#hook, [action, name, value], {
        timeout: HOOK_MS,
        maxBuffer: HOOK_OUTPUT,
        // A record is removed even if nobody waits for the certificate any more.
        ...(action === 'add' ? { signal: this.#signal } : {}),
      });
    } catch (cause) {
      throw new LocalError('CONFIGURATION', `${this.#hook} ${action} ${name} failed: ${hookFailure(cause)}`, { cause });
    }
  }
}

/** The last line that the program wrote on standard error, else how it ended. */
function hookFailure(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const stderr = 'stderr' in cause ? String(cause.stderr) : '';
  const said = stderr.trim().split('\n').at(-1) ?? '';
  if (said !== '') return said;
  const { code, killed } = cause as { readonly code?: unknown; readonly killed?: unknown };
  if (killed === true) return `it did not end within ${HOOK_MS / 60_000} minutes`;
  return typeof code === 'number' ? `exit code ${code}` : cause.message;
}
