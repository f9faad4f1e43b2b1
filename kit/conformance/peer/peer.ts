/**
 * A BEEP/IMXP peer over a real socket, written from RFC 3080 and the IMXP drafts, that shows what a relay really sends:
 * greeting, channels, TLS, DIGEST-MD5, attach. It uses nothing from lib/.
 */
import { connect as connectTcp } from 'node:net';
import type { RawMessage } from './channel.js';
import { type DigestLogin, digestAnswer } from './digest.js';
import * as document from './documents.js';
import { visible } from './octet-log.js';
import { type RawPeerOptions, RawSession, type TlsOptions } from './session.js';
import { rawStream } from './websocket.js';

export type { RawPeerOptions } from './session.js';

export type Login = Omit<DigestLogin, 'uri'> & {
  /** The host of `beep/<host>` and the serverName asked for; example.com by default. */
  readonly host?: string;
};

export class RawPeer extends RawSession {
  #nextChannel = 1;

  static async connect(options: RawPeerOptions): Promise<RawPeer> {
    const { port, host = '127.0.0.1', from, transport = 'tcp' } = options;
    if (transport !== 'tcp') return new RawPeer(await rawStream(transport, port, options), options);
    const socket = connectTcp({ port, host, ...(from === undefined ? {} : { localAddress: from }) });
    // Nothing may be missed between the connection and the first listener.
    const peer = new RawPeer(socket, options);
    await peer.connected(socket);
    return peer;
  }

  /** What the relay greeted with last. */
  greeting: Buffer | undefined;

  /** Sends the empty greeting of RFC 3080 §2.3.1.1 and returns the relay's. */
  async greet(): Promise<RawMessage> {
    this.write(this.channel(0).build('RPY', 0, document.GREETING));
    const message = await this.nextReply(0);
    this.greeting = message.payload;
    return message;
  }

  /** Asks for a channel; returns the reply, the channel's number and, if created, its profile's content. */
  async start(uri: string, content?: string, serverName?: string): Promise<Started> {
    const number = this.#nextChannel;
    this.#nextChannel += 2;
    const payload = document.start({ channel: number, uri, ...(content !== undefined && { content }), serverName });
    const reply = await this.request(number, payload);
    return {
      number,
      reply,
      profile: reply.keyword === 'RPY' ? document.profileIn(reply.payload) : undefined,
    };
  }

  /** Closes a channel; returns the reply. */
  async close(number: number): Promise<RawMessage> {
    const reply = await this.ask(0, document.close(number));
    if (reply.keyword === 'RPY' && number !== 0) {
      this.forget(number);
    }
    return reply;
  }

  /** Tunes to TLS (RFC 3080 §3.1) and greets again. */
  async startTls(options: TlsOptions & { readonly uri?: string }): Promise<RawMessage> {
    const { serverName, uri = document.TLS } = options;
    const number = this.#nextChannel;
    const payload = document.start({
      channel: number,
      uri,
      content: '<ready />',
      serverName,
    });
    // RFC 3080 §3.1.3.1: after ready nothing is sent, no SEQ either.
    this.hush();
    const reply = await this.ask(0, payload);
    const profile = document.profileIn(reply.payload);
    if (reply.keyword !== 'RPY' || profile?.uri !== uri || profile.content !== '<proceed />') {
      throw new Error(`no proceed but ${reply.keyword} ${visible(reply.payload)}${this.transcript()}`);
    }
    await this.handshake(options);
    this.#nextChannel = 1;
    return await this.greet();
  }

  /**
   * DIGEST-MD5 (RFC 2831) over BEEP (RFC 3080 §4.1), the server's proof checked. Closes the channel, since only one
   * tuning channel may exist at a time (RFC 3080 §2). Returns the server's verdict.
   */
  async authenticate(login: Login): Promise<RawMessage> {
    const host = login.host ?? 'example.com';
    const { number, reply, profile } = await this.start(document.DIGEST_MD5, undefined, host);
    if (reply.keyword !== 'RPY') return reply;
    const last = await this.answerChallenge(number, profile?.content ?? '', login);
    await this.close(number);
    return last;
  }

  /** Answers a challenge, which came as `content`, on a SASL channel; returns the server's verdict. */
  async answerChallenge(number: number, content: Buffer | string, login: Login): Promise<RawMessage> {
    const challenge = document.blobIn(content);
    if (challenge?.status !== 'continue') throw new Error(`no challenge but ${content}${this.transcript()}`);
    const answer = digestAnswer(challenge.data, { ...login, uri: `beep/${login.host ?? 'example.com'}` });
    const last = await this.ask(number, document.beepXml(document.blob(answer.response)));
    if (last.keyword !== 'RPY') return last;
    const final = document.blobIn(last.payload);
    if (final?.status !== 'complete' || final.data !== answer.rspauth) {
      throw new Error(`expected complete with ${answer.rspauth}, got ${visible(last.payload)}${this.transcript()}`);
    }
    return last;
  }

  /** Opens an IMXP channel with an operation piggybacked; throws unless it was answered `ok`. Returns its number. */
  async imxp(content: string): Promise<number> {
    const { number, reply, profile } = await this.start(document.IMXP, content);
    if (profile?.content !== '<ok />') throw new Error(`no ok but ${visible(reply.payload)}${this.transcript()}`);
    return number;
  }
}

export interface Started {
  readonly number: number;
  readonly reply: RawMessage;
  readonly profile: { readonly uri: string; readonly content: string } | undefined;
}
