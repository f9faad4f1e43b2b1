/** Checks of attach and terminate: who may attach, as whom, how often, and until when (core-01 §4.4.1, §4.4.3). */

import { granted, grantedInside, refused, refusedInside } from '../answers.js';
import type { Check } from '../check.js';
import type { Attached, Context } from '../context.js';
import { expect, NotOffered } from '../finding.js';
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
    title: 'creates a channel of the mesh without an initial operation',
    clause: 'core-01 §4.2',
    why: 'initialization content is optional',
    needs: NEEDS,
    run: async (context) => void (await askNothing(context, ...(await opened(context)))),
  },
  {
    id: 'attach.ok',
    title: 'attaches the account as its own endpoint',
    clause: ATTACH,
    why: 'otherwise no endpoint can receive anything',
    needs: NEEDS,
    run: async (context) => void (await context.attached()),
  },
  {
    id: 'attach.piggyback',
    title: 'attaches by the initialization content of the channel',
    clause: 'core-01 §4.2, §4.4.1',
    why: 'most endpoints attach this way',
    needs: NEEDS,
    async run(context) {
      // Attached and terminated first, so that no other application is attached.
      const fred = await context.attached();
      granted(await ask(context, fred, document.terminate(71)));
      grantedInside((await fred.peer.start(context.words.profile, document.attach(fred.address, 7))).reply);
    },
  },
  {
    id: 'attach.unauthenticated',
    title: 'refuses an attach from a peer that is not authenticated',
    clause: ATTACH,
    why: 'otherwise anyone could receive the messages of anyone',
    needs: ['account', 'imxp'],
    async run(context) {
      const peer = await context.session();
      const { reply } = await peer.start(context.words.profile, document.attach(context.account().address, 1));
      refusedInside(context, reply, { should: [530, 537, 538, 550] });
    },
  },
  {
    id: 'attach.wrong-identity',
    title: 'refuses an attach as another user',
    clause: ATTACH,
    why: 'authentication decides who may receive whose messages',
    needs: NEEDS,
    async run(context) {
      const at = await context.open();
      refused(context, await ask(context, at, document.attach(context.missingEndpoint, 1)), {
        must: [537],
        should: [537],
      });
    },
  },
  {
    id: 'attach.foreign-domain',
    title: 'refuses an attach in a domain that it does not serve',
    clause: ATTACH,
    why: 'messages for that endpoint are sent elsewhere',
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
    title: 'refuses a second attach as the same endpoint',
    clause: ATTACH,
    why: 'each message is delivered to one application',
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
    why: 'terminate could not tell the two apart',
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
    why: 'several applications of one user can share a connection',
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
    title: 'terminates an attachment and frees its endpoint and transID',
    clause: TERMINATE,
    why: 'an endpoint that leaves must stop receiving, and must be able to return',
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
    title: 'refuses to terminate an unknown attachment',
    clause: TERMINATE,
    why: 'ok would mean that an attachment ended',
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
    why: 'an endpoint that cannot be reached must not look attached or block its user',
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
    title: 'ends an attachment when its connection is cut',
    clause: ATTACH,
    why: 'connections break, and the user must be able to return',
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
    title: 'refuses an attach with a mandatory option that it does not understand',
    clause: 'core-01 §4.4.1, §5',
    why: 'the endpoint relies on the option',
    needs: NEEDS,
    async run(context) {
      const at = await context.open();
      const option = context.words.option('x-kit', true, 5);
      const attach = `<attach endpoint='${context.account().address}' transID='3'>${option}</attach>`;
      const reply = await ask(context, at, attach);
      if (reply.keyword === 'RPY') {
        context.owns(at.peer);
        return context.remark('mandatory options of attach are ignored');
      }
      refused(context, reply, { should: [504] });
    },
  },
  ...(
    [
      ['no-transid', 'an attach without a transID', (to: string) => `<attach endpoint='${to}' />`],
      ['no-endpoint', 'an attach without an endpoint', () => "<attach transID='1' />"],
      ['transid-range', 'an invalid transID', (to: string) => `<attach endpoint='${to}' transID='x1' />`],
    ] as const
  ).map(
    ([name, what, attach]): Check => ({
      id: `attach.${name}`,
      title: `refuses ${what}`,
      clause: 'core-01 §9.1, §10',
      why: 'the meaning of invalid input must not be guessed',
      needs: NEEDS,
      async run(context) {
        const at = await context.open();
        const reply = await ask(context, at, attach(context.account().address));
        if (reply.keyword === 'RPY') context.owns(at.peer);
        refused(context, reply, { should: [501] });
        expect(at.peer.alive, 'that the session continues', 'its end');
      },
    }),
  ),
];

async function opened(context: Context): Promise<readonly [Attached['peer'], number]> {
  const { peer, channel } = await context.open();
  return [peer, channel];
}
