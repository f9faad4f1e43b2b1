/**
 * Phase that a connection is in, and the time limit of each phase.
 *
 * ```
 *   connected ── greetings ──> ready ──(ready/proceed, or a SASL layer)──> tuning ──> a new session, greetings again
 *   (opening: tuning first)       │
 *                                 │ release asked or granted
 *                                 v
 *                             releasing ──> ended            (a fault ends it from anywhere, without a response)
 * ```
 */
import type { Limits } from '../config/limits.js';
import { type ImxpError, TransportError } from '../errors.js';

/** The connection, which ends when a phase takes too long. */
interface PhaseOwner {
  destroy(error: ImxpError): void;
}

export class ConnectionPhase {
  readonly #owner: PhaseOwner;
  readonly #limits: Pick<Limits, 'session' | 'data'>;
  #phase: 'greeting' | 'ready' | 'tuning' | 'releasing' | 'ended' = 'greeting';
  #timer: NodeJS.Timeout | undefined;
  /** When a release must be over, on the clock of `performance.now`. */
  #endBy = Number.POSITIVE_INFINITY;

  /** The time limit for the greeting starts now. */
  constructor(owner: PhaseOwner, limits: Pick<Limits, 'session' | 'data'>) {
    this.#owner = owner;
    this.#limits = limits;
    this.#limit(limits.session.greetingTimeoutMs, 'the peer sent no greeting');
  }

  get current(): 'greeting' | 'ready' | 'tuning' | 'releasing' | 'ended' {
    return this.#phase;
  }

  /** Milliseconds that are left of the time limit of a release. */
  get leftMs(): number {
    return this.#endBy - performance.now();
  }

  /** TLS or HTTP come before BEEP; the time limit for the greeting keeps running. */
  opening(): void {
    this.#phase = 'tuning';
  }

  /** The peer has greeted. */
  ready(): void {
    this.#clear();
    this.#phase = 'ready';
  }

  /** The transport is about to change, which takes time limits of its own. */
  tuning(): void {
    this.#clear();
    this.#phase = 'tuning';
  }

  /** A new session begins over the changed transport. @param greets whether it begins with greetings */
  renewed(greets: boolean): void {
    this.#phase = greets ? 'greeting' : 'ready';
    if (greets) this.#limit(this.#limits.session.greetingTimeoutMs, 'the peer sent no greeting after tuning');
  }

  /** This side asks for the release. @param limitMs how long it may take in all */
  releaseRequested(limitMs: number): void {
    this.#endBy = performance.now() + limitMs;
    const ms = Math.ceil(Math.min(this.#limits.session.closeTimeoutMs, limitMs));
    this.#limit(ms, 'the peer did not answer the release');
  }

  /** The peer has asked for the release, and is granted it once the answers under way have left: they end by time too. */
  releaseGranted(): void {
    this.#phase = 'releasing';
    const { data, session } = this.#limits;
    const ms = data.deliveryTimeoutMs + session.closeTimeoutMs;
    this.#limit(ms, 'the session that the peer is releasing did not end');
  }

  end(): void {
    this.#clear();
    this.#phase = 'ended';
  }

  #limit(ms: number, what: string): void {
    this.#clear();
    this.#timer = setTimeout(() => this.#owner.destroy(new TransportError('TIMED_OUT', `${what} within ${ms} ms`)), ms);
  }

  #clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
