import { expect } from 'chai';
import type { Side } from '../../../kit/decoder/connections.js';
import { meaningOf } from '../../../kit/decoder/meaning.js';
import { type Entry, WatchedSession } from '../../../kit/decoder/session.js';
import { attach, beepXml, close, GREETING, IMXP, inlineData, OK, start } from '../../support/raw-documents.js';
import { frame, seq } from '../../support/raw-frame.js';

type Said = readonly [side: Side, octets: Buffer | string];

/** What is said about octets of both sides, fed as they are or octet by octet. */
function watch(said: readonly Said[], { each = Number.POSITIVE_INFINITY, both = true } = {}): Entry[] {
  const session = new WatchedSession(both);
  const entries: Entry[] = [];
  for (const [side, octets] of said) {
    const whole = Buffer.from(octets);
    for (let at = 0; at < whole.length; at += each) {
      entries.push(...session.take({ side, octets: whole.subarray(at, at + each), time: 1 }));
    }
  }
  entries.push(...session.finish());
  return entries;
}

const faults = (entries: readonly Entry[]): string[] => entries.flatMap(({ fault }) => fault?.rule ?? []);
const meanings = (entries: readonly Entry[]): string[] => entries.flatMap(({ meaning }) => meaning?.summary ?? []);
const size = (payload: Buffer | string): number => Buffer.byteLength(payload);

const START = start({ channel: 1, uri: IMXP, content: attach('fred@example.com', 71), serverName: 'example.com' });
const GRANTED = beepXml(`<profile uri='${IMXP}'><![CDATA[<ok />]]></profile>`);

/** Greetings, and a channel on which fred is attached. */
const OPENED: readonly Said[] = [
  ['L', frame('RPY', 0, 0, '.', 0, GREETING)],
  ['I', frame('RPY', 0, 0, '.', 0, GREETING)],
  ['I', frame('MSG', 0, 1, '.', size(GREETING), START)],
  ['L', frame('RPY', 0, 1, '.', size(GREETING), GRANTED)],
];

const DATA = inlineData('fred@example.com', ['barney@rubble.com'], '<note>secret plan</note>');

describe('imxp wire: a session', () => {
  it('is decoded in APEX, too, with or without its beginning', () => {
    const apex = 'http://iana.org/beep/APEX';
    const begin = start({ channel: 1, uri: apex, content: attach('fred@example.com', 71) });
    const data = beepXml(
      "<data content='#C'><originator identity='fred@example.com' /><recipient identity='barney@rubble.com' /><data-content Name='C'><note /></data-content></data>",
    );
    const ended = beepXml("<terminate code='556' transID='71'>overridden</terminate>");
    const said = ['APEX with attach fred@example.com, transID 71', 'APEX with ok'];
    const operations = ['data fred@example.com -> barney@rubble.com: XML within, 8 octets'];
    const heard = meanings(
      watch([
        ['L', frame('RPY', 0, 0, '.', 0, GREETING)],
        ['I', frame('RPY', 0, 0, '.', 0, GREETING)],
        ['I', frame('MSG', 0, 1, '.', size(GREETING), begin)],
        ['L', frame('RPY', 0, 1, '.', size(GREETING), beepXml(`<profile uri='${apex}'><![CDATA[<ok />]]></profile>`))],
        ['I', frame('MSG', 1, 0, '.', 0, data)],
        ['L', frame('MSG', 1, 0, '.', 0, ended)],
      ]),
    );
    expect(heard.slice(2)).to.deep.equal([
      `start channel 1: ${said[0]}`,
      `granted: ${said[1]}`,
      ...operations,
      'terminate, transID 71: 556 overridden',
    ]);
    const message = { keyword: 'MSG', msgno: 0, ansno: undefined, payload: Buffer.from(data) };
    expect(meaningOf(1, undefined, message)).to.deep.equal({ summary: operations[0] });
  });

  it('is shown frame by frame with offsets and the meaning of messages', () => {
    const entries = watch([
      ...OPENED,
      ['I', frame('MSG', 1, 0, '*', 0, DATA.slice(0, 10))],
      ['I', frame('MSG', 1, 0, '.', 10, DATA.slice(10))],
      ['L', seq(1, size(DATA), 4096)],
      ['L', frame('RPY', 1, 0, '.', 0, OK)],
    ]);
    expect(faults(entries)).to.deep.equal([]);
    expect(meanings(entries)).to.deep.equal([
      'greeting: serves nothing',
      'greeting: serves nothing',
      'start channel 1 as example.com: IMXP with attach fred@example.com, transID 71',
      'granted: IMXP with ok',
      'data fred@example.com -> barney@rubble.com: XML within, 24 octets',
      'ok',
    ]);
    const initiator = entries.filter(({ side }) => side === 'I');
    for (const [at, { offset, octets }] of initiator.entries()) {
      expect(initiator[at + 1]?.offset ?? offset + octets).to.equal(offset + octets);
    }
    expect(JSON.stringify(meanings(entries)), 'no content').to.not.include('secret');
  });

  it('is the same however the octets are divided', () => {
    const said: readonly Said[] = [
      ...OPENED,
      ['I', frame('MSG', 1, 0, '.', 0, DATA)],
      ['L', frame('RPY', 1, 0, '.', 5, OK)],
    ];
    const whole = watch(said);
    expect(faults(whole)).to.deep.equal(['PF-10']);
    for (const each of [1, 2, 7, 100]) expect(watch(said, { each }), `${each}`).to.deep.equal(whole);
  });

  const wrong: readonly [rule: string, what: string, ...said: Said[]][] = [
    ['PF-1', 'an unknown keyword', ['I', 'REQ 1 0 . 0 0\r\nEND\r\n']],
    ['PF-1', 'a keyword in lower case', ['I', 'msg 1 0 . 0 0\r\nEND\r\n']],
    ['PF-2', 'a parameter that is missing', ['I', 'MSG 1 0 . 0\r\nEND\r\n']],
    ['PF-2', 'two spaces', ['I', 'MSG 1  0 . 0 0\r\nEND\r\n']],
    ['PF-2', 'a header without end', ['I', `MSG 1 0 . 0 ${'0'.repeat(80)}`]],
    ['PF-3', 'a channel that was never made', ['I', frame('MSG', 3, 0, '.', 0, DATA)]],
    [
      'PF-4',
      'a MSG of a number in use',
      ['I', frame('MSG', 1, 0, '.', 0, OK)],
      ['I', frame('MSG', 1, 0, '.', size(OK), OK)],
    ],
    [
      'PF-5',
      'a second answer',
      ['I', frame('MSG', 1, 0, '.', 0, DATA)],
      ['L', frame('RPY', 1, 0, '.', 0, OK)],
      ['L', frame('RPY', 1, 0, '.', size(OK), OK)],
    ],
    ['PF-6', 'an answer nobody asked for', ['L', frame('RPY', 1, 7, '.', 0, OK)]],
    [
      'PF-7',
      'another keyword in one message',
      ['I', frame('MSG', 1, 0, '.', 0, DATA)],
      ['L', frame('RPY', 1, 0, '*', 0, 'a')],
      ['L', frame('ERR', 1, 0, '.', 1, 'b')],
    ],
    [
      'PF-7',
      'RPY behind ANS',
      ['I', frame('MSG', 1, 0, '.', 0, DATA)],
      ['L', frame('ANS', 1, 0, '.', 0, OK, 0)],
      ['L', frame('RPY', 1, 0, '.', size(OK), OK)],
    ],
    [
      'PF-8',
      'NUL in the middle of an RPY',
      ['I', frame('MSG', 1, 0, '.', 0, DATA)],
      ['L', frame('RPY', 1, 0, '*', 0, 'a')],
      ['L', frame('NUL', 1, 0, '.', 1, '')],
    ],
    [
      'PF-9',
      'another message in between',
      ['I', frame('MSG', 1, 0, '*', 0, 'a')],
      ['I', frame('MSG', 1, 1, '.', 1, DATA)],
    ],
    ['PF-10', 'a sequence number that is not the next', ['I', frame('MSG', 1, 0, '.', 1, DATA)]],
    ['PF-11', 'a NUL with payload', ['I', frame('MSG', 1, 0, '.', 0, DATA)], ['L', frame('NUL', 1, 0, '.', 0, 'abc')]],
    ['PF-11', 'a NUL that goes on', ['I', frame('MSG', 1, 0, '.', 0, DATA)], ['L', frame('NUL', 1, 0, '*', 0, '')]],
    ['PF-12', 'a payload that is longer than its size', ['I', 'MSG 1 0 . 0 3\r\nabcdEND\r\n']],
    ['window', 'more than the window', ['I', frame('MSG', 1, 0, '.', 0, Buffer.alloc(4097))]],
    ['SEQ', 'an acknowledgement of what was not sent', ['L', seq(1, 10, 4096)]],
  ];

  for (const [rule, what, ...said] of wrong) {
    it(`names ${rule}: ${what}`, () => {
      const entries = watch([...OPENED, ...said, [said.at(-1)?.[0] ?? 'I', 'and more of that']]);
      expect(faults(entries)).to.deep.equal([rule]);
      const at = entries.findIndex(({ fault }) => fault !== undefined);
      const { side, fault } = entries[at] ?? expect.fail();
      const before = [...OPENED, ...said.slice(0, -1)].filter(([one]) => one === side);
      const begun = before.reduce((sum, [, octets]) => sum + Buffer.from(octets).length, 0);
      expect(fault?.offset).to.be.within(begun, begun + 20);
      expect(
        entries.slice(at + 1).filter((entry) => entry.side === side),
        'nothing behind it is guessed',
      ).to.deep.equal([]);
    });
  }

  it('accepts what looks wrong and is not: interleaved answers, an early ERR, a number used again, SEQ for a closed channel', () => {
    const one = size(OK);
    const entries = watch([
      ...OPENED,
      ['I', frame('MSG', 1, 0, '.', 0, DATA)],
      ['L', frame('ANS', 1, 0, '*', 0, 'a', 0)],
      ['L', frame('ANS', 1, 0, '.', 1, 'b', 1)],
      ['L', frame('ANS', 1, 0, '.', 2, 'c', 0)],
      ['L', frame('NUL', 1, 0, '.', 3, '')],
      ['I', frame('MSG', 1, 0, '*', size(DATA), 'a')],
      ['L', frame('ERR', 1, 0, '.', 3, OK)],
      ['I', frame('MSG', 1, 0, '.', size(DATA) + 1, '')],
      ['I', frame('MSG', 0, 2, '.', size(GREETING) + size(START), close(1))],
      ['L', frame('RPY', 0, 2, '.', size(GREETING) + size(GRANTED), beepXml('<ok />'))],
      ['I', seq(1, 3 + one, 4096)],
    ]);
    expect(faults(entries)).to.deep.equal([]);
    expect(meanings(entries).at(-1)).to.equal('ok');
  });

  it('follows a window as it opens', () => {
    const big = Buffer.alloc(4096, 'x');
    const entries = watch([
      ...OPENED,
      ['I', frame('MSG', 1, 0, '*', 0, big)],
      ['L', seq(1, 4096, 8192)],
      ['I', frame('MSG', 1, 0, '*', 4096, Buffer.concat([big, big]))],
      ['I', frame('MSG', 1, 0, '*', 12_288, 'y')],
    ]);
    expect(faults(entries)).to.deep.equal(['window']);
  });

  it('names what a relay would refuse, and the code', () => {
    const bad = "Content-Type: text/xml\r\n\r\n<data content='#X' originator='fred@example.com'></data>";
    const broken = 'Content-Type: text/xml\r\n\r\n<data';
    const entries = watch([
      ...OPENED,
      ['I', frame('MSG', 1, 0, '.', 0, bad)],
      ['I', frame('MSG', 1, 1, '.', size(bad), broken)],
    ]);
    expect(faults(entries)).to.deep.equal([]);
    expect(entries.at(-2)?.meaning?.refusal).to.match(/^501 /);
    expect(entries.at(-1)?.meaning?.refusal).to.match(/^500 /);
  });

  it('stops reading where TLS begins', () => {
    const hello = Buffer.from('160301020001', 'hex');
    const entries = watch([...OPENED, ['I', hello], ['I', Buffer.alloc(500)]]);
    expect(entries.at(-1)).to.include({ side: 'I', unread: 'TLS from here on, which cannot be read' });
    expect(faults(entries)).to.deep.equal([]);
  });

  it('shows nothing of the content of SASL messages', () => {
    const blob = Buffer.from('\0fred\0yabba dabba doo').toString('base64');
    const plain = start({ channel: 1, uri: 'http://iana.org/beep/SASL/PLAIN', content: `<blob>${blob}</blob>` });
    const entries = watch([...OPENED.slice(0, 2), ['I', frame('MSG', 0, 1, '.', size(GREETING), plain)]]);
    expect(meanings(entries).at(-1)).to.equal('start channel 1: SASL/PLAIN with blob continue, 21 octets');
  });

  it('reads one side alone, without the rules that need both', () => {
    const entries = watch(
      [
        ['I', frame('RPY', 0, 0, '.', 0, GREETING)],
        ['I', frame('MSG', 0, 1, '.', size(GREETING), START)],
        ['I', frame('MSG', 1, 0, '.', 0, DATA)],
        ['I', frame('RPY', 1, 5, '.', size(DATA), OK)],
        ['I', 'MSG 1 1 . 0 100\r\nincomplete'],
      ],
      { both: false },
    );
    expect(faults(entries)).to.deep.equal([]);
    expect(meanings(entries)).to.have.length(4);
    expect(entries.at(-1)).to.deep.include({ octets: 27, unread: 'a frame that is not complete' });
  });
});
