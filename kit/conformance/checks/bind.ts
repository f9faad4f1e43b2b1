/** Checks of bind: which relay may act for which domain, and what it may then send (core-01 §4.4.2, §4.4.4.1). */

import { granted, grantedInside, refused, refusedInside } from '../answers.js';
import type { Check } from '../check.js';
import type { Attached, Context } from '../context.js';
import { domainOf } from '../context.js';
import { NotOffered } from '../finding.js';
import * as document from '../peer/documents.js';

const BIND = 'core-01 §4.4.2';
const NEEDS = ['relay', 'digest', 'imxp'] as const;

const home = (context: Context): string => domainOf(context.account('relay').address);

/** A neighbour's session with a channel on which it is bound. */
async function bound(context: Context): Promise<Attached> {
  const who = context.account('relay');
  const peer = await context.authenticated(who);
  const channel = await context.channel(peer);
  const domain = home(context);
  granted(await peer.ask(channel, context.words.control(document.bind(domain, 9))), `bind for ${domain}`);
  return { address: domain, peer, channel };
}

export const BIND_CHECKS: readonly Check[] = [
  {
    id: 'bind.ok',
    title: 'lets a neighbour bind for its own domain',
    clause: BIND,
    why: 'otherwise nothing arrives from other domains',
    needs: NEEDS,
    run: async (context) => void (await bound(context)),
  },
  {
    id: 'bind.piggyback',
    title: 'binds by the initialization content of the channel',
    clause: 'core-01 §4.2, §4.4.2',
    why: 'most relays bind this way',
    needs: NEEDS,
    async run(context) {
      const peer = await context.authenticated(context.account('relay'));
      grantedInside((await peer.start(context.words.profile, document.bind(home(context), 9))).reply);
    },
  },
  {
    id: 'bind.foreign-domain',
    title: 'refuses to bind a neighbour for a domain that is not its own',
    clause: BIND,
    why: 'it would receive the messages for that domain',
    needs: NEEDS,
    async run(context) {
      const peer = await context.authenticated(context.account('relay'));
      const { reply } = await peer.start(context.words.profile, document.bind('kit.invalid', 9));
      refusedInside(context, reply, { must: [537] });
    },
  },
  {
    id: 'bind.endpoint',
    title: 'does not let an endpoint bind',
    clause: 'core-01 §4.4.2, §4.5.2',
    why: 'an endpoint is not a relay',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const { peer, channel } = await context.open();
      const reply = await peer.ask(channel, context.words.control(document.bind(context.target.domain, 9)));
      refused(context, reply, { must: [537] });
    },
  },
  {
    id: 'bind.transid-in-use',
    title: 'refuses a transID that is in use on the channel',
    clause: BIND,
    why: 'terminate could not say which of the two it means',
    needs: NEEDS,
    async run(context) {
      const { peer, channel, address } = await bound(context);
      refused(context, await peer.ask(channel, context.words.control(document.bind(address, 9))), { must: [555] });
    },
  },
  {
    id: 'bind.terminate',
    title: 'terminates a binding, and refuses to terminate it again',
    clause: 'core-01 §4.4.3',
    why: 'a relay that leaves must stop receiving the messages for its domain',
    needs: NEEDS,
    async run(context) {
      const { peer, channel } = await bound(context);
      const terminate = context.words.control(document.terminate(9));
      granted(await peer.ask(channel, terminate));
      refused(context, await peer.ask(channel, terminate), { must: [550] });
    },
  },
  {
    id: 'bind.delivers',
    title: 'delivers messages that a neighbour sends for its domain',
    clause: 'core-01 §4.4.4.1',
    why: 'this is the purpose of the mesh',
    needs: [...NEEDS, 'account'],
    async run(context) {
      const relay = await bound(context);
      const fred = await context.attached();
      const letter = { from: `kit@${relay.address}`, to: [fred.address], inner: '<note>from afar</note>' };
      await context.deliver(relay, fred, context.words.data(letter));
    },
  },
  {
    id: 'bind.foreign-originator',
    title: 'refuses messages that a neighbour sends for a domain that is not its own',
    clause: 'core-01 §4.4.4.1, §4.5.2',
    why: 'otherwise any relay could send in the name of anyone',
    needs: [...NEEDS, 'account'],
    async run(context) {
      const { peer, channel } = await bound(context);
      const letter = { from: 'kit@kit.invalid', to: [context.account().address], inner: '<note />' };
      const reply = await peer.ask(channel, context.words.data(letter));
      if (reply.keyword === 'RPY') throw new NotOffered('this listener lets the neighbour send for other domains');
      refused(context, reply, { must: [537] });
    },
  },
];
