/**
 * The gateway to XMPP, the relay and the XMPP server, each killed while messages go both ways.
 * `IMXP_XMPP_MESSAGES=10000` sends that many each way, and does with ejabberd all that is done with Prosody. Where a server or
 * slixmpp cannot be installed, the specs are skipped, aloud.
 */
import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { PresenceInfo } from '../../lib/endpoint/presence-info.js';
import { INSTALL_TIMEOUT_MS, lacksPeer } from '../support/debian.js';
import { GatewayStage, gatewayAccount } from '../support/gateway-stage.js';
import type { Command } from '../support/node-process.js';
import { within } from '../support/within.js';
import {
  atServer,
  COMPONENT_DOMAIN,
  COMPONENT_SECRET,
  ejabberd,
  presenceShowing,
  prosody,
  XMPP_DOMAIN,
  XmppClient,
  type XmppClientEvent,
  type XmppServer,
} from './xmpp-peers.js';

const MESH_DOMAIN = 'xmpp.example';
const FRED = `fred@${COMPONENT_DOMAIN}`;
const ROMEO = `romeo@${MESH_DOMAIN}`;
const WHOLE = process.env['IMXP_XMPP_MESSAGES'];
/** The short form with ejabberd is what is particular to the server. */
const SERVERS = [
  {
    name: 'Prosody',
    make: prosody,
    packages: ['prosody', 'python3-slixmpp'],
    messages: Number(WHOLE ?? 400),
    short: false,
    late: false,
  },
  {
    name: 'ejabberd',
    make: ejabberd,
    packages: ['ejabberd', 'python3-slixmpp'],
    messages: Number(WHOLE ?? 100),
    short: WHOLE === undefined,
    // It writes what its users have changed only some seconds later.
    late: true,
  },
] as const;
/** Messages of one direction that wait for their answer. */
const WINDOW = 16;
const ANSWER_MS = 40_000;
/** After a failure: whatever has failed is being started again. */
const PAUSE_MS = 3000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

for (const { name, make, packages, messages, short, late } of SERVERS) {
  describe(`the gateway to XMPP with ${name}, in a bad world`, function () {
    this.timeout(600_000 + messages * 200);
    let stage: GatewayStage;
    let server: XmppServer;
    let gateway: Command;
    let fred: Endpoint;
    let romeo: XmppClient;

    async function startClient(user: string): Promise<XmppClient> {
      const client = new XmppClient(user, server.clientPort);
      await client.event({ event: 'ready' });
      return client;
    }

    /** Kills one of the three and starts it again. */
    const FAULTS: Readonly<Record<string, () => Promise<void>>> = {
      gateway: async () => {
        await gateway.kill();
        gateway = await stage.startGateway('xmpp', MESH_DOMAIN);
      },
      relay: async () => {
        await stage.relay.kill();
        await stage.relay.start();
      },
      'XMPP server': async () => {
        await server.stop();
        romeo.stop();
        await server.start();
        await gateway.seen(
          (output) => (output.lastIndexOf('link up') > output.lastIndexOf('link down') ? true : undefined),
          'link up',
          60_000,
        );
      },
    };

    before(async function () {
      this.timeout(INSTALL_TIMEOUT_MS);
      if (lacksPeer(name, packages)) return this.skip();
      stage = await GatewayStage.open({
        domains: [COMPONENT_DOMAIN],
        served: [MESH_DOMAIN],
        users: [FRED],
        secret: COMPONENT_SECRET,
      });
      server = await make(await stage.directory('server'));
      await server.start();
      gateway = await stage.gateway('xmpp', MESH_DOMAIN, {
        xmpp: atServer(server),
        domains: [{ mesh: MESH_DOMAIN, xmpp: XMPP_DOMAIN }],
        messages: { timeoutMs: 5000 },
        presence: { retryMs: 300, answerTimeoutMs: 500 },
      });
      fred = await stage.connect(FRED);
      romeo = await startClient('romeo');
    });

    // What the gateway said is the first thing to look at.
    afterEach(function () {
      if (this.currentTest?.state !== 'passed') console.log(`      the gateway: ${gateway?.output.slice(-4000)}`);
    });

    after(async () => {
      romeo?.stop();
      await fred?.close();
      await stage?.close();
      await server?.stop();
    });

    /** fred watches somebody, who has approved. */
    async function watch(whom: string, client: XmppClient) {
      // The gateway may still be on its way back to the relay.
      const feed = await within(
        60_000,
        untilDone(() => fred.presence.subscribe(whom)),
        'fred subscribes',
      );
      client.tell({ do: 'presence', to: FRED, type: 'subscribed' });
      const seen = feed[Symbol.asyncIterator]();
      const until = async (word: string): Promise<PresenceInfo> => {
        for (;;) {
          const { value } = await within(
            60_000,
            seen.next(),
            () => `presence with ${word}: ${gateway.output.slice(-2000)}`,
          );
          if (value === undefined) throw new Error('the feed has ended');
          if (value.tuples[0]?.extension?.elements.join().includes(word)) return value;
        }
      };
      return { feed, until };
    }

    for (const [what, fault] of Object.entries(FAULTS)) {
      if (short && what !== 'XMPP server') continue;
      it(`loses no subscription when the ${what} is killed`, async () => {
        const publish = (show: string) =>
          within(
            60_000,
            untilDone(() => fred.presence.publish(presenceShowing(FRED, show))),
            'fred publishes',
          );
        const { feed, until } = await watch(ROMEO, romeo);
        await fred.access.allow(ROMEO, ['presence:subscribe']);
        romeo.tell({ do: 'presence', to: FRED, type: 'subscribe' });
        await romeo.event({ event: 'subscribed' });
        romeo.tell({ do: 'presence', status: 'before' });
        await until('before');
        if (what === 'XMPP server') await pause(server.writesAfterMs);
        await fault();
        if (what === 'XMPP server') romeo = await startClient('romeo');
        romeo.tell({ do: 'presence', status: 'after' });
        await until('after');
        // The relay may have been away: it is published again until it is there.
        await publish('dnd');
        await romeo.event({ event: 'presence', sender: `${FRED}/imxp`, show: 'dnd' });
        await feed.end();
        await publish('chat');
        romeo.tell({ do: 'presence', to: FRED, type: 'unsubscribe' });
      });
    }

    const asksAgain = async (): Promise<void> => {
      let juliet = await startClient('juliet');
      try {
        const { feed, until } = await watch(`juliet@${MESH_DOMAIN}`, juliet);
        juliet.tell({ do: 'presence', status: 'before' });
        await until('before');
        await FAULTS['XMPP server']?.();
        juliet.stop();
        juliet = await startClient('juliet');
        await juliet.event({ event: 'subscribe', sender: FRED });
        juliet.tell({ do: 'presence', to: FRED, type: 'subscribed' });
        juliet.tell({ do: 'presence', status: 'after' });
        await until('after');
        await feed.end();
      } finally {
        juliet.stop();
        romeo = await startClient('romeo');
      }
    };
    if (late) it('asks again for an approval that the XMPP server had not written when it was killed', asksAgain);

    it(`answers ok only to what arrived, of ${messages} messages each way, while each of the three is killed`, async () => {
      const atFred = new Map<string, number>();
      const atRomeo = new Map<string, number>();
      const count = (at: Map<string, number>, name: string) => at.set(name, (at.get(name) ?? 0) + 1);
      fred.receive(({ originator, message }) => {
        if (originator === ROMEO) count(atFred, message?.text ?? '');
      });
      const waiting = new Map<string, (answer: string) => void>();
      let online: Promise<void> = Promise.resolve();
      const hear = async (client: XmppClient): Promise<void> => {
        for (;;) {
          const event: XmppClientEvent | undefined = await client.next();
          if (event === undefined) return;
          if (event['event'] === 'message') count(atRomeo, event['body'] ?? '');
          const settle = waiting.get(event['id'] ?? '');
          if (event['event'] === 'receipt') settle?.('ok');
          if (event['event'] === 'error') settle?.(event['text'] ?? 'error');
        }
      };
      let hearing = hear(romeo);
      const sent = { fred: 0, romeo: 0 };
      const fromFred = new Map<string, string>();
      const fromRomeo = new Map<string, string>();
      const fredSends = async (): Promise<void> => {
        for (let number = sent.fred++; number < messages; number = sent.fred++) {
          const [outcome] = await fred.sendEach({ to: ROMEO, content: `f${number}` }).catch(() => []);
          const answer = outcome?.accepted ? 'ok' : String(outcome?.code ?? 'lost');
          fromFred.set(`f${number}`, answer);
          if (answer !== 'ok') await pause(PAUSE_MS);
        }
      };
      const romeoSends = async (): Promise<void> => {
        for (let number = sent.romeo++; number < messages; number = sent.romeo++) {
          await online;
          const id = `r${number}`;
          const answered = new Promise<string>((resolve) => waiting.set(id, resolve));
          romeo.tell({ do: 'send', to: FRED, id, body: id });
          const answer = await Promise.race([answered, pause(ANSWER_MS).then(() => 'none')]);
          waiting.delete(id);
          fromRomeo.set(id, answer);
          if (answer !== 'ok') await pause(PAUSE_MS);
        }
      };
      const kills = async (): Promise<void> => {
        const faults = Object.entries(FAULTS);
        for (const [index, [what, fault]] of faults.entries()) {
          const share = (messages * (index + 1)) / (faults.length + 1);
          while (fromFred.size < share && fromRomeo.size < share) await pause(20);
          if (what !== 'XMPP server') {
            await fault();
            continue;
          }
          let back = (): void => {};
          online = new Promise((resolve) => {
            back = resolve;
          });
          await fault();
          // What was said on a connection that is gone is not answered.
          await hearing;
          for (const settle of waiting.values()) settle('lost');
          romeo = await startClient('romeo');
          hearing = hear(romeo);
          back();
        }
      };
      const workers = Array.from({ length: WINDOW }, () => [fredSends(), romeoSends()]).flat();
      await Promise.all([...workers, kills()]);
      const summary = (answers: Map<string, string>) => {
        const counts = new Map<string, number>();
        for (const answer of answers.values()) count(counts, answer);
        return JSON.stringify(Object.fromEntries(counts));
      };
      console.log(`      from fred ${summary(fromFred)}, from romeo ${summary(fromRomeo)}`);
      const ok = (answers: Map<string, string>) =>
        [...answers].filter(([, answer]) => answer === 'ok').map(([id]) => id);
      expect([fromFred.size, fromRomeo.size]).to.deep.equal([messages, messages]);
      expect(
        ok(fromFred).filter((id) => !atRomeo.has(id)),
        'answered ok and not there',
      ).to.deep.equal([]);
      expect(
        ok(fromRomeo).filter((id) => atFred.get(id) !== 1),
        'acknowledged and not there once',
      ).to.deep.equal([]);
      expect(
        [...atFred].filter(([, times]) => times > 1),
        'twice in the mesh',
      ).to.deep.equal([]);
      expect(Math.min(ok(fromFred).length, ok(fromRomeo).length)).to.be.greaterThan(messages / 10);
      const unanswered = [...fromRomeo.values()].filter((answer) => answer === 'none' || answer === 'lost').length;
      expect(unanswered, 'only what was on its way when something was killed').to.be.at.most(3 * WINDOW);
      romeo.stop();
      romeo = await startClient('romeo');
    });

    // The server has no part in it.
    if (!short)
      it('ends, and says why, when the relay does not want the gateway any more', async () => {
        if (gateway.ended) gateway = await stage.startGateway('xmpp', MESH_DOMAIN);
        const account = (action: string) =>
          stage.workshop.run(['account', action, gatewayAccount(MESH_DOMAIN), '--config', stage.relay.config]);
        expect(await account('disable')).to.have.property('code', 0);
        const { code, stdout } = await gateway.finished(60_000);
        expect(await account('enable')).to.have.property('code', 0);
        expect(code).to.equal(77);
        expect(stdout.toString()).to.match(/"reason":"[^"]*535/);
      });
  });
}

/** Tries until it works. */
async function untilDone<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch {
      await pause(PAUSE_MS);
    }
  }
}
