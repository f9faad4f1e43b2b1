/** A profile that answers every MSG with itself, served by a real listener; for specs of the wire. */

import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ImxpError } from '../../lib/errors.js';
import { payloadOctets } from '../../lib/mime/payload.js';
import { ChannelHandle, type ErrorCodec } from '../../lib/transport/channel.js';
import { Connection } from '../../lib/transport/connection.js';
import { Listener, type ListenerOptions } from '../../lib/transport/listener.js';
import { ProfileTable, type ServedProfile } from '../../lib/transport/profile.js';
import { limitsWith, type SomeLimits } from './limits.js';
import { rawStream, type Transport } from './raw-websocket.js';
import { parties, reached, setupOf } from './transport.js';

export const ECHO = 'http://example.com/echo';

export const PLAIN_ERRORS: ErrorCodec = {
  encodeError: ({ code, text }) => Buffer.from(`\r\n${code} ${text}`),
};

/** Serves {@link ECHO}; `silent` never answers. */
export function echoProfile(silent = false): ServedProfile {
  return {
    uris: [ECHO],
    offered: [ECHO],
    tuning: false,
    needs: [],
    forbids: [],
    start(connection, event, proposal) {
      const channel = new ChannelHandle(connection, event.channel, proposal.uri, PLAIN_ERRORS);
      channel.handler = {
        message(msgno, payload) {
          if (!silent) channel.reply(msgno, 'RPY', payload);
          channel.consume(payloadOctets(payload));
        },
        closed() {},
      };
      connection.accept(event, proposal.uri, undefined, channel);
    },
  };
}

/** Listens on a free port of the loopback interface. */
export async function echoListener(
  options: { readonly limits?: SomeLimits; readonly profiles?: readonly ServedProfile[] } & Partial<
    Pick<ListenerOptions, 'serves' | 'owner' | 'throttle' | 'setup'>
  > & { readonly transport?: Transport | 'any' } = {},
): Promise<{ readonly listener: Listener; readonly port: number }> {
  const { limits, profiles, transport = 'tcp', ...rest } = options;
  const listener = new Listener({
    host: '127.0.0.1',
    port: 0,
    profiles: new ProfileTable(profiles ?? [echoProfile()]),
    limits: limitsWith(limits),
    ...setupOf(transport, limits),
    ...rest,
  });
  return { listener, port: await listener.listen() };
}

export async function connected(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

/** A connection that a foreign peer has made, up to where BEEP begins. */
export function foreign(port: number, transport: Transport = 'tcp'): Promise<Duplex> {
  const authority = transport === 'wss' ? { authority: parties().authority.certificate } : {};
  return rawStream(transport, port, authority);
}

/** An initiator with its end as a promise. */
export interface Initiator {
  readonly connection: Connection;
  readonly ended: Promise<ImxpError | undefined>;
}

export async function initiator(
  port: number,
  options: {
    readonly limits?: SomeLimits;
    readonly profiles?: readonly ServedProfile[];
    readonly transport?: Transport;
  } = {},
): Promise<Initiator> {
  const socket = await connected(port);
  const limits = limitsWith(options.limits);
  const { stream, security } = await reached(options.transport ?? 'tcp', socket, limits);
  let end: (error: ImxpError | undefined) => void = () => {};
  const ended = new Promise<ImxpError | undefined>((resolve) => {
    end = resolve;
  });
  const rules = { role: 'initiator', profiles: new ProfileTable(options.profiles ?? []), limits } as const;
  const connection = new Connection(stream, rules, {
    remote: { address: '127.0.0.1', port },
    local: { address: '127.0.0.1', port: socket.localPort ?? 0 },
    owner: { ended: (_driver, error) => end(error) },
    ...(security === undefined ? {} : { security }),
  });
  return { connection, ended };
}
