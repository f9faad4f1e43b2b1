/**
 * A listener with one fault: a proxy in front of a relay that alters exactly what it is told to alter, and keeps
 * sequence numbers and acknowledgements consistent where it changes the length of a payload. It parses frames but not
 * their contents, and passes TLS through unchanged.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { FrameReader, frame, type RawFrame, type RawSeq, seq } from './raw-frame.js';

/** What may go out instead of a frame: others, or octets that nobody counts. */
export type Instead = RawFrame | RawSeq | Buffer;

export interface Spoil {
  /** What the relay says, as the client gets it. */
  readonly down?: (frame: RawFrame, link: Link) => readonly Instead[];
  readonly seq?: (control: RawSeq, link: Link) => readonly Instead[];
  /** What the client says, as the relay gets it: as many octets. */
  readonly up?: (octets: string, link: Link) => string;
  /** What the client is sent when the relay ends a connection. */
  readonly last?: (link: Link) => Buffer | undefined;
  /** The client is not told that the relay ended the connection. */
  readonly deaf?: boolean;
  /** When the relay ends a connection, all others end. */
  readonly contagious?: boolean;
  /** Nothing is said before the client said something. */
  readonly shy?: boolean;
}

/** One connection. */
export class Link {
  readonly client: Socket;
  readonly relay: Socket;
  /** What the client said last. */
  asked = '';
  /** How often something happened on this connection. */
  readonly counts = new Map<string, number>();
  readonly #spoil: Spoil;
  readonly #reader = new FrameReader();
  /** By channel: octets by which what the client got is longer than what the relay said. */
  readonly #surplus = new Map<number, number>();
  #transparent = false;
  #held: Buffer[] | undefined;

  constructor(client: Socket, relay: Socket, spoil: Spoil) {
    this.client = client;
    this.relay = relay;
    this.#spoil = spoil;
    if (spoil.shy === true) this.#held = [];
    client.on('data', (octets: Buffer) => this.#up(octets));
    relay.on('data', (octets: Buffer) => this.#down(octets));
  }

  /** How often this was called with the name, this time included. */
  count(name: string): number {
    const count = (this.counts.get(name) ?? 0) + 1;
    this.counts.set(name, count);
    return count;
  }

  /** Ends it on both sides. */
  cut(): void {
    this.client.destroy();
    this.relay.destroy();
  }

  #up(octets: Buffer): void {
    if (this.#transparent) {
      this.relay.write(octets);
      return;
    }
    for (const held of this.#held?.splice(0) ?? []) this.client.write(held);
    this.#held = undefined;
    this.asked = octets.toString('latin1');
    const spoilt = this.#spoil.up?.(this.asked, this) ?? this.asked;
    this.relay.write(Buffer.from(this.#acknowledged(spoilt), 'latin1'));
  }

  /** The relay is told of as many octets as it sent. */
  #acknowledged(octets: string): string {
    if (this.#surplus.size === 0) return octets;
    return octets.replaceAll(/SEQ (\d+) (\d+) (\d+)\r\n/g, (_, channel: string, ackno: string, window: string) => {
      return `SEQ ${channel} ${Number(ackno) - (this.#surplus.get(Number(channel)) ?? 0)} ${window}\r\n`;
    });
  }

  #down(octets: Buffer): void {
    if (this.#transparent) {
      this.client.write(octets);
      return;
    }
    this.#reader.push(octets);
    for (let next = this.#reader.next(); next !== undefined; next = this.#reader.next()) {
      this.#pass(next);
      if (next.keyword === 'SEQ' || !next.payload.includes('<proceed')) continue;
      this.#transparent = true;
      this.client.write(this.#reader.rest);
      return;
    }
  }

  #pass(given: RawFrame | RawSeq): void {
    if (given.keyword === 'SEQ') {
      for (const one of this.#spoil.seq?.(given, this) ?? [given]) this.#write(one);
      return;
    }
    const surplus = this.#surplus.get(given.channel) ?? 0;
    const instead = this.#spoil.down?.(given, this) ?? [given];
    let sent = 0;
    for (const one of instead) {
      if (Buffer.isBuffer(one) || one.keyword === 'SEQ') this.#write(one);
      else {
        this.#write({ ...one, seqno: one.seqno + surplus + sent });
        sent += one.payload.length;
      }
    }
    if (sent !== given.payload.length) this.#surplus.set(given.channel, surplus + sent - given.payload.length);
  }

  #write(one: Instead): void {
    const octets = Buffer.isBuffer(one)
      ? one
      : one.keyword === 'SEQ'
        ? seq(one.channel, one.ackno, one.window)
        : frame(one.keyword, one.channel, one.msgno, one.more, one.seqno, one.payload, one.ansno);
    if (this.#held === undefined) this.client.write(octets);
    else this.#held.push(octets);
  }
}

export class BrokenPeer {
  readonly port: number;
  readonly #server: Server;
  readonly #links = new Set<Link>();

  private constructor(server: Server, links: Set<Link>) {
    this.#server = server;
    this.#links = links;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Listens in front of a relay. */
  static async before(relay: number, spoil: Spoil): Promise<BrokenPeer> {
    const links = new Set<Link>();
    const server = createServer({ noDelay: true }, (client) => {
      const upward = connect({ port: relay, host: '127.0.0.1', noDelay: true });
      const link = new Link(client, upward, spoil);
      links.add(link);
      for (const socket of [client, upward]) socket.on('error', () => {});
      client.on('close', () => {
        links.delete(link);
        upward.destroy();
      });
      upward.on('close', () => {
        const mine = !client.destroyed;
        const last = spoil.last?.(link);
        if (last !== undefined) client.write(last);
        if (spoil.deaf !== true) client.end();
        if (spoil.contagious === true && mine) for (const other of links) other.cut();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new BrokenPeer(server, links);
  }

  close(): void {
    for (const link of this.#links) link.cut();
    this.#server.close();
  }
}
