/** Readers of documents inside of Data, DNS answers, WebSockets, and recordings. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { duplexPair } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { decode, encode } from 'dns-packet';
import { connections } from '../../../kit/decoder/connections.js';
import { RecordingError } from '../../../kit/decoder/packet.js';
import { packets, uncompressed } from '../../../kit/decoder/recording.js';
import { segments } from '../../../kit/decoder/segment.js';
import { WatchedSession } from '../../../kit/decoder/session.js';
import { readAccessOperation } from '../../../lib/imxp/vocabulary/access.js';
import { readApexAccess } from '../../../lib/imxp/vocabulary/apex-access.js';
import { readHopping, readTiming } from '../../../lib/imxp/vocabulary/party.js';
import { readPresenceOperation } from '../../../lib/imxp/vocabulary/presence.js';
import { readServiceReply } from '../../../lib/imxp/vocabulary/reply.js';
import { readStatusResponse } from '../../../lib/imxp/vocabulary/status.js';
import { DnsClient } from '../../../lib/mesh/dns/client.js';
import { parseAddressList } from '../../../lib/message/address-list.js';
import { parseCpim, writeCpim } from '../../../lib/message/cpim/document.js';
import { readPidf } from '../../../lib/message/pidf.js';
import { readMessage } from '../../../lib/message/read.js';
import { parseMailAddresses } from '../../../lib/message/rfc822/address.js';
import { decodeWords } from '../../../lib/message/rfc822/encoded-word.js';
import { parseInstantUri } from '../../../lib/message/uri.js';
import { UpgradeServer } from '../../../lib/transport/web/upgrade-server.js';
import { parseXml } from '../../../lib/xml/parse.js';
import { limitsWith } from '../../support/limits.js';
import type { Dice } from '../../support/mutation.js';
import { nextRecording, type Recorded, recording } from '../../support/recording.js';
import { each, inPieces, type Reader, texts } from '../reader.js';

const MESSAGE =
  "<message xmlns='http://www.ietf.org/rfc/rfc822+xml'><from>im:fred@example.com</from><to>im:barney@rubble.com</to><subject>a b</subject><date>Sat, 21 Nov 2026 06:00:00 +0000</date><body type='text/plain'>yabba</body></message>";
const PRESENCE =
  "<publish publisher='fred@example.com' transID='1' timeStamp='2026-11-21T06:00:00Z'><presence publisher='fred@example.com' lastUpdate='2026-11-21T06:00:00Z' publisherInfo='http://example.com/'><tuple destination='im:fred@example.com' availableUntil='2027-11-21T06:00:00Z' tupleInfo='x'><capability baseline='text'>text/plain</capability></tuple></presence></publish>";
const ACCESS = [
  "<get owner='fred@example.com' transID='1' />",
  "<set transID='2' lastUpdate='2026-11-21T06:00:00Z'><access owner='fred@example.com' lastUpdate='2026-11-21T06:00:00Z'><entry actor='*@*' actions='core:data presence:subscribe' /></access></set>",
  "<get owner='fred@example.com' transID='1'><entry actor='barney@*' actions='all:all' /></get>",
];

/** One connection. */
const GREETINGS: readonly Recorded[] = [
  { from: '127.0.0.1:40000', to: '127.0.0.1:10913', sequence: 0, flags: 'S' },
  { from: '127.0.0.1:10913', to: '127.0.0.1:40000', sequence: 0, flags: 'SA' },
  { from: '127.0.0.1:10913', to: '127.0.0.1:40000', sequence: 1, payload: 'RPY 0 0 . 0 14\r\n\r\n<greeting />END\r\n' },
  { from: '127.0.0.1:40000', to: '127.0.0.1:10913', sequence: 1, payload: 'RPY 0 0 . 0 14\r\n\r\n<greeting />END\r\n' },
  { from: '127.0.0.1:40000', to: '127.0.0.1:10913', sequence: 36, payload: 'SEQ 0 14 4096\r\n', flags: 'F' },
];

/** A WebSocket frame of a client. */
function masked(opcode: number, text: string): Buffer {
  const payload = Buffer.from(text);
  const mask = Buffer.from([1, 2, 3, 4]);
  const covered = Buffer.from(payload.map((octet, index) => octet ^ (mask[index % 4] ?? 0)));
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length]), mask, covered]);
}

const UPGRADE = Buffer.from(
  'GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
);

/** A request for a WebSocket and what follows it, over a stream in memory. */
async function webSocket(door: UpgradeServer, octets: Buffer, dice: Dice): Promise<void> {
  const [client, server] = duplexPair();
  client.on('error', () => {}).resume();
  const entered = door.receive(server);
  inPieces(octets, dice, (piece) => client.write(piece));
  // Both sides have had their turn by then; what is not over now waits for more, or for a close to be answered.
  setImmediate(() => setImmediate(() => server.destroy()));
  const stream = await entered;
  await new Promise<void>((resolve, reject) => {
    stream.on('error', reject).on('close', resolve).resume();
    if (stream.destroyed) resolve();
  });
}

/** A name server that answers with given octets, and then as it should: the client has to find out which is which. */
class Liar {
  readonly socket: Socket = createSocket('udp4');
  answer: Buffer = Buffer.alloc(0);

  async listen(): Promise<DnsClient> {
    this.socket.on('message', (query, { port, address }) => {
      const lie = Buffer.from(this.answer);
      query.copy(lie, 0, 0, Math.min(2, lie.length));
      if (lie.length > 0) this.socket.send(lie, port, address);
      const { id = 0, questions = [] } = decode(query);
      this.socket.send(encode({ type: 'response', id, flags: 3, questions }), port, address);
    });
    // An answer may say that there is more by TCP; without a listener of its own, somebody else's could be at that port.
    const hangsUp = createServer((socket) => void socket.destroy()).listen(0, '127.0.0.1');
    await once(hangsUp, 'listening');
    hangsUp.unref();
    const address = hangsUp.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    this.socket.bind(port, '127.0.0.1');
    await once(this.socket, 'listening');
    this.socket.unref();
    // An alias may lead to a name that no answer can repeat: asking for it ends by the time limit, which is short here.
    return new DnsClient({ servers: [`127.0.0.1:${port}`], timeoutMs: 50 });
  }
}

export async function documentReaders(): Promise<Reader[]> {
  const name = '_imxp._tcp.example.com';
  const liar = new Liar();
  const dns = await liar.listen();
  const door = new UpgradeServer(
    { path: '/', origins: ['*'], knows: () => true },
    limitsWith({ websocket: { pingMs: 0 } }),
  );
  return [
    {
      target: 'messages',
      name: 'messages: RFC822+XML and its fields',
      seeds: texts(
        MESSAGE,
        'Fred <im:fred@example.com>, im:barney@rubble.com',
        '=?utf-8?Q?Fr=C3=A9d?= =?utf-8?B?w6Q=?=',
        'im:a%40b@c',
      ),
      read: (octets) => {
        const text = octets.toString('latin1');
        decodeWords(text);
        each(
          () => readMessage(octets),
          () => parseAddressList(text),
          () => parseMailAddresses(text, 'mailto'),
          () => parseInstantUri(text),
        );
      },
    },
    {
      target: 'pidf',
      name: 'messages: CPIM and PIDF',
      seeds: [
        writeCpim({
          from: { phrase: undefined, uri: 'im:fred@example.com' },
          to: [{ phrase: undefined, uri: 'im:barney@rubble.com' }],
          dateTime: new Date(0),
          content: { type: 'text/plain', body: Buffer.from('yabba') },
        }),
        ...texts(
          'Content-Type: message/cpim\r\n\r\nFrom: Fred <im:fred@example.com>\r\nTo: <im:barney@rubble.com>\r\nDateTime: 2026-11-21T06:00:00Z\r\nSubject:;lang=fr x\\u00e9\r\nNS: A <urn:x>\r\n\r\nContent-Type: text/plain\r\n\r\nyabba',
          "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:fred@example.com'><tuple id='a'><status><basic>open</basic></status><contact priority='0.8'>im:fred@example.com</contact></tuple></presence>",
        ),
      ],
      read: (octets) =>
        each(
          () => parseCpim(octets),
          () => readPidf(octets),
        ),
    },
    {
      target: 'documents',
      name: 'documents: access, presence, status, and what goes with Data',
      seeds: texts(
        ...ACCESS,
        PRESENCE,
        "<subscribe publisher='fred@example.com' duration='86400' transID='100' />",
        "<reply code='250' transID='3' />",
        "<statusResponse transID='4'><destination identity='barney@rubble.com'><reply code='250' /></destination></statusResponse>",
        "<dataTiming noLaterThan='60000' reportErrors='true' />",
        "<dataHopping noMoreThan='4' />",
      ),
      read: (octets) =>
        each(
          () => readTiming(octets),
          () => readHopping(octets),
          ...[readAccessOperation, readApexAccess, readPresenceOperation, readServiceReply, readStatusResponse].map(
            (read) => () => read(parseXml(octets)),
          ),
          () => readPresenceOperation(parseXml(octets), 'apex'),
        ),
    },
    {
      target: 'dns',
      name: 'DNS: answers',
      seeds: [
        encode({
          type: 'response',
          id: 0,
          questions: [{ type: 'SRV', name }],
          answers: [
            { type: 'SRV', name, ttl: 60, data: { priority: 1, weight: 2, port: 3, target: 'relay.example.com' } },
            { type: 'CNAME', name, ttl: 60, data: 'other.example.com' },
          ],
          additionals: [{ type: 'A', name: 'relay.example.com', ttl: 60, data: '127.0.0.1' }],
        }),
      ],
      read: async (octets) => {
        liar.answer = octets;
        await dns.srv(name);
      },
    },
    {
      target: 'websocket',
      name: 'WebSocket: request and frames',
      seeds: [
        Buffer.concat([UPGRADE, masked(2, 'RPY 0 0 . 0 0\r\nEND\r\n'), masked(9, 'x'), masked(8, '')]),
        Buffer.concat([UPGRADE, masked(1, 'hello'), masked(0, 'x'), masked(10, '')]),
      ],
      read: (octets, dice) => webSocket(door, octets, dice),
    },
    {
      target: 'recordings',
      name: 'recordings of imxp wire',
      seeds: [
        recording(GREETINGS),
        recording(GREETINGS, { link: 'wireless with radiotap', modified: true }),
        nextRecording(GREETINGS, { links: ['ethernet', 'netfilter', 'packet filter'], resolution: 9, offset: 7 }),
        gzipSync(nextRecording(GREETINGS, { blocks: 'old', bigEndian: true })),
      ],
      throws: (error) => error instanceof RecordingError,
      read: (octets) => {
        for (const { chunks } of connections(segments(packets(uncompressed(octets))), undefined)) {
          const session = new WatchedSession(true);
          for (const chunk of chunks) Array.from(session.take(chunk));
          Array.from(session.finish());
        }
      },
    },
  ];
}
