/** Attach and terminate: who may, as whom, how often, until when (core-01 §4.4.1, §4.4.3). */
import type { Check } from '../check.js';
import type { Attached, Context } from '../context.js';
import { expect, NotOffered } from '../finding.js';
import { granted, grantedInside, refused, refusedInside } from '../judge.js';
import type { RawMessage } from '../peer/channel.js';
import * as document from '../peer/documents.js';
import { askNothing } from './common.js';

const ATTACH = 'core-01 §4.4.1';
const TERMINATE = 'core-01 §4.4.3';
const NEEDS = ['account', 'digest', 'imxp'] as const;

const ask = (context: Context, { peer, channel }: Omit<Attached, 'address'>, what: string): Promise<RawMessage> =>
  peer.ask(channel, context.words.control(what));

export const ATTACH_CHECKS: readonly Check[] = [
  {
    id: 'attach.channel',
    title: 'creates a channel of the mesh without an operation',
    clause: 'core-01 §4.2',
    why: 'nothing has to come with the start',
    needs: NEEDS,
    run: async (context) => void (await askNothing(context, ...(await opened(context)))),
  },
  {
    id: 'attach.ok',
    title: 'attaches the account as its own endpoint',
    clause: ATTACH,
    why: 'nobody receives anything otherwise',
    needs: NEEDS,
    run: async (context) => void (await context.attached()),
  },
  {
    id: 'attach.piggyback',
    title: 'attaches by what comes with the start of the channel',
    clause: 'core-01 §4.2, §4.4.1',
    why: 'most endpoints attach this way',
    needs: NEEDS,
    async run(context) {
      // Attached and terminated first: then nobody else is.
      const fred = await context.attached();
      granted(await ask(context, fred, document.terminate(71)));
      grantedInside((await fred.peer.start(context.words.profile, document.attach(fred.address, 7))).reply);
    },
  },
  {
    id: 'attach.unauthenticated',
    title: 'refuses to attach somebody who has not authenticated',
    clause: ATTACH,
    why: 'anybody could take the messages of anybody',
    needs: ['account', 'imxp'],
    async run(context) {
      const peer = await context.session();
      const { reply } = await peer.start(context.words.profile, document.attach(context.account().address, 1));
      refusedInside(context, reply, { should: [530, 537, 538, 550] });
    },
  },
  {
    id: 'attach.wrong-identity',
    title: 'refuses to attach somebody as somebody else',
    clause: ATTACH,
    why: 'authentication says who may take whose messages',
    needs: NEEDS,
    async run(context) {
      const at = await context.open();
      refused(context, await ask(context, at, document.attach(context.stranger, 1)), { must: [537], should: [537] });
    },
  },
  {
    id: 'attach.foreign-domain',
    title: 'refuses to attach as an endpoint of a domain it does not serve',
    clause: ATTACH,
    why: 'the messages for it go elsewhere',
    needs: NEEDS,
    async run(context) {
      const at = await context.open();
      refused(context, await ask(context, at, document.attach('fred@kit.invalid', 1)), {
        must: [553, 537],
        should: [553],
      });
    },
  },
  {
    id: 'attach.twice',
    title: 'refuses a second application as an endpoint that is attached',
    clause: ATTACH,
    why: 'each message has one recipient',
    needs: NEEDS,
    async run(context) {
      const { address } = await context.attached();
      const at = await context.open();
      refused(context, await ask(context, at, document.attach(address, 5)), { must: [554] });
    },
  },
  {
    id: 'attach.transid-in-use',
    title: 'refuses a transID that is in use on the channel',
    clause: ATTACH,
    why: 'terminate could not say which of the two it means',
    needs: NEEDS,
    async run(context) {
      const fred = await context.attached();
      const other = fred.address.replace('@', '/appl=kit@');
      refused(context, await ask(context, fred, document.attach(other, 71)), { must: [555] });
    },
  },
  {
    id: 'attach.subaddress',
    title: 'attaches the account as a subaddress of its endpoint, on the same channel',
    clause: 'core-01 §4.4.1, §4.5.1',
    why: 'several applications of one person share one connection',
    needs: NEEDS,
    async run(context) {
      const fred = await context.attached();
      const other = fred.address.replace('@', '/appl=kit@');
      const reply = await ask(context, fred, document.attach(other, 72));
      if (reply.keyword !== 'ERR') return granted(reply);
      const { code } = refused(context, reply, { should: [537] });
      throw new NotOffered(`subaddresses are refused with ${code}`);
    },
  },
  {
    id: 'attach.terminate',
    title: 'terminates an attachment, whose endpoint and transID are free again',
    clause: TERMINATE,
    why: 'who leaves must not go on receiving, and must be able to come back',
    needs: NEEDS,
    async run(context) {
      const fred = await context.attached();
      for (let time = 0; time < 2; time += 1) {
        granted(await ask(context, fred, document.terminate(71)));
        granted(await ask(context, fred, document.attach(fred.address, 71)));
      }
    },
  },
  {
    id: 'attach.terminate-unknown',
    title: 'refuses to terminate what is not there',
    clause: TERMINATE,
    why: 'ok would say that something ended',
    needs: NEEDS,
    async run(context) {
      const { peer, channel } = await context.open();
      refused(context, await askNothing(context, peer, channel), { must: [550] });
    },
  },
  {
    id: 'attach.ends-with-channel',
    title: 'ends an attachment with its channel',
    clause: ATTACH,
    why: 'an endpoint nobody can reach must not look attached, nor keep its owner out',
    needs: NEEDS,
    async run(context) {
      const { peer, channel, address } = await context.attached();
      granted(await peer.close(channel), 'ok to the close');
      const again = await context.channel(peer);
      granted(await ask(context, { peer, channel: again }, document.attach(address, 71)));
    },
  },
  {
    id: 'attach.ends-with-session',
    title: 'ends an attachment with a connection that is cut',
    clause: ATTACH,
    why: 'connections break; whoever comes back has to be let in',
    needs: NEEDS,
    patience: 2,
    async run(context) {
      const { peer } = await context.attached();
      peer.destroy();
      await context.attached();
    },
  },
  {
    id: 'attach.must-understand',
    title: 'refuses an attach with an option it has to understand and does not',
    clause: 'core-01 §4.4.1, §5',
    why: 'the endpoint counts on it',
    needs: NEEDS,
    async run(context) {
      const at = await context.open();
      const option = context.words.option('x-kit', true, 5);
      const attach = `<attach endpoint='${context.account().address}' transID='3'>${option}</attach>`;
      const reply = await ask(context, at, attach);
      if (reply.keyword === 'RPY') {
        context.owns(at.peer);
        return context.remark('an option of attach that must be understood is not looked at');
      }
      refused(context, reply, { should: [504] });
    },
  },
  ...(
    [
      ['no-transid', 'an attach without a transID', (to: string) => `<attach endpoint='${to}' />`],
      ['no-endpoint', 'an attach without an endpoint', () => "<attach transID='1' />"],
      ['transid-range', 'a transID that is none', (to: string) => `<attach endpoint='${to}' transID='x1' />`],
    ] as const
  ).map(
    ([name, what, attach]): Check => ({
      id: `attach.${name}`,
      title: `refuses ${what}`,
      clause: 'core-01 §9.1, §10',
      why: 'what is not valid must not be guessed',
      needs: NEEDS,
      async run(context) {
        const at = await context.open();
        const reply = await ask(context, at, attach(context.account().address));
        if (reply.keyword === 'RPY') context.owns(at.peer);
        refused(context, reply, { should: [501] });
        expect(at.peer.alive, 'the session to go on', 'its end');
      },
    }),
  ),
];

async function opened(context: Context): Promise<readonly [Attached['peer'], number]> {
  const { peer, channel } = await context.open();
  return [peer, channel];
}
