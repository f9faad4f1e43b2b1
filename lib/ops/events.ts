/**
 * What the program tells about itself, over `node:diagnostics_channel`: anybody in the process may subscribe. An event
 * without subscribers costs one property read. Events name who, where and why; never payloads, passwords or verifiers.
 */
import { type Channel, channel } from 'node:diagnostics_channel';

/** One named channel with the type of its messages. */
export class Event<Message extends object> {
  readonly name: string;
  readonly #channel: Channel;

  constructor(name: string) {
    this.name = name;
    this.#channel = channel(name);
  }

  /** True when anybody listens; ask before building a message on the hot path. */
  get observed(): boolean {
    return this.#channel.hasSubscribers;
  }

  publish(message: Message): void {
    if (this.#channel.hasSubscribers) this.#channel.publish(message);
  }

  subscribe(listener: (message: Message) => void): () => void {
    const heard = (message: unknown): void => listener(message as Message);
    this.#channel.subscribe(heard);
    return () => this.#channel.unsubscribe(heard);
  }
}

/** A BEEP session began on a new connection. */
export interface SessionOpened {
  readonly session: string;
  readonly remote: string;
  readonly port: number;
  readonly role: 'initiator' | 'listener';
}

/** A session ended; `error` is absent after an orderly release. */
export interface SessionClosed {
  readonly session: string;
  readonly remote: string;
  readonly error?: string;
  readonly reason?: string;
}

/** TLS protects the session from now on. */
export interface SessionTuned {
  readonly session: string;
  readonly remote: string;
  readonly protocol: string;
  readonly cipher: string;
  /** Whether the peer showed a certificate that is good. */
  readonly authorized: boolean;
  /** Why not; the peer is not told. */
  readonly reason?: string;
  /** Whom the peer's certificate names, good or not. */
  readonly certificate?: string;
  /** True for the suites of the year 2000. */
  readonly legacy: boolean;
}

/** The peer proved who it is (`peer`), or this side did (`self`). */
export interface SessionAuthenticated {
  readonly session: string;
  readonly remote: string;
  readonly mechanism: string;
  readonly identity: string;
  readonly side: 'peer' | 'self';
}

/** Something a peer asked for was refused; `reason` may say more than the peer was told. */
export interface Refused {
  readonly session: string;
  readonly remote: string;
  readonly what: string;
  readonly code: number;
  readonly reason: string;
  readonly subject?: string;
}

/** A fault inside this program that was contained. */
export interface Fault {
  readonly session: string;
  readonly error: unknown;
}

/** An attachment or binding began or ended. */
export interface Association {
  /** The channel's id. */
  readonly channel: string;
  /** The endpoint attached, or the domain bound. */
  readonly subject: string;
  readonly transID: number;
}

/** A Data was answered; once for each outgoing Data. */
export interface Forwarded {
  /** The channel it came on. */
  readonly channel: string;
  readonly originator: string;
  readonly recipients: readonly string[];
  readonly octets: number;
  /** 250, or the code of the failure. */
  readonly code: number;
  readonly reason?: string;
  /** Milliseconds between the Data and its answer. */
  readonly ms: number;
}

/** A link to a neighbour changed its state. */
export interface LinkChanged {
  readonly link: string;
  readonly state: string;
  readonly [fact: string]: string | number;
}

/** The DNS was asked; what it remembers costs no question. */
export interface LookedUp {
  readonly type: 'SRV' | 'A' | 'AAAA';
  readonly name: string;
  /** Whether there were records, none, or no answer. */
  readonly result: 'found' | 'none' | 'failed';
  /** Milliseconds until the answer. */
  readonly ms: number;
}

/** The node itself: ready, draining, reloaded, stopped. */
export interface NodeChanged {
  readonly state: string;
  readonly [fact: string]: string | number | readonly string[];
}

export const events = {
  opened: new Event<SessionOpened>('imxp:session:open'),
  closed: new Event<SessionClosed>('imxp:session:close'),
  tuned: new Event<SessionTuned>('imxp:session:tuned'),
  authenticated: new Event<SessionAuthenticated>('imxp:session:authenticated'),
  refused: new Event<Refused>('imxp:session:refused'),
  fault: new Event<Fault>('imxp:fault'),
  attached: new Event<Association>('imxp:relay:attach'),
  bound: new Event<Association>('imxp:relay:bind'),
  terminated: new Event<Association>('imxp:relay:terminate'),
  forwarded: new Event<Forwarded>('imxp:relay:forward'),
  link: new Event<LinkChanged>('imxp:link'),
  lookup: new Event<LookedUp>('imxp:dns:lookup'),
  node: new Event<NodeChanged>('imxp:node'),
} as const;
