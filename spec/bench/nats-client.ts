/** NATS: a message with a reply subject, and the reply of the recipient's application to it. */
import { type Client, InOrder, type Role, textOf } from './client.js';
import { Corked } from './corked.js';

const RECIPIENT = 'barney';
const ANSWERS = 'fred.answers';
const CRLF = '\r\n';
/** A server that knows no subscriber says so, instead of discarding the message in silence. */
const CONNECT = 'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}';

/** Calls back for each message, with the subject for replies, or with undefined where the server says that none is subscribed. */
function reading(socket: Corked, message: (reply: string | undefined) => void, pong: () => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.onData((chunk) => {
    const octets = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (;;) {
      const end = octets.indexOf(CRLF, at);
      if (end < 0) break;
      const line = octets.toString('latin1', at, end);
      let next = end + CRLF.length;
      if (line.startsWith('MSG ') || line.startsWith('HMSG ')) {
        const words = line.split(' ');
        next += Number(words.at(-1)) + CRLF.length;
        if (next > octets.length) break;
        if (line.startsWith('HMSG ')) message(undefined);
        else message(words[3] ?? '');
      } else if (line === 'PING') socket.write(`PONG${CRLF}`);
      else if (line === 'PONG') pong();
      else if (line.startsWith('-ERR')) throw new Error(`NATS: ${line}`);
      at = next;
    }
    rest = octets.subarray(at);
  });
}

async function subscribed(port: number, subject: string, message: (socket: Corked, reply?: string) => void) {
  const socket = await Corked.open(port);
  await new Promise<void>((resolve) => {
    reading(socket, (reply) => message(socket, reply), resolve);
    socket.write([CONNECT, `SUB ${subject} 1`, 'PING', ''].join(CRLF));
  });
  return socket;
}

/** Tries until the servers have told each other of the recipient. */
async function known(submit: Client['submitting']): Promise<void> {
  const once = (): Promise<string | undefined> => new Promise((resolve) => submit(1)(resolve));
  for (let tries = 0; (await once()) !== undefined; tries += 1) {
    if (tries > 200) throw new Error('NATS: the recipient stays unknown');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function natsClient(role: Role, port: number): Promise<Client | undefined> {
  if (role === 'receive') {
    await subscribed(port, RECIPIENT, (socket, reply) => socket.write(`PUB ${reply} 2${CRLF}ok${CRLF}`));
    return undefined;
  }
  const waiting = new InOrder();
  const socket = await subscribed(port, ANSWERS, (_, reply) =>
    waiting.answered(reply === undefined ? 'no subscriber' : undefined),
  );
  const submitting: Client['submitting'] = (octets) => {
    const head = `PUB ${RECIPIENT} ${ANSWERS} ${octets}${CRLF}`;
    const message = Buffer.concat([Buffer.from(head), textOf(octets), Buffer.from(CRLF)]);
    return (done) => {
      waiting.push(done);
      socket.write(message);
    };
  };
  await known(submitting);
  return { submitting };
}
