/**
 * Renewal of the certificates that the node obtains by ACME: orders those that are missing, temporary, for other names
 * or near their end, one after another, and tries again later what failed. Sessions are not its business: it reports
 * when there is something new to read.
 */
import { openResponder } from '../acme/challenge.js';
import { orderCertificate } from '../acme/client.js';
import { AcmeFiles, type StoredCertificate } from '../acme/files.js';
import { acmeNames, acmePath } from '../config/acme.js';
import type { NodeConfig } from '../config/schema.js';
import type { Clock } from '../ops/clock.js';
import { events } from '../ops/events.js';
import { Backoff } from '../transport/backoff.js';
import { certificateNames } from '../transport/tls/certificate.js';

export interface CertificateRenewalOptions {
  readonly clock: Clock;
  /** Called after a certificate was issued and stored. */
  issued(): Promise<void>;
}

const DAY_MS = 86_400_000;
/** The clock may be set, and no timer is exact over months. */
const LOOK_MS = 3_600_000;
/** Relays of the same age do not all come at once. */
const MOST_JITTER_MS = DAY_MS / 2;
/** Authorities count failed orders: Let's Encrypt allows five in an hour. */
const AGAIN = { firstMs: 10 * 60_000, longestMs: DAY_MS / 2 };

/** Orders of a certificate that failed one after another. */
export interface RenewalFailure {
  readonly reason: string;
  readonly times: number;
}

/** One domain with a certificate by ACME. */
interface Renewed {
  readonly backoff: Backoff;
  /** Which part of the greatest jitter applies to it. */
  readonly jitter: number;
  /** Why the last order failed, and how many have since one did not. */
  failure: RenewalFailure | undefined;
  /** No order before this time on the monotonic clock. */
  notBefore: number;
  /** Whether there is a certificate that was issued, as far as is known. */
  issued: boolean;
}

interface Surveyed {
  readonly files: AcmeFiles;
  /** The names to be in the certificate, the domain first. */
  readonly names: readonly string[];
  readonly renewed: Renewed;
  /** Milliseconds since 1970. */
  readonly dueMs: number;
}

/**
 * When a certificate is to be renewed, milliseconds since 1970.
 *
 * @param jitter from 0 to 1
 */
export function renewalTime(leaf: StoredCertificate['leaf'], renewDays: number, jitter: number): number {
  const end = Date.parse(leaf.validTo);
  const validity = validityMs(leaf);
  const early = Math.min(renewDays * DAY_MS, validity / 3);
  return end - early - jitter * Math.min(MOST_JITTER_MS, validity / 30);
}

function validityMs({ validFrom, validTo }: StoredCertificate['leaf']): number {
  return Date.parse(validTo) - Date.parse(validFrom);
}

export class CertificateRenewal {
  readonly #options: CertificateRenewalOptions;
  #config: NodeConfig;
  readonly #domains = new Map<string, Renewed>();
  readonly #stopped = new AbortController();
  /** The present round. */
  #round: Promise<void> | undefined;
  /** Something changed during the round. */
  #again = false;
  #cancel: () => void = () => {};

  constructor(config: NodeConfig, options: CertificateRenewalOptions) {
    this.#options = options;
    this.#config = config;
  }

  /** Looks which certificates there are, and begins to order those that are due; does not wait for them. */
  async start(): Promise<void> {
    await this.#survey();
    this.#look();
  }

  /** Takes a new configuration, and tries at once what failed before: the operator may have mended it. */
  replace(config: NodeConfig): void {
    this.#config = config;
    for (const renewed of this.#domains.values()) renewed.notBefore = 0;
    this.#look();
  }

  /** Gives up an order that is open, and waits until its listener is closed. */
  async stop(): Promise<void> {
    this.#cancel();
    this.#stopped.abort(new Error('the relay is shutting down'));
    await this.#round;
  }

  /** Why the last order of a certificate for the domain failed; undefined if it did not. */
  failureOf(domain: string): RenewalFailure | undefined {
    return this.#domains.get(domain)?.failure;
  }

  /** Why the node cannot prove who it is; undefined while it can. */
  obstacle(): string | undefined {
    for (const [domain, { issued, failure }] of this.#domains) {
      if (issued) continue;
      const why = failure === undefined ? 'it is being ordered' : failure.reason;
      return `no certificate has been issued for ${domain} yet: ${why}`;
    }
    return undefined;
  }

  #look(): void {
    if (this.#round !== undefined) {
      this.#again = true;
      return;
    }
    this.#cancel();
    this.#again = false;
    this.#round = this.#orderDue()
      .catch((error: unknown) => {
        events.fault.publish({ session: 'certificate renewal', error });
        return LOOK_MS;
      })
      .then((waitMs) => {
        this.#round = undefined;
        if (this.#stopped.signal.aborted) return;
        if (this.#again) this.#look();
        else this.#cancel = this.#options.clock.after(Math.min(waitMs, LOOK_MS), () => this.#look());
      });
  }

  /** @returns milliseconds until something will be due */
  async #orderDue(): Promise<number> {
    const config = this.#config;
    const { clock } = this.#options;
    let waitMs = LOOK_MS;
    for (const { files, names, renewed, dueMs } of await this.#survey()) {
      // There is another configuration by now, which is looked at next.
      if (this.#again) return 0;
      const untilMs = Math.max(dueMs - clock.wall(), renewed.notBefore - clock.now());
      if (untilMs <= 0) await this.#order(config, files, renewed, names);
      else waitMs = Math.min(waitMs, untilMs);
      if (this.#stopped.signal.aborted) return LOOK_MS;
      // What was ordered is looked at again, to see when it is next due.
      if (untilMs <= 0) waitMs = 0;
    }
    return waitMs;
  }

  /** Reads what there is, for each domain with a certificate by ACME. */
  async #survey(): Promise<readonly Surveyed[]> {
    const config = this.#config;
    const { acme } = config.tls;
    const path = acmePath(config);
    const wanted = acme === undefined || path === undefined ? new Map<string, readonly string[]>() : acmeNames(config);
    for (const domain of this.#domains.keys()) if (!wanted.has(domain)) this.#domains.delete(domain);
    if (acme === undefined || path === undefined) return [];
    const files = new AcmeFiles(path);
    await files.prepare(wanted.keys());
    const found: Surveyed[] = [];
    for (const [domain, names] of wanted) {
      const renewed = this.#renewed(domain);
      found.push({ files, names, renewed, dueMs: await this.#due(acme, files, renewed, names) });
    }
    return found;
  }

  #renewed(domain: string): Renewed {
    let renewed = this.#domains.get(domain);
    if (renewed === undefined) {
      renewed = {
        backoff: new Backoff(AGAIN),
        jitter: Math.random(),
        failure: undefined,
        notBefore: 0,
        issued: false,
      };
      this.#domains.set(domain, renewed);
    }
    return renewed;
  }

  /** When the certificate of a domain is to be ordered, milliseconds since 1970. */
  async #due(
    { directory, renewDays }: NonNullable<NodeConfig['tls']['acme']>,
    files: AcmeFiles,
    renewed: Renewed,
    names: readonly string[],
  ): Promise<number> {
    const [domain = ''] = names;
    const stored = await files.read(domain);
    renewed.issued = stored.directory !== undefined;
    const { domains } = certificateNames(stored.leaf);
    if (stored.directory !== directory || names.some((name) => !domains.includes(name))) return 0;
    return renewalTime(stored.leaf, renewDays, renewed.jitter);
  }

  async #order(config: NodeConfig, files: AcmeFiles, renewed: Renewed, names: readonly string[]): Promise<void> {
    const { acme, legacy } = config.tls;
    const [domain = ''] = names;
    const { signal } = this.#stopped;
    if (acme === undefined) return;
    try {
      const responder = await openResponder(acme, signal);
      try {
        const accountKey = await files.accountKey();
        const key = acme.keepKey ? await keyOf(files, domain) : undefined;
        const kept = key === undefined ? {} : { key };
        const order = { config: acme, accountKey, names, rsa: legacy, responder, signal, ...kept };
        const issued = await orderCertificate(order);
        await files.write(domain, acme.directory, issued);
      } finally {
        await responder.close();
      }
      const { leaf } = await files.read(domain);
      renewed.backoff.reset();
      // Clocks that differ by months must not lead to one order after another.
      renewed.notBefore = this.#options.clock.now() + Math.min(LOOK_MS, validityMs(leaf) / 3);
      renewed.failure = undefined;
      renewed.issued = true;
      await this.#options.issued();
      events.renewal.publish({ domain, state: 'issued', notAfter: new Date(leaf.validTo).toISOString() });
    } catch (error) {
      if (signal.aborted) return;
      await this.#failed(config, files, renewed, domain, error);
    }
  }

  async #failed(config: NodeConfig, files: AcmeFiles, renewed: Renewed, domain: string, error: unknown): Promise<void> {
    const reason = (error instanceof Error ? error.message : String(error)).trim();
    const againMs = renewed.backoff.next();
    const known = renewed.failure !== undefined && kindOf(renewed.failure.reason) === kindOf(reason);
    renewed.failure = { reason, times: (renewed.failure?.times ?? 0) + 1 };
    // What a new configuration has mended meanwhile is tried at once.
    renewed.notBefore = config === this.#config ? this.#options.clock.now() + againMs : 0;
    await files.fail(domain, reason);
    const again = new Date(this.#options.clock.wall() + againMs).toISOString();
    // The same failure is told once: a certificate near its end is warned about each day.
    events.renewal.publish({ domain, state: known ? 'failed again' : 'failed', reason, again });
  }
}

/** A reason without what is new in each order: tokens, and URLs with them. */
function kindOf(reason: string): string {
  return reason.replace(/https?:\/\/\S+|[\w-]{20,}/g, '…');
}

/** The key of the present certificate; undefined for a temporary one. */
async function keyOf(files: AcmeFiles, domain: string): Promise<string | undefined> {
  const { directory, key } = await files.read(domain);
  return directory === undefined ? undefined : key;
}
