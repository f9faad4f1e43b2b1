/**
 * Checks of Data: content in every form, one and several recipients, and refusals with their codes (core-01 §4.1,
 * §4.4.4, §5).
 */

import { granted, refused } from '../answers.js';
import type { Check } from '../check.js';
import type { Attached, Context } from '../context.js';
import { expect, Finding, NotOffered } from '../finding.js';
import type { RawMessage } from '../peer/channel.js';
import { visible } from '../peer/octet-log.js';
import type { Letter } from '../vocabulary.js';

const DATA = 'core-01 §4.4.4.1';
const NEEDS = ['account', 'digest', 'imxp'] as const;
const MEBIBYTE = 1_048_576;
const MANY = 50;

/** Every octet value, and sequences that confuse careless parsers. */
const AWKWARD = Buffer.concat([
  Buffer.from('END\r\nRPY 1 0 . 0 34\r\n\r\n--=_m1x\r\n'),
  Buffer.from(Array.from({ length: 256 }, (_, octet) => octet)),
  Buffer.from('\r\n.\r\n--\r\nSEQ 1 0 0\r\nEND\r\n'),
]);

function sameOctets(arrived: RawMessage, body: Buffer): void {
  if (arrived.payload.includes(body)) return;
  const near = arrived.payload.indexOf(body.subarray(0, 16));
  const came = near < 0 ? arrived.payload : arrived.payload.subarray(near, near + body.length);
  throw new Finding(`the content as sent: ${visible(body, 120)}`, visible(came, 240));
}

async function arrives(context: Context, what: (from: Attached, to: Attached) => Letter, body: Buffer): Promise<void> {
  const [from, to] = await context.pair();
  sameOctets(await context.deliver(from, to, context.words.data(what(from, to))), body);
}

/** Sends a Data that must be refused. */
async function refusal(context: Context, payload: Buffer | string): Promise<RawMessage> {
  const { peer, channel } = await context.attached();
  return await peer.ask(channel, payload);
}

const recipients = (payload: Buffer): string[] =>
  [...payload.toString('latin1').matchAll(/<recipient\b[^>]*?\bidentity=(['"])([^'"]*)\1/g)].map(
    (match) => match[2] ?? '',
  );

/** Data that are invalid or not authorized. */
const REFUSED: readonly (readonly [
  name: string,
  what: string,
  clause: string,
  payload: (context: Context, own: string) => Buffer | string,
  codes: { must?: readonly number[]; should?: readonly number[] },
])[] = [
  [
    'dangling-reference',
    'a content reference within the document that names nothing',
    'core-01 §4.1, §4.4.4',
    ({ words }, own) => `${words.data({ from: own, to: [own], inner: '<note />' })}`.replace("'#Payload'", "'#Other'"),
    { should: [501] },
  ],
  [
    'missing-part',
    'a content reference to a part that is not there',
    'core-01 §4.1, §4.4.4',
    ({ words }, own) => words.data({ from: own, to: [own], uri: 'cid:none@example.com' }),
    { should: [501] },
  ],
  [
    'no-recipient',
    'a Data without a recipient',
    'core-01 §9.1',
    ({ words }, own) => words.data({ from: own, to: [], inner: '<note />' }),
    { should: [501] },
  ],
  [
    'no-content',
    'a Data without a content attribute',
    'core-01 §9.1',
    ({ words }, own) => `${words.data({ from: own, to: [own], uri: 'x' })}`.replace("content='x'", ''),
    { should: [501] },
  ],
  [
    'foreign-originator',
    'an originator other than the sender',
    DATA,
    ({ words, missingEndpoint }, own) => words.data({ from: missingEndpoint, to: [own], inner: '<note />' }),
    { must: [537] },
  ],
  [
    'foreign-domain',
    'an originator of another domain',
    DATA,
    ({ words }, own) => words.data({ from: 'fred@kit.invalid', to: [own], inner: '<note />' }),
    { must: [537] },
  ],
  [
    'option-two-names',
    'an option with both an internal and an external name',
    'core-01 §9.1, §5',
    ({ words }, own) =>
      words.data({
        ...{ from: own, to: [own], inner: '<note />' },
        options: "<option internal='a' external='http://example.com/' transID='5' />",
      }),
    { should: [501] },
  ],
  [
    'must-understand',
    'a mandatory option that it does not understand',
    'core-01 §5',
    ({ words }, own) =>
      words.data({ from: own, to: [own], inner: '<note />', options: words.option('x-kit', true, 5) }),
    { should: [504] },
  ],
];

/** Receives a report about a Data, which arrives in a Data of its own. */
async function report(context: Context, from: Attached): Promise<RawMessage> {
  const message = await from.peer.nextRequest(from.channel);
  from.peer.reply(from.channel, 'RPY', message.msgno, context.words.ok);
  return message;
}

export const DATA_CHECKS: readonly Check[] = [
  {
    id: 'data.inline',
    title: 'delivers XML inside the control document octet for octet',
    clause: 'core-01 §4.1, §4.4.4',
    why: 'the content belongs to the endpoints, and changes break signatures',
    needs: NEEDS,
    async run(context) {
      const inner = '\n <note xmlns="urn:x-kit">tide &amp; time&#33; <![CDATA[<b>]]> caf\u00e9</note> ';
      await arrives(context, (from, to) => ({ from: from.address, to: [to.address], inner }), Buffer.from(inner));
    },
  },
  {
    id: 'data.multipart',
    title: 'delivers a part with every octet value',
    clause: 'core-01 §4.1, §4.4.4',
    why: 'BEEP is 8-bit clean, and so must be the mesh',
    needs: NEEDS,
    run: (context) =>
      arrives(context, (from, to) => ({ from: from.address, to: [to.address], body: AWKWARD }), AWKWARD),
  },
  {
    id: 'data.uri',
    title: 'delivers a reference to content stored elsewhere',
    clause: 'core-01 §4.1',
    why: 'the content attribute may be any absolute URI',
    needs: NEEDS,
    async run(context) {
      const uri = 'http://example.com/tide.txt#today';
      await arrives(context, (from, to) => ({ from: from.address, to: [to.address], uri }), Buffer.from(uri));
    },
  },
  {
    id: 'data.empty',
    title: 'delivers an empty part',
    clause: 'core-01 §4.1',
    why: 'empty content is valid content',
    needs: NEEDS,
    async run(context) {
      const [from, to] = await context.pair();
      const letter = { from: from.address, to: [to.address], body: Buffer.alloc(0) };
      await context.deliver(from, to, context.words.data(letter));
    },
  },
  {
    id: 'data.large',
    title: 'delivers content of 1 MiB',
    clause: 'core-01 §4.1; RFC 3081 §3.1',
    why: 'windows have to open in both directions during the transfer',
    needs: NEEDS,
    patience: 6,
    async run(context) {
      const [from, to] = await context.pair();
      const body = Buffer.alloc(MEBIBYTE, 'octets of the kit\r\n');
      for (const { peer, channel } of new Set([from, to])) peer.window(channel, MEBIBYTE / 8);
      const payload = context.words.data({ from: from.address, to: [to.address], body });
      sameOctets(await context.deliver(from, to, payload), body);
    },
  },
  {
    id: 'data.to-oneself',
    title: 'delivers to the sending endpoint on the channel it sends on',
    clause: DATA,
    why: 'both sides are client and server on one channel at once',
    needs: NEEDS,
    async run(context) {
      const fred = await context.attached();
      const letter = { from: fred.address, to: [fred.address], body: AWKWARD };
      sameOctets(await context.deliver(fred, fred, context.words.data(letter)), AWKWARD);
    },
  },
  {
    id: 'data.several',
    title: 'delivers to each of several recipients, naming only that recipient',
    clause: DATA,
    why: 'recipients must not learn of each other',
    needs: [...NEEDS, 'second'],
    async run(context) {
      const [from, to] = await context.pair();
      const both = [from, to];
      const msgno = from.peer.msg(
        from.channel,
        context.words.data({ from: from.address, to: both.map(({ address }) => address), body: AWKWARD }),
      );
      for (const one of both) {
        const arrived = await one.peer.nextRequest(one.channel);
        one.peer.reply(one.channel, 'RPY', arrived.msgno, context.words.ok);
        sameOctets(arrived, AWKWARD);
        const named = recipients(arrived.payload);
        expect(named.length === 1 && named[0] === one.address, `one recipient, ${one.address}`, named.join(', '));
      }
      const reply = await from.peer.nextReply(from.channel);
      expect(reply.msgno === msgno, `a reply to ${msgno}`, `${reply.msgno}`);
      granted(reply);
    },
  },
  {
    id: 'data.order',
    title: `delivers ${MANY} Data from one originator to one recipient in order`,
    clause: 'RFC 3080 §2.6.1; core-01 §4.4.4.1',
    why: 'a conversation out of order has another meaning',
    needs: NEEDS,
    patience: 2,
    async run(context) {
      const [from, to] = await context.pair();
      for (let index = 0; index < MANY; index += 1) {
        const inner = `<note>${index}</note>`;
        from.peer.msg(from.channel, context.words.data({ from: from.address, to: [to.address], inner }));
      }
      for (let index = 0; index < MANY; index += 1) {
        const { msgno, payload } = await to.peer.nextRequest(to.channel);
        to.peer.reply(to.channel, 'RPY', msgno, context.words.ok);
        const number = /<note>(\d+)</.exec(payload.toString('latin1', 0, 4096))?.[1];
        expect(number === `${index}`, `number ${index}`, `number ${number}`);
      }
      for (let index = 0; index < MANY; index += 1) granted(await from.peer.nextReply(from.channel));
    },
  },
  {
    id: 'data.option-kept',
    title: 'delivers a Data with an optional option and keeps the option',
    clause: 'core-01 §5',
    why: 'the option may be meant for the recipient; a delivering relay removes none',
    needs: NEEDS,
    async run(context) {
      const [from, to] = await context.pair();
      const options = context.words.option('x-kit', false, 5);
      const letter = { from: from.address, to: [to.address], inner: '<note />', options };
      const { payload } = await context.deliver(from, to, context.words.data(letter));
      expect(
        /\binternal=['"]x-kit['"]/.test(`${payload}`),
        'the option x-kit in the delivered Data',
        visible(payload, 300),
      );
    },
  },
  ...REFUSED.map(
    ([name, what, clause, payload, codes]): Check => ({
      id: `data.${name}`,
      title: `refuses ${what}`,
      clause,
      why: 'the sender has to know; ok means that a recipient accepted it',
      needs: NEEDS,
      run: async (context) =>
        void refused(context, await refusal(context, payload(context, context.account().address)), codes),
    }),
  ),
  {
    id: 'data.unknown-recipient',
    title: 'refuses a recipient that does not exist',
    clause: 'core-01 §4.4.4.1; D-CORE-19',
    why: 'a message that nobody receives must not be answered with ok',
    needs: [...NEEDS, 'waits'],
    async run(context) {
      const letter = { from: context.account().address, to: [context.missingEndpoint], inner: '<note />' };
      refused(context, await refusal(context, context.words.data(letter)), { should: [550] });
    },
  },
  {
    id: 'data.not-attached',
    title: 'refuses a recipient that is not attached',
    clause: 'core-01 §4.4.4.1; D-CORE-19',
    why: 'the message is not held, so the sender has to know that it was not delivered',
    needs: [...NEEDS, 'second', 'waits'],
    async run(context) {
      const letter = { from: context.account().address, to: [context.account('second').address], inner: '<note />' };
      refused(context, await refusal(context, context.words.data(letter)), { should: [450] });
    },
  },
  {
    id: 'data.sender-not-attached',
    title: 'refuses Data from an endpoint that is not attached',
    clause: DATA,
    why: 'answers and reports could not reach the sender',
    needs: NEEDS,
    async run(context) {
      const { peer, channel } = await context.open();
      const own = context.account().address;
      const reply = await peer.ask(channel, context.words.data({ from: own, to: [own], inner: '<note />' }));
      refused(context, reply, { must: [537] });
    },
  },
  {
    id: 'data.refused-by-recipient',
    title: 'answers the sender when the recipient refuses',
    clause: 'core-01 §4.4.4.1, §4.4.4.2',
    why: "a refusal must not block the sender's channel",
    needs: NEEDS,
    async run(context) {
      const [from, to] = await context.pair();
      const letter = { from: from.address, to: [to.address], inner: '<note>no?</note>' };
      const answered = from.peer.ask(from.channel, context.words.data(letter));
      answered.catch(() => {});
      const { msgno } = await to.peer.nextRequest(to.channel);
      to.peer.reply(to.channel, 'ERR', msgno, context.words.control("<error code='550'>not now</error>"));
      const reply = await answered;
      if (reply.keyword === 'ERR') refused(context, reply, { should: [550] });
      else if (context.words.waits) context.remark('the sender receives ok although the recipient refused');
    },
  },
  {
    id: 'data.vanished-recipient',
    title: 'answers the sender when the recipient disconnects',
    clause: DATA,
    why: 'messages must not be lost silently',
    needs: [...NEEDS, 'second'],
    fault: true,
    async run(context) {
      const [from, to] = await context.pair();
      const letter = { from: from.address, to: [to.address], inner: '<note>quick</note>' };
      const answered = from.peer.ask(from.channel, context.words.data(letter));
      answered.catch(() => {});
      await to.peer.nextRequest(to.channel);
      to.peer.destroy();
      const reply = await answered;
      if (reply.keyword === 'ERR') refused(context, reply, { should: [450, 451] });
    },
  },
  {
    id: 'data.status-request',
    title: 'reports the status of a Data that requests it',
    clause: 'core-01 §5.1, §6.2',
    why: 'traces consist of these reports',
    needs: NEEDS,
    async run(context) {
      const [from, to] = await context.pair();
      const options = context.words.option('statusRequest', true, 4711);
      const letter = { from: from.address, to: [to.address], inner: '<note />', options };
      try {
        await context.deliver(from, to, context.words.data(letter));
      } catch (error) {
        const unknown = error instanceof Finding && error.received.startsWith('ERR 504');
        throw unknown ? new NotOffered('this listener does not understand statusRequest') : error;
      }
      const text = `${(await report(context, from)).payload}`;
      expect(text.includes(`${context.words.report}@`), `a Data of ${context.words.report}@…`, text.slice(0, 200));
      expect(/<statusResponse\b[^>]*4711/.test(text), "a statusResponse with transID='4711'", text.slice(0, 400));
      expect(/\bcode=['"]250['"]/.test(text), 'the code 250', text.slice(0, 400));
    },
  },
];
