/**
 * A component's connection to its XMPP server (XEP-0114, by @xmpp/component-core), which is made again whenever it is
 * lost. XEP-0114 has no TLS; the configuration permits servers on this machine only.
 */
/// <reference path="./component-core.d.ts" />
import { Component as Connection, type LtxElement } from '@xmpp/component-core';
import { TransportError } from '../../errors.js';
import { events } from '../../ops/events.js';
import { Backoff, type BackoffTimes } from '../../transport/backoff.js';
import { stanza, writeStanza, type XmppElement, xmppElement } from './element.js';
import type { XmppLink } from './link.js';

export interface ComponentOptions {
  readonly domain: string;
  readonly host: string;
  readonly port: number;
  /** Called on each connection. */
  readonly secret: () => Promise<string>;
  /** Time for one attempt: connection, stream and handshake; and of silence, before and after a ping. */
  readonly attemptTimeoutMs: number;
  readonly backoff: BackoffTimes;
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

interface LiveConnection {
  /** Resolves when it is lost. */
  readonly ended: Promise<void>;
}

/** Handles a stanza; never throws. */
export type StanzaHandler = (stanza: XmppElement, component: ComponentLink) => void;

const PING = 'urn:xmpp:ping';
const PING_ID = 'imxp-ping';
const STANZAS = new Set(['message', 'presence', 'iq']);
/** Octets that wait for the server to read them. */
const UNREAD_OCTETS = 16_777_216;
/** What the gateway reads is nested less deeply; a stranger could nest elements until the stack overflows. */
const DEPTH = 8;

export class ComponentLink implements XmppLink {
  readonly domain: string;
  readonly #options: ComponentOptions;
  readonly #handler: StanzaHandler;
  readonly #leaving = new AbortController();
  /** Called each time when the connection is made, and when it is lost. */
  readonly #changed: (online: boolean) => void;
  #connection: Connection | undefined;
  #online: AbortController | undefined;
  /** Whether the server has said anything since it was last asked about. */
  #heard = false;
  #ended: Promise<void> | undefined;

  constructor(options: ComponentOptions, handler: StanzaHandler, changed: (online: boolean) => void) {
    this.domain = options.domain;
    this.#options = options;
    this.#handler = handler;
    this.#changed = changed;
  }

  get online(): AbortSignal | undefined {
    return this.#online?.signal;
  }

  /**
   * Connects, and from then on keeps connected.
   *
   * @throws TransportError CONNECT_FAILED when the first attempt fails
   */
  async start(): Promise<void> {
    const first = await this.#connect();
    this.#ended = this.#stay(first);
  }

  async send(one: XmppElement): Promise<void> {
    const octets = writeStanza(one);
    const connection = this.#connection;
    const unread = connection?.socket?.writableLength ?? 0;
    // A server that does not read: what it has missed is made good by the next connection.
    if (unread > UNREAD_OCTETS) connection?.socket?.destroy(new Error(`the server has left ${unread} octets unread`));
    if (connection === undefined || this.#online === undefined)
      throw new TransportError('CONNECT_FAILED', `no connection to the XMPP server as ${this.domain}`, {
        fields: { sent: false },
      });
    try {
      await connection.write(octets);
    } catch (cause) {
      throw new TransportError('CONNECTION_LOST', `lost the connection to the XMPP server as ${this.domain}`, {
        cause,
      });
    }
  }

  /** Ends the stream, and does not connect again. */
  async close(): Promise<void> {
    this.#leaving.abort();
    const connection = this.#connection;
    // What an orderly end meets is the end as well; `disconnect` follows in any case.
    if (connection?.socket) await connection.stop().catch(() => connection.socket?.destroy());
    await this.#ended;
  }

  async #stay(first: LiveConnection): Promise<void> {
    const { signal } = this.#leaving;
    const backoff = new Backoff(this.#options.backoff);
    let live: LiveConnection | undefined = first;
    backoff.connected();
    while (!signal.aborted) {
      await live?.ended;
      live = undefined;
      while (live === undefined && !signal.aborted) {
        await this.#options.wait(backoff.next(), signal);
        if (signal.aborted) return;
        try {
          live = await this.#connect();
          backoff.connected();
        } catch (error) {
          this.#publish('failed', error);
        }
      }
    }
  }

  async #connect(): Promise<LiveConnection> {
    const { domain, host, port, secret, attemptTimeoutMs } = this.#options;
    const password = await secret();
    const service = `xmpp://${host.includes(':') ? `[${host}]` : host}:${port}`;
    const connection = new Connection({ service, domain });
    const online = new AbortController();
    let reason: unknown;
    connection.on('error', (error: unknown) => {
      reason = error;
    });
    // The library decodes each piece of input by itself, which breaks characters at their border.
    connection.on('connect', () => connection.socket?.setEncoding('utf8'));
    connection.on('stanza', (element: LtxElement) => {
      if (this.#online === online) this.#heard = true;
      if (element.attrs['id'] === PING_ID && element.attrs['from'] === domain) return;
      if (this.#online === online && STANZAS.has(element.getName())) this.#handler(ltxValue(element, DEPTH), this);
    });
    const ended = new Promise<void>((resolve) => {
      connection.once('disconnect', () => {
        const wasOnline = this.#online === online;
        if (wasOnline) {
          this.#online = undefined;
          this.#connection = undefined;
        }
        online.abort();
        if (wasOnline) {
          this.#publish('down', reason);
          this.#changed(false);
        }
        resolve();
      });
    });
    const late = new AbortController();
    void this.#options.wait(attemptTimeoutMs, AbortSignal.any([late.signal, online.signal])).then(() => {
      if (!late.signal.aborted && this.#online !== online) connection.socket?.destroy();
    });
    // A busy server takes longer for the handshake than the library waits; an orderly end does not.
    const { timeout } = connection;
    connection.timeout = attemptTimeoutMs;
    try {
      await connection.connect(service);
      const opened = await connection.open({ domain, timeout: attemptTimeoutMs });
      await Promise.race([
        connection.authenticate(opened.attrs['id'], password),
        ended.then(() => Promise.reject(reason ?? new Error('the server closed the stream'))),
      ]);
    } catch (cause) {
      connection.socket?.destroy();
      throw new TransportError('CONNECT_FAILED', failureOf(service, domain, reason ?? cause), {
        cause: reason ?? cause,
        fields: { component: domain },
      });
    } finally {
      connection.timeout = timeout;
      late.abort();
    }
    if (online.signal.aborted || this.#leaving.signal.aborted) {
      connection.socket?.destroy();
      throw new TransportError('CONNECT_FAILED', failureOf(service, domain, reason), {
        fields: { component: domain },
      });
    }
    this.#connection = connection;
    this.#online = online;
    this.#publish('up');
    this.#changed(true);
    void this.#watch(connection, online.signal).catch((error: unknown) => {
      reason = error;
      connection.socket?.destroy();
    });
    return { ended };
  }

  /**
   * Pings (XEP-0199) while the server is silent: the component itself, by way of the server, which has to read, route and
   * write for it.
   *
   * @throws Error when no answer comes in the time of an attempt to connect
   */
  async #watch(connection: Connection, signal: AbortSignal): Promise<void> {
    const { attemptTimeoutMs, wait, domain } = this.#options;
    const ping = writeStanza(
      stanza('iq', { from: domain, to: domain, type: 'get', id: PING_ID }, xmppElement('ping', PING)),
    );
    const silent = async (): Promise<boolean> => {
      this.#heard = false;
      await wait(attemptTimeoutMs, signal);
      return !this.#heard && !signal.aborted;
    };
    while (!signal.aborted) {
      if (!(await silent())) continue;
      // A connection that breaks meanwhile says so by itself.
      connection.write(ping).catch(() => undefined);
      if (await silent()) throw new Error(`the server has not answered a ping for ${attemptTimeoutMs} ms`);
    }
  }

  #publish(state: 'up' | 'down' | 'failed', error?: unknown): void {
    const reason = error instanceof Error ? { reason: error.message } : {};
    events.link.publish({ link: `xmpp component ${this.domain}`, state, ...reason });
  }
}

function failureOf(service: string, domain: string, cause: unknown): string {
  const late = cause instanceof Error && cause.name === 'TimeoutError' ? 'no answer in time' : undefined;
  const why = late ?? (cause instanceof Error ? cause.message || cause.name : 'the server closed the stream');
  const wrong = /not-authorized/.test(why) ? '; is the secret the one that the server has for this component?' : '';
  return `the XMPP server at ${service} does not take the component ${domain}: ${why}${wrong}`;
}

/** The element as a value, without what is nested more deeply; a name is without its prefix. */
function ltxValue(element: LtxElement, depth: number): XmppElement {
  return {
    name: element.getName(),
    namespace: element.getNS() ?? '',
    attributes: Object.fromEntries(
      Object.entries(element.attrs).filter(
        (entry): entry is [string, string] => typeof entry[1] === 'string' && !/^xmlns(?::|$)/.test(entry[0]),
      ),
    ),
    children: element.children.flatMap((child): (XmppElement | string)[] => {
      if (typeof child === 'string') return [child];
      return depth > 0 ? [ltxValue(child, depth - 1)] : [];
    }),
  };
}
