/** One mail by SMTP (RFC 5321) or LMTP (RFC 2033), in the simplest way there is; shares no code with the gateway. */
import { connect, type Socket } from 'node:net';

export interface SimpleMail {
  readonly port: number;
  readonly hello: 'EHLO' | 'LHLO';
  readonly from: string;
  readonly to: string;
  /** Default: a short text. */
  readonly data?: string;
}

/** Reads replies of one or several lines. */
class Replies {
  readonly #socket: Socket;
  #heard = '';

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** @returns the last line of the next reply */
  async next(): Promise<string> {
    for (;;) {
      const found = /^(\d\d\d .*)\r\n/m.exec(this.#heard);
      if (found?.[1] !== undefined) {
        this.#heard = this.#heard.slice(found.index + found[0].length);
        return found[1];
      }
      this.#heard += await this.#more();
    }
  }

  #more(): Promise<string> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const end = (error?: Error): void => reject(error ?? new Error(`closed after: ${this.#heard}`));
      socket.once('error', end);
      socket.once('close', end);
      socket.once('data', (text) => {
        socket.off('error', end);
        socket.off('close', end);
        resolve(String(text));
      });
    });
  }
}

/** Hands over one mail. @returns the answer to its content, or the refusal of its recipient or sender */
export async function mailed({ port, hello, from, to, data }: SimpleMail): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.setEncoding('latin1');
  const replies = new Replies(socket);
  try {
    await replies.next();
    let answer = '';
    for (const command of [`${hello} client.slate.example`, `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, 'DATA']) {
      socket.write(`${command}\r\n`);
      answer = await replies.next();
      if (!/^[23]/.test(answer)) return answer;
    }
    socket.write(`${data ?? `From: ${from}\r\nTo: ${to}\r\n\r\nHello`}\r\n.\r\n`);
    return await replies.next();
  } finally {
    socket.destroy();
  }
}
