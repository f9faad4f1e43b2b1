/** What the parts of the chat page tell each other. */

/**
 * What became of a message. `waiting`: written while there was no connection. `held`: the recipient's relay keeps it.
 * `unknown`: the connection was lost before the answer.
 */
export type State = 'waiting' | 'sending' | 'delivered' | 'held' | 'failed' | 'unknown' | 'received';

export interface FileFacts {
  readonly name: string;
  readonly type: string;
  readonly size: number;
}

/** How a message of the user is to be protected (S/MIME). */
export interface Protect {
  readonly sign: boolean;
  readonly encrypt: boolean;
}

/** How a message that has come was protected. */
export interface Proof {
  readonly encrypted: boolean;
  /** Undefined when it was not signed. */
  readonly signed?: {
    readonly valid: boolean;
    /** Who signed, or why that is not proven. */
    readonly words: string;
    /** Of the signer's certificate, which people compare. */
    readonly fingerprint?: string;
  };
}

/** The user's own certificate. */
export interface OwnCertificate {
  readonly addresses: readonly string[];
  /** Milliseconds since 1970. */
  readonly until: number;
  readonly fingerprint: string;
}

/** A message of a conversation. */
export interface Entry {
  readonly id: string;
  readonly peer: string;
  /** Milliseconds since 1970, by this device. */
  readonly at: number;
  /** When it was written, of one that a relay has held since then; milliseconds since 1970. */
  readonly written?: number;
  readonly text: string;
  /** Its octets are kept under the entry's id. */
  readonly file?: FileFacts;
  readonly state: State;
  /** Of one that was written here. */
  readonly protect?: Protect;
  /** Of one that has come signed or encrypted. */
  readonly proof?: Proof;
  /** Why it failed, is unknown, or could not be read. */
  readonly reason?: string;
}

export interface Kept {
  readonly messages: number;
  /** Of text and files, about. */
  readonly octets: number;
}

/** Somebody one talks with. */
export interface Contact {
  readonly address: string;
  /** False for somebody who wrote and was not added. */
  readonly added: boolean;
  readonly unread: number;
  /** What is kept of the conversation, for the bounds on what strangers may fill. */
  readonly kept?: Kept;
  /** How messages to them are protected, once the user has chosen. */
  readonly protect?: Protect;
  readonly last?: { readonly at: number; readonly text: string; readonly state: State };
}

/** `hidden`: they do not let us see it. */
export type Presence = 'open' | 'closed' | 'hidden' | 'unknown';

export type ConnectionState =
  | { readonly kind: 'connecting'; readonly reason?: string }
  | { readonly kind: 'online' }
  | { readonly kind: 'elsewhere'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** What one tab asks of the one that has the connection. */
export type Command =
  | { readonly do: 'send' }
  | { readonly do: 'follow'; readonly address: string; readonly show: boolean }
  | { readonly do: 'forget'; readonly address: string; readonly block: boolean }
  | { readonly do: 'take over' }
  | { readonly do: 'leave' }
  | { readonly do: 'load certificates' }
  | { readonly do: 'tell' };

/** What a tab tells all others. */
export type News =
  | { readonly news: 'entry'; readonly entry: Entry }
  | { readonly news: 'contact'; readonly contact: Contact }
  | { readonly news: 'gone'; readonly address: string }
  | { readonly news: 'presence'; readonly presence: Readonly<Record<string, Presence>> }
  | { readonly news: 'connection'; readonly connection: ConnectionState }
  | { readonly news: 'notice'; readonly text: string }
  | { readonly news: 'certificate'; readonly certificate: OwnCertificate | undefined }
  | { readonly news: 'left' };
