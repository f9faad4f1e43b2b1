/**
 * One tab of the chat page. All tabs of an account share its history; one of them, which has the lock, has the
 * connection, and when it is closed another takes over. They talk over a broadcast channel.
 */
import { givenAddress } from '../../lib/endpoint/address.js';
import { forgetKnown, identityOf, keepIdentity, removeCertificates, removeIdentity } from './certificates.js';
import { History, instant } from './history.js';
import { forgetPassword, keepPassword, keptPassword } from './keeper.js';
import { Session, wordsFor } from './session.js';
import type { Command, ConnectionState, Contact, Entry, News, OwnCertificate, Presence, Protect } from './types.js';

export interface ClientOptions {
  readonly account: string;
  /** Undefined: another tab has the connection, or the password is kept on this device. */
  readonly password: string | undefined;
  /** Whether the password is kept once it has worked. */
  readonly keep: boolean;
  readonly relay: string;
}

/** Entries of the conversation in view; a flood would fill the memory of the page. */
const SHOWN = 1000;
/** How long a message may stay unseen in an open page before a notification tells of it. */
const NOTICE_MS = 400;

/** Whether a tab of this browser has the connection of an account. */
export async function isConnectedHere(account: string): Promise<boolean> {
  const { held = [] } = await navigator.locks.query();
  return held.some(({ name }) => name === lockName(account));
}

export class Client {
  readonly account: string;
  readonly contacts = new Map<string, Contact>();
  readonly presence = new Map<string, Presence>();
  connection: ConnectionState = { kind: 'connecting' };
  /** What went wrong beside a message; shown until it is dismissed. */
  notice: string | undefined;
  /** The certificate that messages are signed and decrypted with. */
  certificate: OwnCertificate | undefined;
  /** The account was logged out, here or in another tab. */
  left = false;
  /** The conversation in view. */
  peer: string | undefined;
  entries: readonly Entry[] = [];
  /** Whether there may be older entries than those in `entries`. */
  earlier = false;
  readonly #options: ClientOptions;
  readonly #history: History;
  readonly #channel: BroadcastChannel;
  readonly #changed: () => void;
  readonly #closing = new AbortController();
  #session: Session | undefined;

  private constructor(options: ClientOptions, history: History, changed: () => void) {
    this.account = options.account;
    this.#options = options;
    this.#history = history;
    this.#changed = changed;
    this.#channel = new BroadcastChannel(lockName(options.account));
    this.#channel.onmessage = ({ data }: MessageEvent<News | Command>) => {
      if ('news' in data) this.#hear(data);
      else void this.#obey(data);
    };
  }

  /** @param changed called whenever there is something else to show */
  static async open(options: ClientOptions, changed: () => void): Promise<Client> {
    const history = await History.open(options.account);
    const client = new Client(options, history, changed);
    for (const contact of await history.contacts()) client.contacts.set(contact.address, contact);
    client.certificate = (await identityOf(options.account))?.facts;
    void client.#lead();
    client.#ask({ do: 'tell' });
    addEventListener('online', client.#wake);
    document.addEventListener('visibilitychange', client.#wake);
    return client;
  }

  /** Leaves the account as it is for the other tabs. */
  close(): void {
    this.#closing.abort();
    removeEventListener('online', this.#wake);
    document.removeEventListener('visibilitychange', this.#wake);
    this.#channel.close();
    void this.#session?.leave();
    this.#history.close();
  }

  /** Shows a conversation, or none. */
  async show(peer: string | undefined): Promise<void> {
    this.peer = peer;
    this.entries = [];
    if (peer !== undefined) {
      const entries = await this.#history.entries(peer);
      if (this.peer !== peer) return;
      this.entries = entries;
      this.earlier = entries.length > 0;
      await this.#seen();
    }
    this.#changed();
  }

  async showEarlier(): Promise<void> {
    const { peer } = this;
    const [first] = this.entries;
    if (peer === undefined || first === undefined) return;
    const older = await this.#history.entries(peer, first.at);
    if (this.peer !== peer) return;
    this.entries = [...older, ...this.entries];
    this.earlier = older.length > 0;
    this.#changed();
  }

  /** @returns false when it could not be kept on this device, which is said */
  async send(peer: string, text: string): Promise<boolean> {
    return this.#write({ ...this.#new(peer), text });
  }

  async sendFile(peer: string, file: File): Promise<void> {
    const { name, size } = file;
    const facts = { name, type: file.type === '' ? 'application/octet-stream' : file.type, size };
    await this.#write({ ...this.#new(peer), text: '', file: facts }, file);
  }

  /** How messages to somebody are protected; undefined without a certificate. Unless chosen otherwise, they are signed. */
  protection(peer: string): Protect | undefined {
    if (this.certificate === undefined) return undefined;
    return this.contacts.get(peer)?.protect ?? { sign: true, encrypt: false };
  }

  async protect(peer: string, protect: Protect): Promise<void> {
    this.#tell({ news: 'contact', contact: await this.#history.change(peer, { protect }) });
  }

  /**
   * Imports a certificate with its key, of PEM or PKCS#12.
   *
   * @throws LocalError ARGUMENT, with what is wrong with the file
   */
  async importCertificate(file: Blob, passphrase: string): Promise<void> {
    const { importIdentity } = await import('./smime/import.js');
    const identity = await importIdentity(this.account, file, passphrase);
    await keepIdentity(this.account, identity);
    this.#certified(identity.facts);
  }

  async removeCertificate(): Promise<void> {
    await removeIdentity(this.account);
    this.#certified(undefined);
  }

  #certified(certificate: OwnCertificate | undefined): void {
    this.#ask({ do: 'load certificates' });
    this.#tell({ news: 'certificate', certificate });
  }

  #new(peer: string) {
    const protect = this.protection(peer);
    const wanted = protect?.sign === true || protect?.encrypt === true;
    return {
      id: crypto.randomUUID(),
      peer,
      at: instant(),
      state: 'waiting',
      ...(wanted ? { protect } : {}),
    } as const;
  }

  /** Sends a message that failed again, as a new one. */
  async again(entry: Entry): Promise<void> {
    const { reason: _, ...same } = entry;
    const file = entry.file === undefined ? undefined : await this.#history.file(entry.id);
    await this.#write({ ...same, id: crypto.randomUUID(), at: instant(), state: 'waiting' }, file);
  }

  file(entry: Entry): Promise<Blob | undefined> {
    return this.#history.file(entry.id);
  }

  /** @throws LocalError ADDRESS_INVALID */
  async add(given: string, show: boolean): Promise<string> {
    const { base: address } = givenAddress(given.trim());
    const contact = await this.#history.change(address, { added: true });
    this.#tell({ news: 'contact', contact });
    this.#ask({ do: 'follow', address, show });
    return address;
  }

  async forget(address: string, block: boolean): Promise<void> {
    await this.#history.forget(address);
    await forgetKnown(this.account, address);
    this.#ask({ do: 'load certificates' });
    this.#ask({ do: 'forget', address, block });
    this.#tell({ news: 'gone', address });
  }

  takeOver(): void {
    this.#ask({ do: 'take over' });
  }

  dismiss(): void {
    this.notice = undefined;
    this.#changed();
  }

  /** Logs out in all tabs. @param erase whether the history on this device is deleted */
  async leave(erase: boolean): Promise<void> {
    await forgetPassword(this.account);
    this.#ask({ do: 'leave' });
    this.#tell({ news: 'left' });
    if (!erase) return;
    await History.remove(this.account);
    await removeCertificates(this.account);
  }

  // ---- between tabs -------------------------------------------------------------------------------------------------

  /** Takes the connection when no other tab has it. */
  async #lead(): Promise<void> {
    const { signal } = this.#closing;
    try {
      await navigator.locks.request(lockName(this.account), { signal }, async () => {
        const password = this.#options.password ?? (await keptPassword(this.account));
        if (password === undefined) {
          const reason = 'the tab that was logged in is closed: log in again';
          this.#tell({ news: 'connection', connection: { kind: 'refused', reason } });
          return;
        }
        await this.#connect(password);
      });
    } catch (error) {
      if (!signal.aborted) this.#tell({ news: 'notice', text: wordsFor(error) });
    }
  }

  async #connect(password: string): Promise<void> {
    // One that was kept before is replaced, or removed.
    let asked = this.#options.password !== undefined;
    const session = new Session({
      account: this.account,
      password,
      relay: this.#options.relay,
      history: this.#history,
      tell: (news) => {
        this.#tell(news);
        if (!asked || news.news !== 'connection' || news.connection.kind !== 'online') return;
        asked = false;
        const kept = this.#options.keep ? keepPassword(this.account, password) : forgetPassword(this.account);
        kept.catch((error: unknown) => this.#tell({ news: 'notice', text: wordsFor(error) }));
      },
      came: (entry) => void setTimeout(() => void this.#notify(entry), NOTICE_MS),
    });
    this.#session = session;
    await session.run();
    this.#session = undefined;
  }

  #ask(command: Command): void {
    if (this.#session !== undefined) void this.#obey(command);
    else this.#channel.postMessage(command);
  }

  #tell(news: News): void {
    if (!this.#closing.signal.aborted) this.#channel.postMessage(news);
    this.#hear(news);
  }

  async #obey(command: Command): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    if (command.do === 'send') session.send();
    else if (command.do === 'follow') await session.follow(command.address, command.show);
    else if (command.do === 'forget') await session.forget(command.address, command.block);
    else if (command.do === 'take over') session.takeOver();
    else if (command.do === 'leave') await session.leave();
    else if (command.do === 'load certificates') session.loadCertificates();
    else session.report();
  }

  #hear(news: News): void {
    switch (news.news) {
      case 'entry':
        this.#show(news.entry);
        break;
      case 'contact':
        this.contacts.set(news.contact.address, news.contact);
        if (news.contact.address === this.peer && news.contact.unread > 0) void this.#seen();
        break;
      case 'gone':
        this.contacts.delete(news.address);
        if (this.peer === news.address) this.entries = [];
        break;
      case 'presence':
        for (const [address, presence] of Object.entries(news.presence)) this.presence.set(address, presence);
        break;
      case 'connection':
        this.connection = news.connection;
        break;
      case 'notice':
        this.notice = news.text;
        break;
      case 'certificate':
        this.certificate = news.certificate;
        break;
      case 'left':
        this.left = true;
        break;
    }
    this.#changed();
  }

  #show(entry: Entry): void {
    if (entry.peer !== this.peer) return;
    const at = this.entries.findIndex(({ id }) => id === entry.id);
    if (at >= 0) {
      this.entries = this.entries.with(at, entry);
      return;
    }
    const entries = [...this.entries, entry].sort((one, other) => one.at - other.at);
    this.entries = entries.slice(-SHOWN);
    this.earlier ||= entries.length > SHOWN;
  }

  async #write(entry: Entry, file?: Blob): Promise<boolean> {
    try {
      const { contact } = await this.#history.keep(entry, file === undefined ? {} : { file });
      this.#tell({ news: 'entry', entry });
      this.#tell({ news: 'contact', contact });
      this.#ask({ do: 'send' });
      return true;
    } catch (error) {
      this.#tell({ news: 'notice', text: `the message could not be kept on this device: ${wordsFor(error)}` });
      return false;
    }
  }

  /** The conversation in view has been read, if this tab is. */
  async #seen(): Promise<void> {
    const { peer } = this;
    if (peer === undefined || document.visibilityState !== 'visible') return;
    if ((this.contacts.get(peer)?.unread ?? 0) === 0) return;
    this.#tell({ news: 'contact', contact: await this.#history.change(peer, { unread: 0 }) });
  }

  readonly #wake = (): void => {
    if (document.visibilityState === 'visible') void this.#seen();
    this.#session?.wake();
  };

  /** Tells of a message that no tab has shown. */
  async #notify(entry: Entry): Promise<void> {
    if (document.visibilityState === 'visible' || !('Notification' in globalThis)) return;
    if (Notification.permission !== 'granted') return;
    const contact = await this.#history.contact(entry.peer);
    if (contact === undefined || contact.unread === 0) return;
    const body = entry.file === undefined ? entry.text.slice(0, 200) : entry.file.name;
    const options = { body, tag: entry.peer, icon: 'icon.svg' };
    const worker = 'serviceWorker' in navigator ? await navigator.serviceWorker.getRegistration() : undefined;
    if (worker !== undefined) await worker.showNotification(entry.peer, options);
    else new Notification(entry.peer, options);
  }
}

function lockName(account: string): string {
  return `imxp ${account}`;
}
