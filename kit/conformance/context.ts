/**
 * Context of a check: opens monitored sessions with the listener up to the stage that the check needs, from a
 * connection to an attached endpoint. If a stage fails, the check is inconclusive; the check of that stage tells why.
 */
import { Blocked, Finding, NotOffered, type Remark, type RemarkLevel } from './finding.js';
import type { RawMessage, Rule } from './peer/channel.js';
import * as document from './peer/documents.js';
import { RawPeer, type RawPeerOptions } from './peer/peer.js';
import { EndedError } from './peer/session.js';
import { LateError } from './peer/within.js';
import { type Account, domainOf, type Target } from './target.js';

/** Octets accepted from the listener in one session. */
const MOST_OCTETS = 4_194_304;
/** Unread messages of the listener that are kept. */
const MOST_WAITING = 1000;
const RETRY_MS = 50;

/** A violation of a rule for every frame. */
export interface Breach {
  readonly rule: Rule;
  readonly text: string;
}

export interface Attached {
  readonly address: string;
  readonly peer: RawPeer;
  readonly channel: number;
}

/** What the listener offers, determined before the checks. */
export interface Facts {
  /** Profiles offered before and after TLS; undefined if unknown. */
  clear: readonly string[] | undefined;
  secured: readonly string[] | undefined;
  /** Consecutive failures to reach a stage, by the check of that stage. */
  readonly failures: Map<string, number>;
  /** Accepted user names by address. */
  readonly usernames: Map<string, string>;
}

export const noFacts = (): Facts => ({
  clear: undefined,
  secured: undefined,
  failures: new Map(),
  usernames: new Map(),
});

/** Describes an error of the raw peer in one line. */
export function causeText(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof LateError) return at.message.split('\n', 1)[0] ?? '';
    if (at instanceof EndedError) return at.message;
  }
  return (error instanceof Error ? error.message : `${error}`).split('\n', 1)[0] ?? '';
}

export class Context {
  readonly target: Target;
  readonly facts: Facts;
  readonly remarks: Remark[] = [];
  readonly breaches: Breach[] = [];
  readonly sessions: RawPeer[] = [];
  readonly #attached = new Set<RawPeer>();

  constructor(target: Target, facts: Facts) {
    this.target = target;
    this.facts = facts;
  }

  get words(): Target['words'] {
    return this.target.words;
  }

  /** Records behaviour that is allowed but that peers may not expect. */
  remark(text: string, level: RemarkLevel = 'unusual'): void {
    this.remarks.push({ level, text });
  }

  /** Opens a connection and sends nothing. */
  async connect(more: Partial<RawPeerOptions> = {}): Promise<RawPeer> {
    const { location, domain, timeoutMs, authority } = this.target;
    const { host, port, transport, path } = location;
    const peer = await this.#stage('greeting.prompt', () =>
      RawPeer.connect({
        ...{
          host,
          port,
          transport,
          site: domain,
          deadlineMs: timeoutMs,
          mostOctets: MOST_OCTETS,
          mostWaiting: MOST_WAITING,
        },
        ...(path === undefined ? {} : { path }),
        ...(authority === undefined ? { tls: { rejectUnauthorized: false } } : { authority }),
        name: `session ${this.sessions.length + 1}`,
        report: (rule, text) => this.breaches.push({ rule, text }),
        ...more,
      }),
    );
    this.sessions.push(peer);
    return peer;
  }

  /** Opens a connection on which the listener has greeted and we have not. */
  async heard(): Promise<RawPeer> {
    const peer = await this.connect();
    await this.#stage('greeting.prompt', () => peer.nextReply(0));
    return peer;
  }

  /** Opens a session with greetings exchanged. */
  async greeted(more: Partial<RawPeerOptions> = {}): Promise<RawPeer> {
    const peer = await this.connect(more);
    await this.#stage('greeting.form', async () => {
      const { keyword, payload } = await peer.greet();
      if (keyword !== 'RPY') throw new Error(`${keyword} instead of a greeting: ${payload.toString('latin1', 0, 200)}`);
    });
    return peer;
  }

  /** Opens a session under TLS, started by the TLS profile unless the transport is wss. */
  async secured(more: Partial<RawPeerOptions> = {}): Promise<RawPeer> {
    const peer = await this.greeted(more);
    if (this.target.location.transport === 'wss') return peer;
    await this.#stage('tls.proceed', () => peer.startTls(this.tlsOptions));
    return peer;
  }

  get tlsOptions(): Parameters<RawPeer['startTls']>[0] {
    const { serverName, authority } = this.target;
    return { serverName, authority, more: { rejectUnauthorized: authority !== undefined } };
  }

  /** Opens an unauthenticated session, under TLS if requested. */
  async session(more: Partial<RawPeerOptions> = {}): Promise<RawPeer> {
    return this.target.tls === true ? await this.secured(more) : await this.greeted(more);
  }

  /** Opens a session in which the mechanism is offered: in the clear, unless it is offered only under TLS. */
  async loginSession(mechanism: string, more: Partial<RawPeerOptions> = {}): Promise<RawPeer> {
    const onlySecured = this.facts.clear?.includes(mechanism) === false && this.facts.secured?.includes(mechanism);
    return onlySecured === true ? await this.secured(more) : await this.session(more);
  }

  /** Whether a profile is offered, in the clear or under TLS. */
  offers(uri: string): boolean {
    return [...(this.facts.clear ?? []), ...(this.facts.secured ?? [])].includes(uri);
  }

  /** A given account. */
  account(which: 'account' | 'second' | 'relay' = 'account'): Account {
    const given = this.target[which];
    if (given === undefined) throw new NotOffered('no account was given');
    return given;
  }

  /**
   * Opens a session authenticated by DIGEST-MD5; the user name is the local part or the whole address, whichever is
   * accepted.
   */
  async authenticated(who: Account = this.account(), more: Partial<RawPeerOptions> = {}): Promise<RawPeer> {
    const known = this.facts.usernames.get(who.address);
    const whole = who.address.includes('=') ? [who.address] : [];
    const names =
      known === undefined ? [...whole, who.address.slice(0, who.address.lastIndexOf('@')), who.address] : [known];
    return await this.#stage('sasl.digest-md5', async () => {
      let refusal = '';
      for (const username of new Set(names)) {
        const peer = await this.loginSession(document.DIGEST_MD5, { name: who.address, ...more });
        const login = { username, password: who.password, host: this.target.domain };
        const reply = await peer.authenticate(login);
        if (reply.keyword === 'RPY') {
          this.facts.usernames.set(who.address, username);
          return peer;
        }
        refusal = `${username} is answered ${reply.payload.toString('latin1', 0, 200)}`;
      }
      throw new Error(refusal);
    });
  }

  /** Opens an authenticated session without TLS. */
  async loggedInClear(): Promise<RawPeer> {
    const { address, password } = this.account();
    const username = this.facts.usernames.get(address) ?? address.slice(0, address.lastIndexOf('@'));
    const peer = await this.greeted();
    await this.#stage('sasl.digest-md5', async () => {
      const { keyword, payload } = await peer.authenticate({ username, password, host: this.target.domain });
      if (keyword !== 'RPY') throw new Error(`the answer is ${payload.toString('latin1', 0, 200)}`);
    });
    return peer;
  }

  /** Starts a channel of the mesh without an initial operation. */
  async channel(peer: RawPeer): Promise<number> {
    return await this.#stage('attach.channel', async () => {
      const { number, reply } = await peer.start(this.words.profile);
      if (reply.keyword !== 'RPY') throw new Error(`no channel but ${reply.payload.toString('latin1', 0, 200)}`);
      return number;
    });
  }

  /** Opens an authenticated session with a channel of the mesh. */
  async open(who?: Account): Promise<{ readonly peer: RawPeer; readonly channel: number }> {
    const peer = await this.authenticated(who);
    return { peer, channel: await this.channel(peer) };
  }

  /** Opens a session attached as the account's endpoint, or as one of its subaddresses. */
  async attached(who: Account = this.account(), address = who.address, on?: RawPeer): Promise<Attached> {
    const peer = on ?? (await this.authenticated(who));
    const channel = await this.channel(peer);
    await this.#stage('attach.ok', async () => {
      const deadline = Date.now() + this.target.timeoutMs;
      for (;;) {
        const { keyword, payload } = await peer.ask(channel, this.words.control(document.attach(address, 71)));
        if (keyword === 'RPY') break;
        // The attachment of an earlier check may still exist.
        if (document.errorIn(payload.subarray(0, 4096))?.code !== 554 || Date.now() > deadline) {
          throw new Error(`attach is answered ${payload.toString('latin1', 0, 200)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    });
    this.owns(peer);
    return { address, peer, channel };
  }

  /** An endpoint of the domain that does not exist. */
  get missingEndpoint(): string {
    return `kit-missing@${this.target.domain}`;
  }

  /** Marks a session to be released in order, because an endpoint is attached on it. */
  owns(peer: RawPeer): void {
    this.#attached.add(peer);
  }

  /** Attaches a sender and a recipient: the second account if given, otherwise the sender itself. */
  async pair(): Promise<readonly [Attached, Attached]> {
    const from = await this.attached();
    const { second } = this.target;
    return [from, second === undefined ? from : await this.attached(second)];
  }

  /** Sends a Data and answers it `ok` at the recipient. @throws Finding unless it arrives and is answered `ok` */
  async deliver(from: Attached, to: Attached, payload: Buffer): Promise<RawMessage> {
    const answered = from.peer.ask(from.channel, payload).then((reply) => {
      if (reply.keyword !== 'RPY') throw new Finding('delivery, and ok', causeOf(reply));
    });
    // An early failure is reported below, where both are awaited.
    answered.catch(() => {});
    const arrived = to.peer.nextRequest(to.channel);
    arrived.catch(() => {});
    const message = await Promise.race([arrived, answered.then(() => arrived)]);
    to.peer.reply(to.channel, 'RPY', message.msgno, this.words.ok);
    await answered;
    return message;
  }

  /** Ends every session; attached ones are released in order, so that the next check can attach. */
  async leave(): Promise<void> {
    const inOrder = [...this.#attached].filter((peer) => peer.alive);
    const patience = Math.min(1000, this.target.timeoutMs);
    await Promise.all(
      inOrder.map(async (peer) => {
        peer.onRequest = ({ channel, msgno }) => peer.reply(channel, 'RPY', msgno, this.words.ok);
        peer.msg(0, document.close(0));
        await peer.ended(patience).catch(() => {});
      }),
    );
    for (const peer of this.sessions) peer.destroy();
  }

  /** Reaches a stage. @throws Blocked naming the check of the stage; after two failures the stage is not tried again */
  async #stage<T>(by: string, reach: () => Promise<T>): Promise<T> {
    const failures = this.facts.failures.get(by) ?? 0;
    if (failures >= 2) throw new Blocked(by, 'this failed twice');
    try {
      const reached = await reach();
      this.facts.failures.set(by, 0);
      return reached;
    } catch (error) {
      if (error instanceof Blocked) throw error;
      this.facts.failures.set(by, failures + 1);
      throw new Blocked(by, causeText(error));
    }
  }
}

/** Summarises an answer without its headers. */
export function causeOf({ keyword, payload }: RawMessage): string {
  const start = payload.subarray(0, 4096);
  const error = document.errorIn(start);
  if (error !== undefined) return `${keyword} ${error.code} ${error.text}`;
  const body = start.subarray(Math.max(0, start.indexOf('\r\n\r\n')));
  return `${keyword} ${body.toString('latin1', 0, 120).trim()}`;
}

export { domainOf };
