/**
 * Watch of the certificates that a node depends on: its own, the authorities it trusts, and those of neighbours with a
 * session. Warns from 30 days before the end of one, once a day, and at its end.
 */
import { X509Certificate } from 'node:crypto';
import { identityOf } from '../mesh/identity.js';
import type { Clock } from '../ops/clock.js';
import { events } from '../ops/events.js';
import type { CertificateStatus } from '../ops/status.js';
import type { Connection } from '../transport/connection.js';
import type { TlsServiceOptions } from '../transport/tls/service.js';
import type { RenewalFailure } from './certificate-renewal.js';
import { certificatesIn } from './pem-certificates.js';

export interface CertificateWatchOptions {
  readonly clock: Clock;
  /** The domains served here. */
  readonly domains: readonly string[];
  /** The sessions that exist, in groups. */
  connections(): readonly Iterable<Connection>[];
  /** Why the renewal of the certificate of a domain failed. */
  failureOf?(domain: string): RenewalFailure | undefined;
}

/** Warnings begin so many days before the end: time enough for an authority that people run. */
const WARNING_DAYS = 30;
const DAY_MS = 86_400_000;
/** Neighbours and clocks change: the end of a neighbour's certificate is noticed within this time. */
const LOOK_MS = 60_000;

type Known = Pick<CertificateStatus, 'holder' | 'name'> & {
  readonly notAfterMs: number;
};

export class CertificateWatch {
  readonly #options: CertificateWatchOptions;
  #own: readonly Known[] = [];
  /** When a warning about a certificate was published, and whether it had expired by then. */
  readonly #said = new Map<string, { readonly at: number; readonly expired: boolean }>();
  #cancel: () => void = () => {};

  constructor(options: CertificateWatchOptions, tls: TlsServiceOptions) {
    this.#options = options;
    this.replace(tls);
  }

  /** Takes the certificates of a new configuration. */
  replace({ common, domains }: TlsServiceOptions): void {
    const own = this.#options.domains.flatMap((name): Known[] => {
      const { certificate } = domains.get(name) ?? common;
      const [leaf] = certificate === undefined ? [] : certificatesIn(certificate);
      return leaf === undefined ? [] : [{ holder: 'own', name, notAfterMs: Date.parse(leaf.validTo) }];
    });
    const authorities = common.authority === undefined ? [] : certificatesIn(common.authority);
    const trusted = authorities.map(
      ({ subject, validTo }): Known => ({
        holder: 'authority',
        name: subject.replaceAll('\n', ', '),
        notAfterMs: Date.parse(validTo),
      }),
    );
    this.#own = [...own, ...trusted];
  }

  start(): void {
    const nowMs = this.#options.clock.wall();
    this.#look(nowMs);
    const ends = this.#own.map(({ notAfterMs }) => notAfterMs + 1 - nowMs).filter((ms) => ms > 0);
    this.#cancel = this.#options.clock.after(Math.min(LOOK_MS, ...ends), () => this.start());
  }

  stop(): void {
    this.#cancel();
  }

  /** All of them, those that end first come first. */
  status(nowMs: number = this.#options.clock.wall()): CertificateStatus[] {
    return [...this.#own, ...this.#neighbours()]
      .sort((a, b) => a.notAfterMs - b.notAfterMs)
      .map(({ holder, name, notAfterMs }) => {
        const notAfter = new Date(notAfterMs).toISOString();
        const failure = holder === 'own' ? this.#options.failureOf?.(name) : undefined;
        const days = Math.floor((notAfterMs - nowMs) / DAY_MS);
        const failed = failure === undefined ? {} : { failure: failure.reason, failures: failure.times };
        return { holder, name, notAfter, days, ...failed };
      });
  }

  /** Why the node cannot prove who it is; undefined while it can. */
  obstacle(nowMs: number = this.#options.clock.wall()): string | undefined {
    const ended = this.#own.find(({ holder, notAfterMs }) => holder === 'own' && notAfterMs < nowMs);
    return ended && `the certificate of ${ended.name} expired on ${new Date(ended.notAfterMs).toISOString()}`;
  }

  #look(nowMs: number): void {
    for (const certificate of this.status(nowMs)) {
      const { holder, name, notAfter, days } = certificate;
      if (days >= WARNING_DAYS) continue;
      const key = `${holder} ${name} ${notAfter}`;
      const said = this.#said.get(key);
      const expired = days < 0;
      if (said !== undefined && nowMs - said.at < DAY_MS && said.expired === expired) continue;
      this.#said.set(key, { at: nowMs, expired });
      events.certificate.publish(certificate);
    }
    for (const [key, { at }] of this.#said) if (nowMs - at > 2 * DAY_MS) this.#said.delete(key);
  }

  /** One for each domain: that which ends first. */
  #neighbours(): readonly Known[] {
    const found = new Map<string, Known>();
    for (const connection of this.#options.connections().flatMap((some) => [...some])) {
      const { peerCertificate } = connection.security ?? {};
      const identity = identityOf(connection.identity);
      if (connection.ended || peerCertificate === undefined || identity.kind !== 'relay') continue;
      const [name = ''] = identity.domains;
      const notAfterMs = Date.parse(new X509Certificate(peerCertificate).validTo);
      const known = found.get(name);
      if (known === undefined || notAfterMs < known.notAfterMs)
        found.set(name, { holder: 'neighbour', name, notAfterMs });
    }
    return [...found.values()];
  }
}
