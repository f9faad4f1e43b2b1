/**
 * Forms in which BEEP libraries that others wrote put the documents of channel 0, and in which they number, cut and
 * acknowledge: everything that RFC 3080, RFC 2045 and XML permit there means the same.
 */
import { expect } from 'chai';
import { ECHO } from '../support/pair.js';
import { documentOf, only, SessionHarness } from './session-harness.js';

const TYPE = 'Content-Type: application/beep+xml';

/** Payloads that hold a document. */
const PAYLOADS: readonly [string, (document: string) => string][] = [
  ['the header as RFC 3080 prints it', (document) => `${TYPE}\r\n\r\n${document}\r\n`],
  ['nothing behind the document', (document) => `${TYPE}\r\n\r\n${document}`],
  ['no header, but the empty line', (document) => `\r\n${document}\r\n`],
  ['a header name in small letters', (document) => `content-type: application/beep+xml\r\n\r\n${document}`],
  ['a header name and a type in capitals', (document) => `CONTENT-TYPE: APPLICATION/BEEP+XML\r\n\r\n${document}`],
  ['no space behind the colon', (document) => `Content-Type:application/beep+xml\r\n\r\n${document}`],
  ['a folded header', (document) => `Content-Type:\r\n\tapplication/beep+xml;\r\n charset=utf-8\r\n\r\n${document}`],
  ['a charset in quotes', (document) => `${TYPE}; charset="UTF-8"\r\n\r\n${document}`],
  ['a comment in the header', (document) => `${TYPE} (RFC 3080)\r\n\r\n${document}`],
  ['the type of the drafts', (document) => `Content-Type: text/xml\r\n\r\n${document}`],
  ['another type of XML', (document) => `Content-Type: application/xml\r\n\r\n${document}`],
  ['the default type of BEEP written out', (document) => `Content-Type: application/octet-stream\r\n\r\n${document}`],
  [
    'further headers, the type behind them',
    (document) => `MIME-Version: 1.0\r\nContent-Length: 9\r\nX-Peer: one\r\n${TYPE}\r\n\r\n${document}`,
  ],
  ['an encoding only', (document) => `Content-Transfer-Encoding: binary\r\n\r\n${document}`],
  ['encoding 8bit', (document) => `${TYPE}\r\nContent-Transfer-Encoding: 8BIT\r\n\r\n${document}`],
  [
    'encoding base64',
    (document) =>
      `${TYPE}\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(document).toString('base64').replace(/.{60}/g, '$&\r\n')}\r\n`,
  ],
  [
    'encoding quoted-printable',
    (document) =>
      `${TYPE}\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n${document.replaceAll('=', '=3D').replaceAll("'", '=\r\n=27')}\r\n`,
  ],
  ['an XML declaration', (document) => `${TYPE}\r\n\r\n<?xml version="1.0" encoding="UTF-8"?>\r\n${document}\r\n`],
  ['a byte order mark', (document) => `${TYPE}\r\n\r\n\uFEFF${document}`],
  ['white space and a comment around', (document) => `${TYPE}\r\n\r\n\r\n \t<!-- x -->${document}\n\n<!-- y -->`],
  ['an instruction before', (document) => `${TYPE}\r\n\r\n<?peer one?>${document}`],
];

/** Spellings of a document in XML. */
const SPELLINGS: readonly [string, (document: string) => string][] = [
  ["attributes in '", (document) => document],
  ['attributes in "', (document) => document.replaceAll("'", '"')],
  ['empty elements without a space', (document) => document.replaceAll(' />', '/>')],
  ['empty elements with an end tag', (document) => document.replace(/<(\w+)([^<>]*) \/>/g, '<$1$2></$1>')],
  ['white space in tags', (document) => document.replace(/'(?=[ >])/g, "'\r\n\t").replaceAll('=', ' = ')],
  ['an attribute nobody knows', (document) => document.replace(/^<(\w+)/, "<$1 xmlns='urn:x' x='1'")],
  ['characters by number', (document) => document.replaceAll('http:', 'ht&#116;p&#x3a;')],
];

/** A session of this role that has greeted and been greeted. */
const greeted = (role: 'initiator' | 'listener'): SessionHarness => new SessionHarness({ role }).greet();

/** What is said to a session, and what shows that it was understood. */
const EXCHANGES: readonly [string, string, (payload: string) => void][] = [
  [
    'greeting',
    `<greeting features='x-a' localize='de en'><profile uri='${ECHO}' /><profile uri='http://example.com/b' /></greeting>`,
    (payload) => {
      const { greeting } = only(new SessionHarness({ role: 'initiator' }).say('RPY', 0, 0, payload), 'greeting');
      const profiles = [ECHO, 'http://example.com/b'];
      expect(greeting).to.deep.equal({ profiles, features: ['x-a'], localize: ['de', 'en'] });
    },
  ],
  [
    'empty greeting',
    '<greeting />',
    (payload) => {
      only(new SessionHarness({ role: 'listener' }).say('RPY', 0, 0, payload), 'greeting');
    },
  ],
  [
    'refusal instead of a greeting',
    "<error code='421'>not now</error>",
    (payload) => {
      const { reply } = only(new SessionHarness({ role: 'initiator' }).say('ERR', 0, 0, payload), 'unavailable');
      expect(reply).to.deep.equal({ code: 421, text: 'not now' });
    },
  ],
  [
    'start',
    `<start number='1' serverName='example.com'><profile uri='${ECHO}' /></start>`,
    (payload) => {
      const event = only(greeted('listener').say('MSG', 0, 1, payload), 'start');
      expect(event).to.deep.include({ channel: 1, serverName: 'example.com' });
      expect(event.proposals).to.deep.equal([{ uri: ECHO, base64: false }]);
    },
  ],
  [
    'profile',
    `<profile uri='${ECHO}' />`,
    (payload) => {
      const harness = greeted('initiator');
      harness.session.start({ profiles: [{ uri: ECHO }] });
      const [asked] = harness.messages();
      expect(only(harness.say('RPY', 0, asked?.msgno ?? -1, payload), 'started')).to.include({ channel: 1, uri: ECHO });
    },
  ],
  [
    'refusal of a start',
    "<error code='550' xml:lang='en'>none of <![CDATA[<them>]]></error>",
    (payload) => {
      const harness = greeted('initiator');
      harness.session.start({ profiles: [{ uri: ECHO }] });
      const [asked] = harness.messages();
      const { reply } = only(harness.say('ERR', 0, asked?.msgno ?? -1, payload), 'start-refused');
      expect(reply).to.deep.equal({ code: 550, text: 'none of <them>' });
    },
  ],
  [
    'close',
    "<close number='1' code='200' />",
    (payload) => {
      const event = only(new SessionHarness().ready(1).say('MSG', 0, 9, payload), 'close');
      expect(event).to.include({ channel: 1, code: 200 });
    },
  ],
  [
    'close of the session',
    "<close code='200' />",
    (payload) => {
      const harness = new SessionHarness().ready(1);
      expect(only(harness.say('MSG', 0, 9, payload), 'close')).to.include({ channel: 0, code: 200 });
    },
  ],
  [
    'ok',
    '<ok />',
    (payload) => {
      const harness = greeted('initiator').channel(1);
      harness.session.close(1, 200, '');
      const [asked] = harness.messages();
      expect(only(harness.say('RPY', 0, asked?.msgno ?? -1, payload), 'closed')).to.include({ channel: 1 });
    },
  ],
];

describe('beep: forms that peers use', () => {
  for (const [name, document, understood] of EXCHANGES) {
    for (const [form, payload] of PAYLOADS) {
      it(`REQ-BEEP-024 takes ${name} with ${form}`, () => understood(payload(document)));
    }
    for (const [spelling, spelled] of SPELLINGS) {
      it(`REQ-BEEP-024 takes ${name} with ${spelling}`, () => understood(`${TYPE}\r\n\r\n${spelled(document)}\r\n`));
    }
  }

  /** Content of a profile; all say `<ready />`. */
  const CONTENTS: readonly [string, string][] = [
    ['CDATA alone', '><![CDATA[<ready />]]>'],
    ['CDATA as RFC 3080 prints it', '>\r\n   <![CDATA[<ready />]]>\r\n'],
    ['white space in the CDATA', '><![CDATA[\r\n<ready />\r\n]]>'],
    ['several sections', '><![CDATA[<rea]]><![CDATA[dy />]]>'],
    ['references', '>&lt;ready /&#62;'],
    ['markup', '><ready />'],
    ['base64', " encoding='base64'>PHJlYWR5IC8+"],
    ['base64 on lines of its own', ' encoding="base64">\r\n   PHJl\r\n   YWR5IC8+\r\n'],
    ['base64 in CDATA', " encoding='base64'> <![CDATA[PHJlYWR5IC8+]]> "],
    ['encoding none', " encoding='none'><![CDATA[<ready />]]>"],
  ];
  for (const [form, inside] of CONTENTS) {
    const profile = `<profile uri='${ECHO}'${inside}</profile>`;
    it(`REQ-BEEP-041 takes the content of a start as ${form}`, () => {
      const event = only(greeted('listener').ask(`<start number='1'>${profile}</start>`), 'start');
      expect(event.proposals[0]?.content?.toString()).to.equal('<ready />');
    });
    it(`REQ-BEEP-041 takes the content of an answer as ${form}`, () => {
      const harness = greeted('initiator');
      harness.session.start({ profiles: [{ uri: ECHO }] });
      const [asked] = harness.messages();
      const started = only(harness.say('RPY', 0, asked?.msgno ?? -1, `${TYPE}\r\n\r\n${profile}`), 'started');
      expect(started.content?.toString()).to.equal('<ready />');
    });
  }

  for (const [how, msgnos] of [
    ['from 0', [0, 1, 2]],
    ['from 1', [1, 2, 3]],
    ['backwards', [30, 20, 10]],
    ['always by the same number', [1, 1, 1]],
    ['to the largest', [2147483646, 2147483647, 0]],
  ] as const) {
    it(`REQ-BEEP-003 takes messages numbered ${how}, on channel 0 and on others`, () => {
      const harness = greeted('listener');
      for (const [at, msgno] of msgnos.entries()) {
        const number = 2 * at + 1;
        const document = `${TYPE}\r\n\r\n<start number='${number}'><profile uri='${ECHO}' /></start>`;
        harness.session.acceptStart(only(harness.say('MSG', 0, msgno, document), 'start'), ECHO);
        expect(harness.messages().map((message) => [message.keyword, message.msgno])).to.deep.equal([['RPY', msgno]]);
      }
      for (const msgno of msgnos) {
        only(harness.say('MSG', 1, msgno, 'x'), 'message');
        harness.reply('RPY', 1, msgno);
        harness.heard();
      }
    });
  }

  it('REQ-BEEP-039 takes channel numbers in any order, with gaps, up to the largest', () => {
    const harness = greeted('listener');
    for (const number of [77, 3, 2147483647, 1]) harness.channel(number);
    only(harness.say('MSG', 2147483647, 0, 'x'), 'message');
  });

  for (const [how, cuts] of [
    ['in one frame', []],
    ['with an empty last frame', [60]],
    ['octet by octet with empty frames between', Array.from({ length: 60 }, (_, at) => at)],
    ['with an empty first frame', [0]],
  ] as const) {
    it(`REQ-BEEP-004 takes a start ${how}`, () => {
      const payload = `${TYPE}\r\n\r\n<start number='1'><profile uri='${ECHO}' /></start>`;
      const harness = greeted('listener');
      let from = 0;
      for (const to of cuts) {
        harness.say('MSG', 0, 1, payload.slice(from, to), { more: true });
        harness.say('MSG', 0, 1, '', { more: true });
        from = to;
      }
      if (cuts.length > 0) harness.say('MSG', 0, 1, payload.slice(from), { more: true });
      const last = cuts.length > 0 ? '' : payload;
      only(harness.say('MSG', 0, 1, last), 'start');
    });
  }

  for (const [how, acknowledgements] of [
    ['after each octet', ['0 1 4096', '0 2 4096', '0 3 4096']],
    ['twice the same', ['0 10 4096', '0 10 4096']],
    ['with a window that only keeps its end', ['0 0 4096', '0 52 4044']],
    ['with the largest window', ['0 52 2147483647']],
    ['with a leading zero', ['0 052 04096']],
  ] as const) {
    it(`REQ-BEEP-062 takes acknowledgements ${how}`, () => {
      const harness = greeted('listener');
      for (const one of acknowledgements) harness.octets(`SEQ ${one}\r\n`);
      harness.channel(1);
    });
  }

  it('REQ-BEEP-051 takes a release while channels are open, and answers ok', () => {
    const harness = new SessionHarness().ready(1).channel(3);
    only(harness.ask("<close number='0' code='200'/>"), 'close');
    harness.session.acceptClose(0);
    expect(documentOf(harness.messages()[0])).to.equal('<ok />');
  });
});
