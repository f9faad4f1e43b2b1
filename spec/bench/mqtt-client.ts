/**
 * MQTT 3.1.1: a message of quality of service 1, and an answer of quality 0 by the recipient's application, because the
 * acknowledgement of a broker says nothing of the recipient.
 */
import { type Client, InOrder, type Role, textOf } from './client.js';
import { Corked } from './corked.js';

export const RECIPIENT_TOPIC = 'to/barney';
export const ANSWER_TOPIC = 'to/fred';

const CONNACK = 2;
const PUBLISH = 3;
const PUBACK = 4;
const SUBACK = 9;

const word = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const text = (value: string): Buffer => Buffer.concat([word(value.length), Buffer.from(value)]);

function packet(first: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length: number[] = [];
  for (let left = body.length; length.length === 0 || left > 0; left >>= 7)
    length.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

type Packet = (kind: number, flags: number, body: Buffer) => void;

function reading(socket: Corked, take: Packet): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.onData((chunk) => {
    const octets = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (at + 1 < octets.length) {
      let length = 0;
      let body = at + 1;
      let more = true;
      for (let shift = 0; more && body < octets.length; shift += 7, body += 1) {
        const octet = octets[body] ?? 0;
        length |= (octet & 0x7f) << shift;
        more = octet > 0x7f;
      }
      if (more || body + length > octets.length) break;
      const first = octets[at] ?? 0;
      take(first >> 4, first & 0x0f, octets.subarray(body, body + length));
      at = body + length;
    }
    rest = octets.subarray(at);
  });
}

export async function mqttClient(role: Role, port: number): Promise<Client | undefined> {
  const waiting = new InOrder();
  const socket = await Corked.open(port);
  const [own, quality] = role === 'send' ? [ANSWER_TOPIC, 0] : [RECIPIENT_TOPIC, 1];
  const answer = packet(PUBLISH << 4, text(ANSWER_TOPIC), Buffer.from('ok'));
  await new Promise<void>((resolve, reject) => {
    reading(socket, (kind, flags, body) => {
      if (kind === CONNACK) {
        if (body[1] !== 0) reject(new Error(`MQTT: the broker refuses with ${body[1]}`));
        socket.write(packet((8 << 4) | 2, word(1), text(own), Buffer.from([quality])));
      } else if (kind === SUBACK) resolve();
      else if (kind === PUBLISH && role === 'send') waiting.answered(undefined);
      else if (kind === PUBLISH) {
        if ((flags & 2) !== 0) {
          const at = 2 + body.readUInt16BE(0);
          socket.write(packet(PUBACK << 4, body.subarray(at, at + 2)));
        }
        socket.write(answer);
      }
    });
    socket.write(packet(1 << 4, text('MQTT'), Buffer.from([4, 2]), word(0), text(role)));
  });
  if (role === 'receive') return undefined;
  let id = 0;
  return {
    submitting: (octets) => {
      const content = textOf(octets);
      const topic = text(RECIPIENT_TOPIC);
      return (done) => {
        waiting.push(done);
        id = (id % 0xffff) + 1;
        socket.write(packet((PUBLISH << 4) | 2, topic, word(id), content));
      };
    },
  };
}
