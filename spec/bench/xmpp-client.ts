/** XMPP: a chat message that asks for a receipt, and the receipt (XEP-0184) of the recipient's client. */
import { XMPP_DOMAIN, XMPP_PASSWORD } from '../interop/xmpp-peers.js';
import { type Client, type Role, textOf } from './client.js';
import { Corked } from './corked.js';
import type { Submit } from './load.js';

const RESOURCE = 'bench';
const USERS = { send: 'romeo', receive: 'juliet' } as const;
const RECEIPTS = 'urn:xmpp:receipts';
const END = '</message>';

const addressOf = (role: Role): string => `${USERS[role]}@${XMPP_DOMAIN}/${RESOURCE}`;

/** What a server sends, as text that listeners consume from its beginning. */
class Stream {
  readonly socket: Corked;
  #received = '';
  #consume: (received: string) => number = () => 0;

  constructor(socket: Corked) {
    this.socket = socket;
    socket.onData((chunk) => {
      this.#received += chunk.toString('latin1');
      this.#advance();
    });
  }

  /** @param consume returns how many characters it has dealt with */
  listen(consume: (received: string) => number): void {
    this.#consume = consume;
    this.#advance();
  }

  /** Writes, and waits for something in the answer. */
  async ask(octets: string, answer: string): Promise<void> {
    this.socket.write(octets);
    await new Promise<void>((resolve, reject) => {
      this.listen((received) => {
        if (/<failure|<stream:error|type=.error/.test(received)) reject(new Error(`XMPP: ${received}`));
        const at = received.indexOf(answer);
        if (at < 0) return 0;
        resolve();
        return received.length;
      });
    });
  }

  #advance(): void {
    this.#received = this.#received.slice(this.#consume(this.#received));
  }
}

const OPEN = `<?xml version='1.0'?><stream:stream to='${XMPP_DOMAIN}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`;

async function loggedIn(role: Role, port: number): Promise<Stream> {
  const stream = new Stream(await Corked.open(port));
  const plain = Buffer.from(`\0${USERS[role]}\0${XMPP_PASSWORD}`).toString('base64');
  await stream.ask(OPEN, '</stream:features>');
  await stream.ask(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${plain}</auth>`, '<success');
  await stream.ask(OPEN, '</stream:features>');
  const bind = `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${RESOURCE}</resource></bind>`;
  await stream.ask(`<iq type='set' id='bind'>${bind}</iq>`, '</iq>');
  await stream.ask("<iq type='set' id='session'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>", '<iq');
  await stream.ask(
    `<presence/><iq type='get' id='ping' to='${XMPP_DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>`,
    "ping'",
  );
  return stream;
}

/** Calls back for each whole message. */
function messages(stream: Stream, take: (message: string) => void): void {
  stream.listen((received) => {
    let at = 0;
    for (let end = received.indexOf(END); end >= 0; end = received.indexOf(END, at)) {
      take(received.slice(at, end));
      at = end + END.length;
    }
    return at;
  });
}

const idIn = (message: string, from: number): string => /\sid=['"]([^'"]*)/.exec(message.slice(from))?.[1] ?? '';

export async function xmppClient(role: Role, port: number): Promise<Client | undefined> {
  const stream = await loggedIn(role, port);
  const { socket } = stream;
  if (role === 'receive') {
    messages(stream, (message) => {
      const id = idIn(message, message.indexOf('<message'));
      const receipt = `<received xmlns='${RECEIPTS}' id='${id}'/>`;
      socket.write(`<message to='${addressOf('send')}' id='r${id}' type='chat'>${receipt}</message>`);
    });
    return undefined;
  }
  const waiting = new Map<string, Parameters<Submit>[0]>();
  messages(stream, (message) => {
    const at = message.indexOf('<received');
    if (at < 0) throw new Error(`XMPP: ${message}`);
    const id = idIn(message, at);
    const done = waiting.get(id);
    if (done === undefined) throw new Error(`XMPP: a receipt for nothing: ${message}`);
    waiting.delete(id);
    done(undefined);
  });
  let number = 0;
  return {
    submitting: (octets) => {
      const rest = `type='chat'><body>${textOf(octets)}</body><request xmlns='${RECEIPTS}'/></message>`;
      return (done) => {
        number += 1;
        waiting.set(`m${number}`, done);
        socket.write(`<message to='${addressOf('receive')}' id='m${number}' ${rest}`);
      };
    },
  };
}
