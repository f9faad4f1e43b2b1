import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { PASSWORD as DATABASE_PASSWORD, type PostgresServer, postgresServer } from '../support/postgres.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';
const PASSWORD = 'yabba dabba';
/** Held messages and account writes that are acknowledged before the primary is killed, and after the promotion. */
const BEFORE = 200;
const AFTER = 100;
const UNDER_WAY = 32;

describe('imxp relay: promotion of a PostgreSQL standby', function () {
  // On a busy machine; a minute otherwise.
  this.timeout(300_000);
  this.slow(60_000);
  const primary = postgresServer(["synchronous_standby_names = 'standby'", 'synchronous_commit = local']);
  let standby: PostgresServer | undefined;
  let workshop: Workshop;
  let node: NodeProcess;
  const endpoints: Endpoint[] = [];

  before(async () => {
    standby = await primary().standby(["synchronous_standby_names = ''"]);
    workshop = await Workshop.open();
    const hosts = `127.0.0.1:${primary().port},127.0.0.1:${standby.port}`;
    const url = `postgres://imxp:${encodeURIComponent(DATABASE_PASSWORD)}@${hosts}/postgres?target_session_attrs=read-write`;
    const urlFile = await workshop.file('database', `${url}\n`);
    node = await workshop.relay([FRED, BARNEY], PASSWORD, {
      store: { type: 'postgres', urlFile, path: 'var', connectTimeoutMs: 10_000, queryTimeoutMs: 5000 },
      admin: { port: 0 },
    });
  });
  after(async () => {
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    await workshop?.close();
    standby?.remove();
  });

  async function attach(address: string): Promise<Endpoint> {
    const endpoint = await Endpoint.connect({ address, relay: `tcp://127.0.0.1:${node.port}`, password: PASSWORD });
    endpoints.push(endpoint);
    return endpoint;
  }

  it('loses nothing acknowledged, delivers held messages once, and goes on without a restart', async () => {
    const fred = await attach(FRED);
    const acknowledged = new Set<string>();
    const unknown = new Set<string>();
    let number = 0;
    let going = true;
    /** Sends held messages, one after the other. */
    const hold = async (): Promise<void> => {
      while (going) {
        number += 1;
        const content = `held ${number}`;
        await fred.send({ to: BARNEY, content, hold: true }).then(
          () => acknowledged.add(content),
          () => unknown.add(content),
        );
        if (unknown.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    /** Writes the access list, entry by entry. */
    const entries = new Map<string, string>();
    const allow = async (): Promise<void> => {
      for (let turn = 1; going; turn += 1) {
        const actor = `guest${turn}@example.com`;
        await fred.access.allow(actor, ['core:data']).then(
          () => entries.set(actor, 'core:data'),
          () => {},
        );
      }
    };
    const streams = [...Array.from({ length: UNDER_WAY }, hold), allow()];
    const reach = async (wanted: number): Promise<void> => {
      while (acknowledged.size < wanted) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await within(120_000, reach(BEFORE), 'enough is acknowledged before');
    primary().kill();
    standby?.promote();
    await within(120_000, reach(acknowledged.size + AFTER), 'it goes on after the promotion');
    going = false;
    await within(60_000, Promise.all(streams), 'everything is answered');
    expect(node.command.ended).to.equal(false);
    const barney = await attach(BARNEY);
    const arrived: string[] = [];
    barney.receive((delivery) => {
      arrived.push(delivery.text());
    });
    const all = async (): Promise<void> => {
      while ([...acknowledged].some((text) => !arrived.includes(text)))
        await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await within(60_000, all(), 'what was acknowledged arrives');
    expect(new Set(arrived).size, 'each once').to.equal(arrived.length);
    const list = JSON.stringify(await fred.access.get());
    for (const actor of entries.keys()) expect(list).to.include(actor);
    expect(entries.size).to.be.greaterThan(0);
    const { admin = '' } = await node.log(({ msg }) => msg === 'ready', 'ready');
    expect((await fetch(`${String(admin)}/readyz`)).status).to.equal(200);
  });
});
