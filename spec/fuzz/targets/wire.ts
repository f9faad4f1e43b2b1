/** Readers of octets that strangers send on the wire. */
import { isDeepStrictEqual } from 'node:util';
import { Decoder } from '../../../lib/beep/decoder.js';
import type { SessionEvent } from '../../../lib/beep/event.js';
import { SEQ } from '../../../lib/beep/frame.js';
import { type Role, Session } from '../../../lib/beep/session.js';
import { parseRelayUrl } from '../../../lib/config/relay-url.js';
import { addressOf } from '../../../lib/imxp/address.js';
import { contentOf } from '../../../lib/imxp/content.js';
import { APEX, ApexDialect } from '../../../lib/imxp/dialect/apex.js';
import { DIALECT_LIMITS } from '../../../lib/imxp/dialect/dialect.js';
import { IMXP, ImxpDialect, imxpDialect } from '../../../lib/imxp/dialect/imxp.js';
import { DataScanner } from '../../../lib/imxp/dialect/scan.js';
import type { Data } from '../../../lib/imxp/operation.js';
import { opaque } from '../../../lib/message/smime/entity.js';
import { parseEntity } from '../../../lib/mime/entity.js';
import { parseMediaType } from '../../../lib/mime/media-type.js';
import { parseMultipart } from '../../../lib/mime/multipart.js';
import { contiguous, payloadOctets } from '../../../lib/mime/payload.js';
import { parseAnswer, parseBlob } from '../../../lib/sasl/blob.js';
import { DigestLayer } from '../../../lib/sasl/digest-md5/layer.js';
import { parseChallenge, parseResponse, parseServerProof } from '../../../lib/sasl/digest-md5/message.js';
import {
  parseClientFinal,
  parseClientFirst,
  parseServerFinal,
  parseServerFirst,
} from '../../../lib/sasl/scram/message.js';
import { SaslServer } from '../../../lib/sasl/server.js';
import { mechanismUri } from '../../../lib/sasl/uri.js';
import { answerReady, octetsForTls } from '../../../lib/tls/tuning.js';
import { certificateNames } from '../../../lib/transport/tls/certificate.js';
import { ClientHelloReader } from '../../../lib/transport/tls/client-hello.js';
import { RecordReader } from '../../../lib/transport/tls/record.js';
import { RevocationList } from '../../../lib/transport/tls/revocation.js';
import { parseXml } from '../../../lib/xml/parse.js';
import { arrived, BARNEY, barney, FRED, fred, secureOf, text } from '../../message/smime/people.js';
import { People, settings } from '../../sasl/people.js';
import { TestAuthority } from '../../support/certificates.js';
import { helloMessage, records } from '../../support/hello.js';
import * as document from '../../support/raw-documents.js';
import { frame, seq } from '../../support/raw-frame.js';
import { each, inPieces, type Reader, texts } from '../reader.js';

const XML = texts(
  "<data originator='fred@example.com' content='#Payload'><recipient identity='barney@rubble.com'><option internal='x' targetHop='all' /></recipient><data-content Name='Payload'><note>a &amp; b &#65;<![CDATA[<>]]></note></data-content></data>",
  "<attach endpoint='fred@example.com' transID='1' />",
  "<bind relay='example.com' transID='2147483647'><option external='http://example.com/o' mustUnderstand='true' /></bind>",
  "<terminate transID='1'/>",
  '<ok />',
  "<error code='550' xml:lang='en'>unknown</error>",
  '<?xml version="1.0" encoding="UTF-8"?><!-- c --><a b="c"><d/>e</a>',
);
const INLINE = Buffer.from(
  document.inlineData('fred@example.com', ['barney@rubble.com', 'wilma@example.com'], '<note>hi</note>'),
);
const MULTIPART = document.multipartData('fred@example.com', ['barney@rubble.com'], Buffer.from('abba dabba'));
const PAYLOADS = [INLINE, MULTIPART, ...XML.map((xml) => Buffer.from(document.textXml(xml.toString()))), ...XML];

const CONTROL = [
  document.start({ channel: 3, uri: document.IMXP, content: "<attach endpoint='fred@example.com' transID='1' />" }),
  document.close(1),
  document.close(0),
  document.beepXml('<ok />'),
  document.beepXml("<error code='550'>no</error>"),
  document.beepXml(`<profile uri='${document.IMXP}'><![CDATA[<ok />]]></profile>`),
];

/** A session with a channel, and what its peer may say next. */
function session(role: Role): Session {
  const made = new Session({ role, profiles: [document.IMXP], limits: { channels: 16, messageOctets: 65_536 } });
  drain(made);
  made.receive(frame('RPY', 0, 0, '.', 0, document.GREETING));
  drain(made);
  return made;
}

function drain(of: Session): void {
  for (let event: SessionEvent | undefined = of.nextEvent(); event !== undefined; event = of.nextEvent())
    answer(of, event);
  while (of.transmit(65_536).length > 0);
}

function answer(of: Session, event: SessionEvent): void {
  if (event.type === 'start') of.acceptStart(event, event.proposals[0]?.uri ?? document.IMXP);
  else if (event.type === 'message') {
    of.send(event.channel, { kind: 'RPY', msgno: event.msgno, payload: Buffer.from(document.OK) });
    of.consume(event.channel, payloadOctets(event.payload));
  } else if (event.type === 'too-large')
    of.send(event.channel, { kind: 'ERR', msgno: event.msgno, payload: Buffer.from('x') });
  else if (event.type === 'close') of.acceptClose(event.channel);
}

function conversations(): Buffer[] {
  const at = document.GREETING.length;
  const start = document.start({ channel: 1, uri: document.IMXP });
  const open = frame('MSG', 0, 1, '.', at, start);
  const next = at + start.length;
  return [
    Buffer.concat([
      open,
      frame('MSG', 1, 0, '.', 0, INLINE),
      frame('MSG', 1, 1, '.', INLINE.length, document.textXml('<ok />')),
    ]),
    Buffer.concat([
      open,
      seq(1, 0, 4096),
      frame('MSG', 1, 0, '*', 0, 'abc'),
      frame('MSG', 1, 0, '.', 3, 'def'),
      seq(0, 0, 8192),
    ]),
    Buffer.concat([
      open,
      frame('MSG', 1, 0, '*', 0, INLINE.subarray(0, 5)),
      frame('MSG', 1, 0, '*', 5, 'x'.repeat(2500)),
      frame('MSG', 1, 0, '*', 2505, ''),
      frame('MSG', 1, 0, '.', 2505, 'y'.repeat(1500)),
    ]),
    Buffer.concat([open, frame('MSG', 0, 2, '.', next, document.close(1))]),
    Buffer.concat([open, frame('ANS', 1, 0, '.', 0, 'x', 1), frame('NUL', 1, 0, '.', 1, '')]),
    ...CONTROL.map((payload, index) => frame('MSG', 0, 1 + index, '.', at, payload)),
    frame('RPY', 0, 1, '.', at, CONTROL[5] ?? ''),
    frame('ERR', 0, 1, '.', at, CONTROL[4] ?? ''),
  ];
}

/** Signed and encrypted content; what is believed must be what was signed. */
function smimeReaders(): Reader[] {
  const [fredsSide, barneysSide] = [secureOf(fred), secureOf(barney, { classic: true })];
  const seal = { from: FRED, to: [BARNEY] };
  const signed = (body: string) => fredsSide.seal(text(body), { ...seal, sign: true });
  const around = fredsSide.seal({ type: 'message/x', body: Buffer.from('Yabba\n') }, { ...seal, sign: true });
  const encrypted = [fredsSide, secureOf(fred, { classic: true })].map((side) =>
    side.seal(text('Yabba'), { ...seal, encrypt: true }),
  );
  const open = (entity: Parameters<typeof barneysSide.open>[0]): void => {
    const opened = barneysSide.open(entity, FRED);
    const said = opened.entity.body.toString();
    if (opened.signed?.valid === true && said.trim() !== 'Yabba') throw new Error(`believed: ${said}`);
  };
  return [
    {
      target: 'smime',
      name: 'S/MIME: entities',
      seeds: [signed('Yabba'), ...encrypted].map(({ type, body }) =>
        Buffer.concat([Buffer.from(`Content-Type: ${type}\r\n\r\n`), body]),
      ),
      read: (octets) => open(parseEntity(octets)),
    },
    {
      target: 'smime',
      name: 'S/MIME: CMS',
      seeds: [around, ...encrypted].map(({ body }) => body),
      read: (octets) => open(arrived(opaque('signed-data', octets))),
    },
  ];
}

/** The scanner of the hot path against the parsers: it sees a payload as they do, or not at all. */
function scanReaders(): Reader[] {
  const pairs = [
    { vocabulary: IMXP, dialect: new ImxpDialect(DIALECT_LIMITS) },
    { vocabulary: APEX, dialect: new ApexDialect(DIALECT_LIMITS) },
  ];
  return pairs.map(({ vocabulary, dialect }): Reader => {
    const scanner = new DataScanner(vocabulary.plain, DIALECT_LIMITS);
    return {
      target: 'scan',
      name: `scan: ${vocabulary.name}`,
      seeds: PAYLOADS.flatMap((payload) => [payload, Buffer.from(inApex(payload.toString('latin1')), 'latin1')]),
      read: (octets, dice) => {
        const scanned = scanner.scan(octets);
        const pieces: Buffer[] = [];
        inPieces(octets, dice, (piece) => pieces.push(piece));
        const cut = scanner.scan(octets.subarray(0, dice.below(octets.length + 1)), pieces);
        if (cut !== undefined && !isDeepStrictEqual(joined(cut), scanned))
          throw new Error('pieces are read differently');
        // What the parsers refuse, the scanner must leave: they throw here.
        if (scanned === undefined) return void dialect.parse(octets);
        let parsed: unknown;
        try {
          parsed = dialect.parse(octets);
        } catch (error) {
          throw new Error(`the scanner takes what the parsers refuse: ${String(error)}`);
        }
        if (!isDeepStrictEqual(scanned, parsed)) throw new Error('the scanner and the parsers differ');
      },
    };
  });
}

/** An operation as it is read from one buffer. */
function joined(data: Data): Data {
  const { source } = data;
  return source === undefined ? data : { ...data, source: { ...source, payload: contiguous(source.payload) } };
}

function inApex(payload: string): string {
  return payload
    .replaceAll('text/xml', APEX.controlType)
    .replace(/<data ([^>]*?)(\s*)originator=('[^']*'|"[^"]*")([^>]*)>/, '<data $1$4><originator identity=$3 />')
    .replace('<data  ', '<data ');
}

export async function wireReaders(): Promise<Reader[]> {
  const dialect = imxpDialect();
  const authority = new TestAuthority();
  const { der } = authority.issue({
    domains: ['example.com'],
    mailboxes: ['fred@example.com'],
    uris: ['im:fred@example.com'],
  });
  const crl = Buffer.from(authority.revocations(['1001', '1002']));
  const crlDer = Buffer.from(`${crl}`.replace(/-----[^-]+-----/g, ''), 'base64');
  const people = await new People().add('fred@example.com', 'yabba');
  const node = settings(people);
  const digestResponse =
    'charset=utf-8,username="fred",realm="example.com",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",digest-uri="beep/example.com",response=d388dad90d4bbd760a152321f2143af7,qop=auth';
  const digestChallenge =
    'realm="example.com",nonce="OA6MG9tEQGm2hh",qop="auth,auth-int,auth-conf",algorithm=md5-sess,charset=utf-8,cipher="3des,rc4",maxbuf=65536';
  const layer = { role: 'server', sessionKey: Buffer.alloc(16, 7), peerMaxbuf: 65_536, maxbuf: 65_536 } as const;
  const integrity = (role: 'client' | 'server') =>
    new DigestLayer({ ...layer, role, qop: 'auth-int', cipher: undefined });
  const sealed = (role: 'client' | 'server') => new DigestLayer({ ...layer, role, qop: 'auth-conf', cipher: 'rc4' });
  return [
    {
      target: 'beep',
      name: 'frames: Decoder',
      seeds: conversations(),
      read: (octets, dice) => {
        const decoder = new Decoder();
        let body = false;
        inPieces(octets, dice, (piece) => {
          decoder.push(piece);
          for (;;) {
            if (body) {
              if (!decoder.skip()) return;
              body = false;
            }
            if (!decoder.header()) return;
            if (decoder.frame.keyword === SEQ) continue;
            body = decoder.take() === undefined;
          }
        });
      },
    },
    ...(['listener', 'initiator'] as const).map(
      (role): Reader => ({
        target: 'beep',
        name: `session: ${role}`,
        seeds: conversations(),
        read: (octets, dice) => {
          const under = session(role);
          if (role === 'initiator') under.start({ profiles: [{ uri: document.IMXP }] });
          inPieces(octets, dice, (piece) => {
            under.receive(piece);
            drain(under);
          });
        },
      }),
    ),
    { target: 'xml', name: 'XML', seeds: XML, read: (octets) => void parseXml(octets) },
    {
      target: 'mime',
      name: 'MIME',
      seeds: [
        MULTIPART,
        INLINE,
        ...texts(
          'Content-Type: text/plain; charset="utf-8" (comment);\r\n name*=utf-8\'\'x\r\nContent-ID: <a@b>\r\n\r\nbody',
        ),
      ],
      read: (octets) => {
        const { headers, bodyStart } = parseEntity(octets);
        const type = parseMediaType(headers.get('Content-Type') ?? 'text/plain');
        void parseMultipart(octets, bodyStart, type);
      },
    },
    {
      target: 'imxp',
      name: 'operations: the IMXP dialect',
      seeds: PAYLOADS,
      read: (octets) =>
        each(
          () => {
            const operation = dialect.decode(octets);
            if (operation.type !== 'data') return;
            contentOf(operation);
            dialect.encodeData(operation);
          },
          () => dialect.decodeReply(octets),
          () => dialect.decodeInitial(octets),
          () => dialect.decodeInitialReply(octets),
        ),
    },
    ...scanReaders(),
    {
      target: 'sasl',
      name: 'SASL: messages',
      seeds: texts(
        digestResponse,
        digestChallenge,
        'rspauth=ea40f60335c427b5527b84dbabcdfffd',
        'n,,n=fred,r=fyko+d2lbbFgONRv9qkxdawL',
        'p=tls-exporter,a=fred,n=fr=2Ced,r=abc,ext=1',
        'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
        'r=fyko+d2l,s=QSXCR+Q6sek8bf92,i=4096',
        'v=rmF9pqV8S7suAoZWja4dJRkFsKQ=',
        "<blob status='continue'>YWJj</blob>",
        '<blob>AAAA</blob>',
        "<error code='535'>no</error>",
      ),
      read: (octets) =>
        each(
          () => parseResponse(octets),
          () => parseChallenge(octets),
          () => parseServerProof(octets),
          () => parseClientFirst(octets),
          () => parseClientFinal(octets),
          () => parseServerFirst(octets),
          () => parseServerFinal(octets),
          () => parseBlob(octets),
          () => parseAnswer(octets),
        ),
    },
    {
      target: 'sasl',
      name: 'SASL: DIGEST-MD5 exchange',
      seeds: texts(digestResponse).map((octets) => Buffer.from(document.beepXml(document.blob(`${octets}`)))),
      read: async (octets) => {
        const exchange = new SaslServer(node, { privacy: false }).exchange(mechanismUri('DIGEST-MD5'));
        await exchange.start(undefined);
        const verdict = await exchange.receive(octets);
        if (verdict.type === 'blob' && verdict.authentication !== undefined) throw new Error('let in');
      },
    },
    {
      target: 'sasl',
      name: 'SASL: security layer',
      seeds: [
        integrity('client').wrap(Buffer.from('MSG 0 1 . 0 0\r\nEND\r\n')),
        sealed('client').wrap(Buffer.from('hello')),
      ],
      read: (octets, dice) =>
        each(
          () => inPieces(octets, dice, (piece) => void integrity('server').unwrap(piece)),
          () => inPieces(octets, dice, (piece) => void sealed('server').unwrap(piece)),
        ),
    },
    {
      target: 'tls-hello',
      name: 'TLS: ready, and what follows',
      seeds: texts('<ready />', "<ready version='1' />", 'SEQ 1 100 4096\r\n').concat(records(helloMessage())),
      read: (octets) =>
        each(
          () => answerReady(octets, { available: true, privacy: false, authenticated: false, layered: false }),
          () => octetsForTls(octets, 'server'),
          () => octetsForTls(octets, 'client'),
        ),
    },
    {
      target: 'tls-hello',
      name: 'TLS: ClientHello',
      seeds: [
        records(helloMessage({ serverName: 'example.com', versions: [0x0304, 0x0303] })),
        records(helloMessage({ serverName: 'example.com' }), 7),
        records(helloMessage({ bare: true })),
      ],
      read: (octets, dice) => {
        const reader = new ClientHelloReader();
        let done = false;
        inPieces(octets, dice, (piece) => {
          if (!done) done = reader.push(piece) !== undefined;
        });
      },
    },
    {
      target: 'tls-hello',
      name: 'TLS: records',
      seeds: [records(helloMessage(), 100)],
      read: (octets, dice) => {
        const reader = new RecordReader();
        inPieces(octets, dice, (piece) => reader.read(piece, () => true));
      },
    },
    ...smimeReaders(),
    { target: 'certificates', name: 'certificates', seeds: [der], read: (octets) => void certificateNames(octets) },
    {
      target: 'certificates',
      name: 'revocation lists',
      seeds: [crl, crlDer],
      read: (octets) => void RevocationList.read(octets),
    },
    {
      target: 'imxp',
      name: 'addresses and URLs',
      seeds: texts(
        'fred@example.com',
        '"fred flint"/appl=im@example.com',
        'imxp=mesh@rubble.com',
        'tcp://[::1]:10913',
        'tcp://example.com:1',
      ),
      read: (octets) => {
        addressOf(octets.toString());
        each(() => parseRelayUrl(octets.toString()));
      },
    },
  ];
}
