import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { SessionFacts } from '../../lib/ops/session-facts.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const PASSWORD = 'yabba dabba doo';

describe('imxp kick and imxp status --sessions', function () {
  this.timeout(180_000);
  this.slow(20_000);
  let workshop: Workshop;
  let node: NodeProcess;

  before(async () => {
    workshop = await Workshop.open();
    node = await workshop.relay([FRED, WILMA], PASSWORD);
  });

  after(() => workshop.close());

  const attached = (address: string): Promise<Endpoint> =>
    Endpoint.connect({
      address,
      // An attachment belongs to the account of its base.
      password: PASSWORD,
      relay: `tcp://127.0.0.1:${node.port}`,
      tls: 'off',
    });

  const imxp = (...words: string[]) => workshop.run([...words, '--config', node.config], { deadlineMs: 60_000 });

  it('show who is attached from where, and end the sessions of an account or one session', async () => {
    const endpoints = [await attached(FRED), await attached('fred/phone@example.com'), await attached(WILMA)];
    const listed = await imxp('status', '--sessions', '--json');
    expect([listed.code, listed.stderr.toString()]).to.deep.equal([0, '']);
    const sessions: SessionFacts[] = JSON.parse(listed.stdout.toString());
    expect(sessions.map(({ identity, attached: as, role }) => [identity, as, role])).to.deep.equal([
      [FRED, [FRED], 'listener'],
      [FRED, ['fred/phone@example.com'], 'listener'],
      [WILMA, [WILMA], 'listener'],
    ]);
    for (const { remote, mechanism, tls } of sessions) {
      expect(remote).to.match(/^127\.0\.0\.1:\d+$/);
      expect([mechanism, tls]).to.deep.equal(['DIGEST-MD5', undefined]);
    }
    const table = await imxp('status', '--sessions');
    expect(table.stdout.toString()).to.match(/^SESSION +PEER +FROM.*\n.*fred@example\.com +127\.0\.0\.1:\d+ /);

    const over = endpoints.slice(0, 2).map((endpoint) => {
      return within(10_000, new Promise<void>((resolve) => void endpoint.on('close', () => resolve())), 'it ends');
    });
    const kicked = await imxp('kick', FRED, '--reason', 'lost laptop');
    expect([kicked.code, kicked.stderr.toString()]).to.satisfy(([code, text]: [number, string]) => {
      return code === 0 && text.startsWith('hint: They may come back');
    });
    await Promise.all(over);
    expect(endpoints[2]?.connected).to.equal(true);
    const line = await node.log(({ msg }) => msg === 'session ended by the operator', 'the end');
    expect(line).to.include({ account: FRED, reason: 'kicked: lost laptop' });

    const [, , third] = sessions;
    const one = await imxp('kick', third?.session ?? '', '--json');
    expect(JSON.parse(one.stdout.toString()).ended).to.have.lengthOf(1);
    const none = await imxp('kick', 'nobody@example.com');
    expect([none.code, none.stderr.toString()]).to.satisfy(([code, text]: [number, string]) => {
      return code === 1 && text.startsWith('error: nobody@example.com has no session');
    });
    const left = await imxp('status', '--sessions');
    expect(left.stdout.toString()).to.equal('no sessions\n');
  });

  it('say when the node does not run', async () => {
    await node.stop();
    const { code, stderr } = await imxp('kick', FRED);
    expect([code, stderr.toString()]).to.satisfy(([exit, text]: [number, string]) => {
      return exit === 69 && /^error: no node runs on .*var\nhint: /.test(text);
    });
  });
});
