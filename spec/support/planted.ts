/**
 * The list of faults for {@link BrokenPeer}, each of them one mistake that an implementation may make, with the checks
 * of the kit that must detect it.
 */
import type { Link, Spoil } from './broken-peer.js';
import { beepXml, OK } from './raw-documents.js';
import { frame, type RawFrame, seq } from './raw-frame.js';

export interface Planted {
  /** What the listener does wrong. */
  readonly fault: string;
  /** The areas and checks that are run. */
  readonly only: readonly string[];
  /** Which of them fail: all that do. */
  readonly found: readonly string[];
  readonly spoil: Spoil;
  /** Something is awaited that never comes: so long, and no longer. */
  readonly silence?: true;
}

type Down = NonNullable<Spoil['down']>;

/** Replaces a text in the payload of replies. */
const rewrite =
  (from: string | RegExp, to: string, when: (given: RawFrame, link: Link) => boolean = () => true): Down =>
  (given, link) => {
    if (!when(given, link)) return [given];
    return [{ ...given, payload: Buffer.from(given.payload.toString('latin1').replace(from, to), 'latin1') }];
  };

/** Ends the connection when the client says this. */
const cutAt = (what: RegExp): Spoil => ({
  up: (octets, link) => {
    if (what.test(octets)) link.cut();
    return octets;
  },
});

/** Mends what the client does wrong, so that the relay does not see it. */
const mend = (from: RegExp, to: string): Spoil => ({ up: (octets) => octets.replace(from, to) });

/** Says `ok` where the relay refused with a code what the client asked. */
const condone = (code: number, asked: RegExp, document: string = OK): Spoil => ({
  down: (given, link) => {
    const refused = given.keyword === 'ERR' && given.payload.includes(`code='${code}'`) && asked.test(link.asked);
    return refused ? [{ ...given, keyword: 'RPY', payload: Buffer.from(document) }] : [given];
  },
});

const isError = ({ keyword, channel }: RawFrame): boolean => keyword === 'ERR' && channel === 0;

/** Does it once to a connection, with the first refusal on channel 0. */
const once = (act: (given: RawFrame, link: Link) => ReturnType<Down>): Spoil => ({
  down: (given, link) => (isError(given) && link.count('refusal') === 1 ? act(given, link) : [given]),
});

const blobText = (octets: string): string => {
  const inner = [...octets.matchAll(/<blob[^>]*>([^<]*)</g)].map((match) => match[1] ?? '').join('');
  return Buffer.from(inner, 'base64').toString();
};

/** Changes what a SASL blob of the relay holds. */
const reblob = (from: RegExp, to: string): Spoil => ({
  down: (given) => {
    const text = given.payload.toString('latin1');
    if (!from.test(blobText(text))) return [given];
    const changed = text.replace(/(<blob[^>]*>)[^<]*</, (_, tag: string) => {
      return `${tag}${Buffer.from(blobText(text).replace(from, to)).toString('base64')}<`;
    });
    return [{ ...given, payload: Buffer.from(changed, 'latin1') }];
  },
});

/** Of the replies to several messages at once the second one first. */
const swapped = (): Spoil => {
  const held = new WeakMap<Link, RawFrame>();
  return {
    down: (given, link) => {
      if (!isError(given) || !link.asked.includes('MSG 0 2 ')) return [given];
      if (given.msgno === 1) {
        held.set(link, given);
        return [];
      }
      const first = held.get(link);
      held.delete(link);
      return first === undefined ? [given] : [given, { ...first, seqno: given.seqno }];
    },
  };
};

const FAULTY_LINE = (fault: string, name: string, spoil: Spoil): Planted => ({
  fault: `goes on after ${fault}`,
  only: [`faults.${name}`, 'faults.channel'],
  found: [`faults.${name}`],
  spoil,
});

export const PLANTED: readonly Planted[] = [
  {
    fault: 'waits for the greeting of the other',
    only: ['greeting'],
    found: ['greeting.prompt'],
    spoil: { shy: true },
    silence: true,
  },
  {
    fault: 'greets with a DOCTYPE',
    only: ['greeting', 'framing.joined'],
    found: ['greeting.form'],
    spoil: { down: rewrite('<greeting', "<!DOCTYPE greeting SYSTEM 'beep.dtd'><greeting") },
  },
  {
    fault: 'greets with another content type',
    only: ['greeting'],
    found: ['greeting.form'],
    spoil: { down: rewrite('application/beep+xml', 'text/plain', ({ msgno }) => msgno === 0) },
  },
  {
    fault: 'ends the session on unknown features',
    only: ['greeting'],
    found: ['greeting.features'],
    spoil: cutAt(/features='/),
  },
  {
    fault: 'knows headers only as it writes them',
    only: ['greeting'],
    found: ['greeting.header-case'],
    spoil: cutAt(/content-TYPE/),
  },
  {
    fault: 'ignores a second greeting',
    only: ['greeting'],
    found: ['greeting.second'],
    spoil: {
      up: (octets, link) => (octets.startsWith('RPY 0 0 .') && link.count('greeting') > 1 ? '' : octets),
    },
    silence: true,
  },
  {
    fault: 'reads one frame from one segment',
    only: ['framing.octet-by-octet', 'framing.fragments'],
    found: ['framing.octet-by-octet'],
    spoil: cutAt(/^.$/),
  },
  {
    fault: 'takes no message in several frames',
    only: ['framing.fragments', 'framing.joined', 'greeting.fragments'],
    found: ['framing.fragments', 'greeting.fragments'],
    spoil: cutAt(/^(?:MSG|RPY) 0 \d+ \*/),
  },
  {
    fault: 'knows no numbers above 65535',
    only: ['framing'],
    found: ['framing.any-number'],
    spoil: cutAt(/^MSG 0 2147483647 /),
  },
  {
    fault: 'does not take a number twice',
    only: ['framing.joined', 'framing.any-number', 'framing.msgno-reuse'],
    found: ['framing.msgno-reuse'],
    spoil: {
      up: (octets, link) => {
        if (/^MSG 0 1 /.test(octets) && link.count('number 1') > 1) link.cut();
        return octets;
      },
    },
  },
  {
    fault: 'ends a session whose frames alternate between channels',
    only: ['framing'],
    found: ['framing.interleaving'],
    spoil: cutAt(/MSG \d+ \d+ \* 0 1\r\n.END\r\nMSG \d+ \d+ \* 0 1\r\n.END\r\n/),
  },
  {
    fault: 'counts a size wrong',
    only: ['framing'],
    found: ['framing.grammar'],
    spoil: once((given) => {
      const octets = frame(given.keyword, 0, given.msgno, '.', given.seqno, given.payload);
      return [Buffer.from(octets.toString('latin1').replace(/ (\d+)\r\n/, (_, size) => ` ${Number(size) - 1}\r\n`))];
    }),
  },
  {
    fault: 'writes two spaces in a header',
    only: ['framing.joined'],
    found: ['framing.grammar'],
    spoil: once((given) => {
      const octets = frame(given.keyword, 0, given.msgno, '.', given.seqno, given.payload);
      return [Buffer.from(octets.toString('latin1').replace('ERR 0 ', 'ERR 0  '))];
    }),
  },
  {
    fault: 'loses an octet in its sequence numbers',
    only: ['framing.joined', 'framing.fragments'],
    found: ['framing.seqno'],
    spoil: once((given) => [{ ...given, seqno: given.seqno + 1 }]),
  },
  {
    fault: 'replies in another order',
    only: ['framing'],
    found: ['framing.replies'],
    spoil: swapped(),
  },
  {
    fault: 'replies to what nobody asked',
    only: ['framing.joined'],
    found: ['framing.replies'],
    spoil: once((given) => [given, { ...given, msgno: 4711, seqno: given.seqno }]),
  },
  {
    fault: 'numbers all its messages alike',
    only: ['data.order', 'data.inline'],
    found: ['framing.msgno'],
    spoil: { down: (given) => (given.keyword === 'MSG' && given.channel !== 0 ? [{ ...given, msgno: 0 }] : [given]) },
  },
  {
    fault: 'writes on a channel that is not open',
    only: ['framing.joined'],
    found: ['framing.channels'],
    spoil: once((given) => [given, frame('MSG', 9, 0, '.', 0, OK)]),
  },
  {
    fault: 'changes the keyword in the middle of a message',
    only: ['framing.any-number'],
    found: ['framing.continuation'],
    spoil: once((given) => [
      { ...given, more: '*', payload: given.payload.subarray(0, 10) },
      { ...given, keyword: 'RPY', payload: given.payload.subarray(10) },
    ]),
  },
  ...(
    [
      ['a keyword in lower case', 'lower-case', mend(/^msg 0 /, 'MSG 0 ')],
      ['two spaces', 'two-spaces', mend(/^MSG 0 {2}/, 'MSG 0 ')],
      ['a space before CRLF', 'trailing-space', mend(/ \r\nEND\r\n$/, '\r\nEND\r\n')],
      ['a bare LF', 'bare-lf', mend(/(MSG 0 1 \. \d+ 0)\nEND\r\n +$/, '$1\r\nEND\r\n')],
      ['a sign', 'sign', mend(/^MSG 0 \+1 /, 'MSG 0 1 ')],
      ['a parameter too many', 'surplus', mend(/^(MSG 0 1 \. \d+ 0) 0\r\n/, '$1\r\n')],
      ['a wrong sequence number', 'seqno-high', mend(/^MSG 0 1 \. 53 /, 'MSG 0 1 . 52 ')],
      ['a trailer that is none', 'trailer', mend(/xxENDE\r\n/, 'xxEND\r\n')],
    ] as const
  ).map(([fault, name, spoil]) => FAULTY_LINE(fault, name, spoil)),
  {
    fault: 'answers an error before it ends the session',
    only: ['faults.keyword'],
    found: ['faults.keyword'],
    spoil: {
      last: () => frame('ERR', 0, 1, '.', 291, beepXml("<error code='500'>what?</error>")),
    },
  },
  {
    fault: 'keeps a session open whose frames it cannot read',
    only: ['faults.keyword'],
    found: ['faults.keyword'],
    spoil: { deaf: true },
    silence: true,
  },
  {
    fault: 'ends all sessions with that of one bad client',
    only: ['faults.keyword', 'faults.missing'],
    found: ['faults.others-served'],
    spoil: { contagious: true },
  },
  {
    fault: 'never opens its window',
    only: ['windows.grants', 'windows.widest'],
    found: ['windows.grants'],
    spoil: { seq: () => [] },
    silence: true,
  },
  {
    fault: 'does not look at our window',
    only: ['windows.small', 'windows.widest'],
    found: ['windows.kept'],
    spoil: { up: (octets) => octets.replaceAll(/SEQ 0 (\d+) 1\r\n/g, 'SEQ 0 $1 999999\r\n') },
  },
  {
    fault: 'acknowledges what was never sent',
    only: ['windows.grants', 'framing.joined'],
    found: ['windows.seq'],
    spoil: { seq: (given) => [{ ...given, ackno: given.ackno + 9_000_000 }, given] },
  },
  {
    fault: 'takes its window back',
    only: ['windows.grants', 'framing.joined'],
    found: ['windows.seq'],
    spoil: { seq: (given) => [given, { ...given, window: 16 }, given] },
  },
  {
    fault: 'takes even numbers from the side that connected',
    only: ['channel-0.even-number', 'channel-0.no-number'],
    found: ['channel-0.even-number'],
    spoil: condone(501, /number='2'/, beepXml("<profile uri='http://xml.resource.org/profiles/IMXP' />")),
  },
  {
    fault: 'says 501 to what is not well-formed',
    only: ['channel-0.not-well-formed', 'channel-0.unknown-element', 'errors'],
    found: ['channel-0.not-well-formed', 'errors.not-well-formed', 'errors.two-roots', 'errors.bare-ampersand'],
    spoil: { down: rewrite("code='500'", "code='501'") },
  },
  {
    fault: 'closes channels that are not open',
    only: ['channel-0.close-unknown', 'channel-0.close-no-code', 'channel-0.close'],
    found: ['channel-0.close-unknown'],
    spoil: condone(550, /<close number='77' code/, beepXml('<ok />')),
  },
  {
    fault: 'names the first profile proposed, whatever it took',
    only: ['channel-0.preference', 'channel-0.close'],
    found: ['channel-0.preference'],
    spoil: {
      down: rewrite(/uri='[^']*'/, "uri='http://example.com/profiles/none'", ({ keyword, payload }, { asked }) => {
        return keyword === 'RPY' && payload.includes('<profile') && /none\/either/.test(asked);
      }),
    },
  },
  {
    fault: 'does not look into base64',
    only: ['channel-0.piggyback-cdata', 'channel-0.piggyback-escaped', 'channel-0.piggyback-base64'],
    found: ['channel-0.piggyback-base64'],
    spoil: {
      down: rewrite(/>\s*<!\[CDATA\[[\s\S]*\]\]>\s*<\/profile>/, ' />', (_, { asked }) =>
        /encoding='base64'/.test(asked),
      ),
    },
  },
  {
    fault: 'says ok to a release and stays',
    only: ['channel-0.release', 'channel-0.close'],
    found: ['channel-0.release'],
    spoil: { deaf: true },
    silence: true,
  },
  {
    fault: 'sends SEQ behind proceed',
    only: ['tls.silence', 'tls.version'],
    found: ['tls.silence'],
    spoil: {
      down: (given, { asked }) => {
        const [, seqno, size] = /^MSG 0 \d+ \. (\d+) (\d+)\r\n/.exec(asked) ?? [];
        return given.payload.includes('<proceed') ? [given, seq(0, Number(seqno) + Number(size), 4096)] : [given];
      },
    },
  },
  {
    fault: 'takes any version of TLS',
    only: ['tls.version', 'tls.proceed', 'tls.ready-as-message'],
    found: ['tls.version'],
    spoil: mend(/version='oh'/, "version='1' "),
  },
  {
    fault: 'does not prove that it knows the password',
    only: ['sasl.challenge', 'sasl.digest-md5', 'sasl.second', 'attach.ok'],
    found: ['sasl.digest-md5'],
    spoil: reblob(/rspauth=[0-9a-f]{32}/, `rspauth=${'0'.repeat(32)}`),
  },
  {
    fault: 'leaves the algorithm out of its challenge',
    only: ['sasl.challenge', 'sasl.digest-md5', 'sasl.abort'],
    found: ['sasl.challenge'],
    spoil: reblob(/,algorithm=md5-sess/, ''),
  },
  {
    fault: 'tells an unknown user from a wrong password',
    only: ['sasl.wrong-password', 'sasl.authzid'],
    found: ['sasl.wrong-password'],
    spoil: {
      down: rewrite(/(<error[^>]*>)[^<]*/, '$1who?', ({ keyword }, { asked }) => {
        return keyword === 'ERR' && blobText(asked).includes('kit-nobody');
      }),
    },
  },
  {
    fault: 'says complete to an exchange that was aborted',
    only: ['sasl.abort', 'sasl.digest-md5'],
    found: ['sasl.abort'],
    spoil: condone(451, /status='abort'/, beepXml("<blob status='complete' />")),
  },
  {
    fault: 'lets two applications attach as one endpoint',
    only: ['attach.twice', 'attach.ok', 'attach.transid-in-use'],
    found: ['attach.twice'],
    spoil: condone(554, /transID='5'/),
  },
  {
    fault: 'lets anybody attach as anybody',
    only: ['attach.wrong-identity', 'attach.ok', 'attach.foreign-domain'],
    found: ['attach.wrong-identity'],
    spoil: condone(537, /<attach endpoint='kit-missing@/),
  },
  {
    fault: 'answers 550 where the transID is in use',
    only: ['attach.transid-in-use', 'attach.twice'],
    found: ['attach.transid-in-use'],
    spoil: { down: rewrite("code='555'", "code='550'") },
  },
  {
    fault: 'lets a neighbour bind for any domain',
    only: ['bind.foreign-domain', 'bind.ok', 'bind.endpoint'],
    found: ['bind.foreign-domain'],
    spoil: {
      down: rewrite(/<error code='537'>[^<]*<\/error>/, '<ok />', (_, { asked }) =>
        asked.includes("relay='kit.invalid'"),
      ),
    },
  },
  {
    fault: 'says ok to the end of what never began',
    only: ['attach.terminate', 'attach.terminate-unknown'],
    found: ['attach.terminate-unknown'],
    spoil: condone(550, /<terminate transID='99'/),
  },
  {
    fault: 'is not 8-bit clean',
    only: ['data.inline', 'data.multipart', 'data.empty'],
    found: ['data.multipart'],
    spoil: { down: rewrite('\xff', '?', ({ keyword }) => keyword === 'MSG') },
  },
  {
    fault: 'writes CDATA and references in another way on delivery',
    only: ['data.inline', 'data.multipart'],
    found: ['data.inline'],
    spoil: { down: rewrite('&#33;', '!', ({ keyword }) => keyword === 'MSG') },
  },
  {
    fault: 'removes options on delivery',
    only: ['data.option-kept', 'data.inline'],
    found: ['data.option-kept'],
    spoil: { down: rewrite(/<option\b[^>]*\/>/, '', ({ keyword }) => keyword === 'MSG') },
  },
  {
    fault: 'tells a recipient of the others',
    only: ['data.several', 'data.multipart'],
    found: ['data.several'],
    spoil: {
      down: rewrite(/(<recipient\b[^>]*\/>)/, '$1$1', ({ keyword }) => keyword === 'MSG'),
    },
  },
  {
    fault: 'says ok for recipients that do not exist',
    only: ['data.unknown-recipient', 'data.not-attached'],
    found: ['data.unknown-recipient'],
    spoil: condone(550, /<recipient identity='kit-missing@/),
  },
  {
    fault: 'takes Data for somebody else as originator',
    only: ['data.foreign-originator', 'data.foreign-domain'],
    found: ['data.foreign-originator'],
    spoil: condone(537, /originator='kit-missing@/),
  },
  {
    fault: 'reads a DOCTYPE',
    only: ['errors.doctype', 'errors.not-valid'],
    found: ['errors.doctype'],
    spoil: mend(/<!DOCTYPE terminate \[\]>/, '<!--                -->'),
  },
];
