/**
 * Runs the checks one after another: their requirements, time limits, whether others are served meanwhile, and the
 * rules for all sessions. Prints nothing.
 */

import { connect } from 'node:net';
import { foreignService } from '../../lib/transport/foreign-service.js';
import { Bystander } from './bystander.js';
import { AREAS, areaOf, type Check, type Outcome, type Result } from './check.js';
import { ATTACH_CHECKS } from './checks/attach.js';
import { BIND_CHECKS } from './checks/bind.js';
import { CHANNEL_0_CHECKS } from './checks/channel-0.js';
import { DATA_CHECKS } from './checks/data.js';
import { ERROR_CHECKS } from './checks/errors.js';
import { FAULT_CHECKS, OTHERS_SERVED } from './checks/faults.js';
import { FRAME_RULES, FRAMING_CHECKS } from './checks/framing.js';
import { GREETING_CHECKS } from './checks/greeting.js';
import { SASL_CHECKS, SCRAM } from './checks/sasl.js';
import { TLS_CHECKS } from './checks/tls.js';
import { WINDOW_CHECKS } from './checks/windows.js';
import { Context, causeText, type Facts, noFacts } from './context.js';
import { Blocked, Finding, NotOffered, type Remark } from './finding.js';
import { DIGEST_MD5, GREETING, profilesIn, TLS } from './peer/documents.js';
import { frame } from './peer/frame.js';
import { within } from './peer/within.js';
import type { Need } from './target.js';
import { missing, type Target } from './target.js';
import { transcript } from './transcript.js';

export const CHECKS: readonly Check[] = [
  ...GREETING_CHECKS,
  ...FRAMING_CHECKS,
  ...FAULT_CHECKS,
  ...WINDOW_CHECKS,
  ...CHANNEL_0_CHECKS,
  ...TLS_CHECKS,
  ...SASL_CHECKS,
  ...ATTACH_CHECKS,
  ...BIND_CHECKS,
  ...DATA_CHECKS,
  ...ERROR_CHECKS,
];

/** Rules evaluated over all sessions after the checks. */
export const STANDING = [...FRAME_RULES, { rule: 'others', ...OTHERS_SERVED }] as const;

type Standing = (typeof STANDING)[number];

interface Broken {
  readonly text: string;
  /** The check in which it was first seen. */
  readonly during: string;
  readonly transcript: readonly string[];
}

/** First octets that tell a service. */
const SERVICE_OCTETS = 16;

/** Number of waits in a check; bounds its total time. */
const WAITS = 4;

/** Whether an area or check is selected; everything by default. */
export const selected = (id: string, only: readonly string[]): boolean =>
  only.length === 0 || only.includes(id) || only.includes(areaOf(id));

/** Whether a name is an area or a check. */
export const isSelectable = (name: string): boolean =>
  AREAS.some((area) => area === name) || [...CHECKS, ...STANDING].some(({ id }) => id === name);

export class Kit {
  readonly #target: Target;
  readonly #facts: Facts = noFacts();
  readonly #broken = new Map<string, Broken>();
  readonly #bystander: Bystander;
  #others = false;
  /** After which check nobody listened any more. */
  #diedAfter: string | undefined;
  /** The check before, of those that were not skipped. */
  #previous: string | undefined;

  constructor(target: Target) {
    this.#target = target;
    this.#bystander = new Bystander(target, this.#facts);
  }

  /** Determines what the listener offers. @throws Error when no connection can be made */
  async survey(): Promise<Facts> {
    const context = new Context(this.#target, this.#facts);
    try {
      await context.connect();
      const peer = await context.greeted();
      const { transport } = this.#target.location;
      this.#facts.clear = this.#profiles(peer.greeting);
      if (transport === 'wss') this.#facts.secured = this.#facts.clear;
      else if (this.#facts.clear.includes(TLS))
        this.#facts.secured = this.#profiles((await context.secured()).greeting);
    } catch (error) {
      if (!(error instanceof Blocked) || context.sessions.length === 0) throw error;
    } finally {
      await context.leave();
    }
    return this.#facts;
  }

  /**
   * What answers instead of a BEEP listener, for people; undefined for one, and for what is not known. HTTP and TLS servers wait
   * for their client: their complaint about a greeting tells them.
   */
  async service(): Promise<string | undefined> {
    if (this.#facts.clear !== undefined || this.#target.location.transport !== 'tcp') return undefined;
    const { host, port } = this.#target.location;
    const octets = await new Promise<Buffer>((resolve) => {
      const socket = connect({ host, port });
      let heard: Buffer = Buffer.alloc(0);
      const settle = (): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(heard);
      };
      const timer = setTimeout(settle, this.#target.timeoutMs);
      socket.once('connect', () => socket.write(`${frame('RPY', 0, 0, '.', 0, GREETING)}\r\n\r\n`));
      socket.once('error', settle);
      socket.once('close', settle);
      socket.on('data', (chunk: Buffer) => {
        heard = Buffer.concat([heard, chunk]);
        if (heard.length >= SERVICE_OCTETS) settle();
      });
    });
    return foreignService(octets);
  }

  #profiles(greeting: Buffer | undefined): string[] {
    return greeting === undefined ? [] : profilesIn(greeting);
  }

  /** Yields the results in order, with the rules for all sessions last. */
  async *run(only: readonly string[] = [], begun?: (check: Check) => void): AsyncGenerator<Result> {
    const chosen = only.length === 0 ? CHECKS : CHECKS.filter(({ id }) => selected(id, only));
    for (const check of chosen) {
      begun?.(check);
      const result = await this.#check(check);
      yield result.outcome === 'passed' || result.outcome === 'skipped' ? result : await this.#afterTrouble(result);
      if (result.outcome !== 'skipped') this.#previous = check.id;
    }
    for (const rule of STANDING) {
      const broken = this.#broken.get(rule.rule);
      if (broken === undefined && !selected(rule.id, only)) continue;
      yield this.#resultOf(rule, broken);
    }
    await this.#bystander.leave();
  }

  #resultOf({ rule, id, title, clause, why }: Standing, broken: Broken | undefined): Result {
    const result = { id, title, clause, ms: 0, remarks: [] };
    if (broken === undefined) {
      if (rule !== 'others' || this.#others) return { ...result, outcome: 'passed', transcript: [] };
      return { ...result, outcome: 'skipped', reason: 'no fault was sent', transcript: [] };
    }
    const received = `${broken.text} (in ${broken.during})`;
    return { ...result, outcome: 'failed', expected: `it ${title}`, received, why, transcript: broken.transcript };
  }

  /** A check that did not pass may have ended the listener, or come after its end; then that is said. */
  async #afterTrouble(result: Result): Promise<Result> {
    if (await this.#listens()) {
      this.#diedAfter = undefined;
      return result;
    }
    // One that could not begin is not what ended the listener.
    if (this.#diedAfter === undefined && result.outcome === 'blocked') this.#diedAfter = this.#previous;
    if (this.#diedAfter === undefined) {
      this.#diedAfter = result.id;
      const remark: Remark = { level: 'unusual', text: 'the listener is gone after this check' };
      return { ...result, remarks: [...result.remarks, remark] };
    }
    const { id, title, clause, ms, remarks } = result;
    const reason = `the listener is gone since ${this.#diedAfter}`;
    return { id, title, clause, ms, remarks, outcome: 'blocked', reason, transcript: [] };
  }

  /** Whether a connection is accepted at all. */
  #listens(): Promise<boolean> {
    const { host, port } = this.#target.location;
    return new Promise((resolve) => {
      const socket = connect({ host, port });
      const settle = (listens: boolean): void => {
        socket.destroy();
        resolve(listens);
      };
      socket.once('connect', () => settle(true));
      socket.once('error', () => settle(false));
      socket.setTimeout(this.#target.timeoutMs, () => settle(true));
    });
  }

  async #check(check: Check): Promise<Result> {
    const { id, title, clause, why } = check;
    const context = new Context(this.#target, this.#facts);
    const watched = check.fault === true && (await this.#bystander.ready());
    const begun = performance.now();
    let error: unknown;
    try {
      this.#need(check.needs ?? []);
      const cap = this.#target.timeoutMs * WAITS * (check.patience ?? 1);
      await within(cap, check.run(context), `the end of the check`);
    } catch (thrown) {
      error = thrown;
    }
    const base = { id, title, clause, ms: performance.now() - begun, remarks: context.remarks };
    const lines = error === undefined && context.breaches.length === 0 ? [] : this.#transcripts(context);
    for (const { rule, text } of context.breaches) this.#broke(rule, { text, during: id, transcript: lines });
    await context.leave();
    if (watched) await this.#lookAfterOthers(id);
    const verdict = this.#verdict(error, context, `it ${title}`);
    const failed = verdict.outcome === 'failed';
    return { ...base, ...verdict, ...(failed ? { why } : {}), transcript: failed ? lines : [] };
  }

  #verdict(
    error: unknown,
    context: Context,
    expected: string,
  ): Pick<Result, 'outcome' | 'reason' | 'expected' | 'received'> {
    const because = (outcome: Outcome, reason: string) => ({ outcome, reason });
    if (error === undefined) return { outcome: 'passed' };
    if (error instanceof NotOffered) return because('skipped', error.message);
    if (error instanceof Blocked) return because('blocked', `${error.message}; see ${error.by}`);
    const [breach] = context.breaches;
    const standing = STANDING.find(({ rule }) => rule === breach?.rule);
    if (breach !== undefined && standing !== undefined) return because('blocked', `${breach.text}; see ${standing.id}`);
    if (error instanceof Finding) return { outcome: 'failed', expected: error.expected, received: error.received };
    return { outcome: 'failed', expected, received: causeText(error) };
  }

  #broke(rule: string, broken: Broken): void {
    if (!this.#broken.has(rule)) this.#broken.set(rule, broken);
  }

  #transcripts(context: Context): string[] {
    return context.sessions.flatMap(({ name, log }) => transcript(name, log));
  }

  async #lookAfterOthers(during: string): Promise<void> {
    this.#others = true;
    const trouble = await this.#bystander.trouble();
    if (trouble !== undefined) this.#broke('others', { ...trouble, during });
  }

  /** @throws NotOffered, Blocked */
  #need(needs: readonly Need[]): void {
    for (const need of needs) {
      const lacking = missing(this.#target, need);
      if (lacking !== undefined) throw new NotOffered(lacking);
    }
    const { clear } = this.#facts;
    if (needs.length > 0 && clear === undefined) throw new Blocked('greeting.form', 'the greeting could not be read');
    for (const need of needs) this.#offered(need);
  }

  #offered(need: Need): void {
    const { location, words } = this.#target;
    if (need === 'plain' && location.transport === 'wss') throw new NotOffered('the transport already uses TLS (wss)');
    const uri = { tls: TLS, digest: DIGEST_MD5, scram: SCRAM, imxp: words.profile }[need as 'tls'];
    if (uri === undefined) return;
    const { clear, secured } = this.#facts;
    if (clear?.includes(uri) === true || secured?.includes(uri) === true) return;
    if (clear?.includes(TLS) === true && secured === undefined) throw new Blocked('tls.proceed', 'TLS did not work');
    throw new NotOffered(`the greeting does not offer ${uri}`);
  }
}
