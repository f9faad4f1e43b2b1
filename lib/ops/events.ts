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
  /** The session's id, which all its lines share. */
  readonly session: string;
  /** Address of the peer. */
  readonly remote: string;
  /** The peer's port. */
  readonly port: number;
  /** Whether this side opened the connection or accepted it. */
  readonly role: 'initiator' | 'listener';
}

/** A session ended; `error` is absent after an orderly release. */
export interface SessionClosed {
  /** The session's id, which all its lines share. */
  readonly session: string;
  /** Address of the peer. */
  readonly remote: string;
  /** Code of the error; see the table of error codes. */
  readonly error?: string;
  /** The error in words. */
  readonly reason?: string;
}

/** TLS protects the session from now on. */
export interface SessionTuned {
  /** The session's id, which all its lines share. */
  readonly session: string;
  /** Address of the peer. */
  readonly remote: string;
  /** Version of TLS. */
  readonly protocol: string;
  /** The cipher suite. */
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
  /** The session's id, which all its lines share. */
  readonly session: string;
  /** Address of the peer. */
  readonly remote: string;
  /** The SASL mechanism, or how else it was proven. */
  readonly mechanism: string;
  /** Who was proven: an address, or a domain for a relay. */
  readonly identity: string;
  /** Whose proof it was. */
  readonly side: 'peer' | 'self';
}

/** An operator ended a session by disabling or removing the account behind it. */
export interface SessionExpelled {
  /** The session's id, which all its lines share. */
  readonly session: string;
  /** Address of the peer. */
  readonly remote: string;
  /** The account. */
  readonly account: string;
  /** What was done to it, since when, and why. */
  readonly reason: string;
}

/** What belonged to a removed account was thrown away: access entries, presence, held messages. */
export interface AccountForgotten {
  /** The account. */
  readonly account: string;
  /** When it was removed, ISO 8601. */
  readonly removed: string;
}

/** Something a peer asked for was refused; `reason` may say more than the peer was told. */
export interface Refused {
  /** The session's id, which all its lines share. */
  readonly session: string;
  /** Address of the peer. */
  readonly remote: string;
  /** What was asked for: session, start, authentication, attach, bind, data, …. */
  readonly what: string;
  /** The reply code the peer was told. */
  readonly code: number;
  /** Why, for the operator only. */
  readonly reason: string;
  /** Whom or what it concerned: an endpoint, a domain, a mechanism. */
  readonly subject?: string;
}

/** A fault inside this program that was contained. */
export interface Fault {
  /** Where it happened: a session, a channel, or a part of the program. */
  readonly session: string;
  /** Message, stack and code. */
  readonly error: unknown;
}

/** An attachment or binding began or ended. */
export interface AssociationEvent {
  /** The channel's id. */
  readonly channel: string;
  /** The endpoint attached, or the domain bound. */
  readonly subject: string;
  /** The number the peer gave to the operation. */
  readonly transID: number;
}

/** A Data was answered; once for each outgoing Data. */
export interface Forwarded {
  /** The channel it came on. */
  readonly channel: string;
  /** Who sent it. */
  readonly originator: string;
  /** Whom this part of it was for. */
  readonly recipients: readonly string[];
  /** Octets of the payload. */
  readonly octets: number;
  /** 250, or the code of the failure. */
  readonly code: number;
  /** The text of the failure. */
  readonly reason?: string;
  /** Milliseconds between the Data and its answer. */
  readonly ms: number;
}

/** A link to a neighbour changed its state. */
export interface LinkChanged {
  /** The neighbour's domain. */
  readonly link: string;
  /** What happened: up, down, failed, bind refused. */
  readonly state: string;
  /** Lanes and session, or error code and reason. */
  readonly [fact: string]: string | number;
}

/** A message that was acknowledged and held for an endpoint will not be delivered. */
export interface Dropped {
  /** Whom it was held for. */
  readonly endpoint: string;
  /** Who sent it, as far as it is known. */
  readonly originator: string;
  /** The code of the failure, which is reported to the sender where that was asked for. */
  readonly code: number;
  /** The text of the failure. */
  readonly reason: string;
  /** How long it was held, milliseconds. */
  readonly heldMs: number;
}

/** The DNS was asked; what it remembers costs no question. */
export interface LookedUp {
  /** Type of record. */
  readonly type: 'SRV' | 'A' | 'AAAA';
  /** What was asked for. */
  readonly name: string;
  /** Whether there were records, none, or no answer. */
  readonly result: 'found' | 'none' | 'failed';
  /** Milliseconds until the answer. */
  readonly ms: number;
}

/** The node itself: ready, draining, reloaded, stopped. */
export interface NodeChanged {
  /** What the node is from now on. */
  readonly state: string;
  /** Of ready where it listens, which domains it serves, where it answers operators; of reloaded what was applied and what needs a restart; of draining the sessions. */
  readonly [fact: string]: string | number | readonly string[];
}

export const events = {
  opened: new Event<SessionOpened>('imxp:session:open'),
  closed: new Event<SessionClosed>('imxp:session:close'),
  tuned: new Event<SessionTuned>('imxp:session:tuned'),
  authenticated: new Event<SessionAuthenticated>('imxp:session:authenticated'),
  expelled: new Event<SessionExpelled>('imxp:session:expelled'),
  forgotten: new Event<AccountForgotten>('imxp:account:forgotten'),
  refused: new Event<Refused>('imxp:session:refused'),
  fault: new Event<Fault>('imxp:fault'),
  attached: new Event<AssociationEvent>('imxp:relay:attach'),
  bound: new Event<AssociationEvent>('imxp:relay:bind'),
  terminated: new Event<AssociationEvent>('imxp:relay:terminate'),
  forwarded: new Event<Forwarded>('imxp:relay:forward'),
  dropped: new Event<Dropped>('imxp:relay:drop'),
  link: new Event<LinkChanged>('imxp:link'),
  lookup: new Event<LookedUp>('imxp:dns:lookup'),
  node: new Event<NodeChanged>('imxp:node'),
} as const;
