import { expect } from 'chai';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { StatusClient } from '../../lib/endpoint/status.js';
import { Transactions } from '../../lib/endpoint/transactions.js';
import { apexDialect } from '../../lib/imxp/dialect/apex.js';
import { DnsServer } from '../support/dns-server.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { scripted } from '../support/scripted-endpoint.js';
import { ScriptedRelay } from '../support/scripted-relay.js';
import { temporaryFile } from '../support/temporary-file.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@rubble.com';
const SMITH = '"fred smith"@example.com';

const APEX = { dialect: 'apex' } as const;

async function next(endpoint: Endpoint): Promise<Delivery> {
  for await (const delivery of endpoint) return delivery;
  throw new Error('nothing came');
}

describe('endpoint: APEX', function () {
  this.timeout(30_000);
  this.slow(3000);
  let mesh: LocalMesh;

  before(async () => {
    const initial = [
      { actor: 'owner', actions: ['all:all'] },
      { actor: '*@*', actions: ['core:data', 'presence:subscribe'] },
    ];
    mesh = await LocalMesh.start({ config: { access: { initial } } });
    await mesh.account(SMITH);
  });

  afterEach(() => mesh.leave());

  after(() => mesh.close());

  it('REQ-IMXP-049 exchanges messages with endpoints of either dialect, parts included', async () => {
    const [fred, wilma, barney] = [
      await mesh.attach(FRED, APEX),
      await mesh.attach(WILMA, APEX),
      await mesh.attach(BARNEY),
    ];
    expect([fred.dialect, barney.dialect]).to.deep.equal(['apex', 'imxp']);
    const body = Buffer.from([0, 1, 2, 255]);
    for (const [from, to, address] of [
      [fred, wilma, WILMA],
      [fred, barney, BARNEY],
      [barney, fred, FRED],
    ] as const) {
      const arrived = next(to);
      await from.send({ to: address, content: body, type: 'application/octet-stream' });
      const delivery = await arrived;
      expect(delivery.originator).to.equal(from.addresses[0]);
      const { content } = delivery;
      expect(content.kind === 'part' && content.body).to.deep.equal(body);
    }
  });

  it('REQ-IMXP-051 learns from reports what became of a message', async () => {
    const fred = await mesh.attach(FRED, APEX);
    const refused = await fred.status({ to: [WILMA, BARNEY], content: 'Dinner!' });
    expect([refused.code, refused.complete]).to.deep.equal([250, true]);
    const outcomes = refused.reports.flatMap(({ recipients }) =>
      recipients.map(({ identity, code }) => [identity, code]),
    );
    expect(outcomes).to.have.deep.members([
      [WILMA, 450],
      [BARNEY, 450],
    ]);
    expect((await fred.ping(BARNEY)).code).to.equal(450);
    await mesh.attach(BARNEY);
    expect((await fred.ping(BARNEY)).code).to.equal(250);
    const trace = await fred.trace(BARNEY);
    expect(trace.reports.map(({ relay }) => relay)).to.deep.equal(['example.com', 'rubble.com']);
  });

  it('says so when no relay reports', async () => {
    const endpoint = { addresses: [FRED], ...APEX, send: async () => {} };
    const client = new StatusClient(endpoint, new Transactions());
    expect(await client.ping(BARNEY, { reportTimeoutMs: 20 })).to.include({ code: 451 });
  });

  it('reads and changes presence and access in the form of APEX', async () => {
    const [fred, barney] = [await mesh.attach(FRED, APEX), await mesh.attach(BARNEY)];
    const here = (destination: string) => ({
      tuples: [{ destination, availableUntil: new Date(Date.now() + 3_600_000) }],
    });
    await barney.presence.publish(here(`im:${BARNEY}`));
    expect((await fred.presence.poll(BARNEY)).open).to.equal(true);
    await fred.presence.publish(here(`im:${FRED}`));
    expect((await barney.presence.poll(FRED)).open).to.equal(true);
    await fred.access.deny(BARNEY, ['core:data']);
    const failure = await failureOf(barney.send({ to: FRED, content: 'hello?' }));
    expect(failure.reply?.code).to.equal(537);
    await fred.access.allow(BARNEY, ['core:data']);
  });

  it('REQ-IMXP-053 accepts in quotes names that IMXP does not have', async () => {
    const smith = await mesh.attach(SMITH, APEX);
    const wilma = await mesh.attach(WILMA, APEX);
    const arrived = next(smith);
    await wilma.send({ to: SMITH, content: 'Dinner!' });
    expect((await arrived).recipients).to.deep.equal([SMITH]);
    const { reports } = await smith.status({ to: BARNEY, content: 'x' });
    expect(reports[0]?.recipients[0]?.code).to.be.oneOf([450, 553]);
  });

  it('REQ-IMXP-052 ends its attachment when its relay terminates everything', async () => {
    const relay = new (class extends ScriptedRelay {
      override readonly dialect = apexDialect();
    })();
    const { fred } = await scripted(APEX, relay);
    await fred.attach('fred/appl=wb@example.com');
    const ended: string[] = [];
    fred.on('terminate', (address) => ended.push(address));
    fred.on('close', () => {});
    const { channel } = relay;
    const all = Buffer.from("Content-Type: application/beep+xml\r\n\r\n<terminate code='421'>bye</terminate>\r\n");
    const msgno = channel.send(all);
    await channel.until(() => channel.answers.has(msgno));
    expect(channel.answers.get(msgno)).to.deep.equal({ type: 'ok' });
    expect(ended).to.have.members([FRED, 'fred/appl=wb@example.com']);
    await fred.close();
  });

  it('refuses an unknown dialect', async () => {
    const failure = await failureOf(mesh.attach(FRED, { dialect: 'bxxp' as 'apex' }));
    expect(failure).to.include({ code: 'ARGUMENT' });
    expect(failure.message).to.include('imxp, apex');
  });

  it('REQ-IMXP-054 finds its relay by apex-edge, and relays find each other by apex-mesh', async () => {
    const dns = await DnsServer.start();
    const passwordFile = await temporaryFile(`${passwordOf('imxp=mesh@example.com')}\n`);
    const credentials = { username: 'apex=mesh@example.com', passwordFile };
    const config = { mesh: { dns: { servers: [dns.address], tls: 'off' as const, credentials } } };
    const mesh = await LocalMesh.start({ config });
    try {
      for (const [domain, service] of [
        ['example.com', 'edge'],
        ['rubble.com', 'mesh'],
      ] as const) {
        const port = Number(new URL(mesh.url(domain)).port);
        dns.srv(`_apex-${service}._tcp.${domain}`, { port, target: `relay.${domain}` });
        dns.host(`relay.${domain}`, ['127.0.0.1']);
      }
      const { relay: _, ...options } = mesh.options(FRED, { ...APEX, nameServers: [dns.address], tls: 'off' });
      const fred = await Endpoint.connect(options);
      try {
        const barney = await mesh.attach(BARNEY);
        const arrived = next(barney);
        await fred.send({ to: BARNEY, content: 'Bowling?' });
        expect((await arrived).text()).to.equal('Bowling?');
      } finally {
        await fred.close();
      }
    } finally {
      await mesh.close();
      await dns.stop();
    }
  });
});
