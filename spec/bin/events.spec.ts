import { expect } from 'chai';
import { LOG_KINDS } from '../../lib/admin/log-readers.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Command, type LogLine, lonely, type NodeProcess, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const PASSWORD = 'yabba dabba doo';

describe('imxp events', function () {
  this.timeout(180_000);
  this.slow(20_000);
  let workshop: Workshop;
  const endpoints: Endpoint[] = [];

  before(async () => {
    workshop = await Workshop.open();
  });

  afterEach(async () => {
    await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()));
  });

  after(() => workshop.close());

  async function started(name: string, more: object): Promise<NodeProcess> {
    const node = await workshop.node(name, lonely({ store: { type: 'lmdb', path: name }, ...more }));
    for (const address of [FRED, WILMA]) await workshop.account(node, address, PASSWORD);
    return await node.start();
  }

  const attached = async ({ port }: NodeProcess, address: string): Promise<Endpoint> => {
    const endpoint = await Endpoint.connect({
      address,
      password: PASSWORD,
      relay: `tcp://127.0.0.1:${port}`,
      tls: 'off',
    });
    endpoints.push(endpoint);
    return endpoint;
  };

  async function reading(node: NodeProcess, ...words: string[]): Promise<Command> {
    const command = workshop.command(['events', '--config', node.config, ...words]);
    await command.seen((output) => output.match(/reading the log/) ?? undefined, 'it reads', 60_000);
    return command;
  }

  const linesOf = ({ stdout }: Command): LogLine[] =>
    stdout
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));

  const seen = (command: Command, text: string): Promise<true> =>
    command.seen((output) => (output.includes(text) ? true : undefined), text, 20_000);

  it('shows the lines of a level, of a kind, of a peer and of a session, while the log of the node stays as it is', async () => {
    const node = await started('one', {});
    const all = await reading(node, '--json', '--level', 'debug');
    const people = await reading(node);
    const forwards = await reading(node, '--json', '--level', 'debug', '--kind', 'relay:forward', '--count', '1');
    const wilmas = await reading(node, '--json', '--peer', WILMA);
    const fred = await attached(node, FRED);
    const wilma = await attached(node, WILMA);
    wilma.receive(() => {});
    await fred.send({ to: WILMA, content: 'Bowling tonight?' });
    const { code, stdout } = await forwards.finished();
    expect(code).to.equal(0);
    expect(JSON.parse(stdout.toString())).to.include({ msg: 'data forwarded', originator: FRED, code: 250 });
    const session = String(
      linesOf(all).find(({ msg, identity }) => msg === 'peer authenticated' && identity === FRED)?.['session'],
    );
    const freds = await reading(node, '--json', '--session', session, '--count', '1');
    await fred.close();
    await wilma.close();
    await seen(all, 'session closed');
    expect((await freds.finished()).code).to.equal(0);
    expect(linesOf(freds)[0]).to.include({ msg: 'terminated', subject: FRED });
    await seen(wilmas, 'session closed');
    expect(linesOf(wilmas).map(({ msg }) => msg)).to.deep.equal([
      'peer authenticated',
      'attached',
      'terminated',
      'session closed',
    ]);
    expect(people.stdout.toString()).to.match(/^\d\d:\d\d:\d\d\.\d{3} INFO +session opened session=s/);
    expect(
      node.lines.some(({ level }) => level === 'debug'),
      'the node logs no more than before',
    ).to.equal(false);

    people.signal('SIGINT');
    expect((await people.finished()).code).to.equal(0);
    await node.stop();
    const ended = await all.finished();
    expect(ended.code).to.equal(69);
    expect(ended.stderr.toString()).to.contain('error: the node has ended its log');
    expect(ended.stdout.toString()).to.contain('"draining"');
    const none = await workshop.run(['events', '--config', node.config], { deadlineMs: 60_000 });
    expect([none.code, none.stderr.toString()]).to.satisfy(([exit, text]: [number, string]) => {
      return exit === 69 && text.startsWith('error: no node runs on ');
    });
  });

  it('refuses a kind that does not exist, and a ninth reader', async () => {
    const node = await started('two', {});
    const wrong = await workshop.run(['events', '--config', node.config, '--kind', 'sessions'], { deadlineMs: 60_000 });
    expect([wrong.code, wrong.stderr.toString().split('\n')[0]]).to.deep.equal([
      64,
      `error: option '--kind <kind>' argument 'sessions' is invalid. no kind of event; there are ${LOG_KINDS.join(', ')}.`,
    ]);
    for (let number = 0; number < 8; number += 1) await reading(node);
    const ninth = await workshop.run(['events', '--config', node.config], { deadlineMs: 60_000 });
    expect([ninth.code, ninth.stderr.toString()]).to.deep.equal([69, 'error: 8 programs read the log already\n']);
    await node.stop();
  });

  it('shows each message once, with the worker that it came in at, whichever processes it went through', async () => {
    const node = await started('workers', { workers: 2 });
    const forwards = await reading(node, '--json', '--level', 'debug', '--kind', 'relay:forward', '--count', '6');
    const [fred, wilma, bowler] = [
      await attached(node, FRED),
      await attached(node, WILMA),
      await attached(node, 'fred/bowling@example.com'),
    ];
    const all = [fred, wilma, bowler];
    for (const one of all) one.receive(() => {});
    const pairs = all.flatMap((from) => all.filter((to) => to !== from).map((to) => [from, to] as const));
    for (const [from, to] of pairs) await from.send({ to: to.address, content: 'Bowling tonight?' });
    await forwards.finished();
    const lines = linesOf(forwards);
    expect(lines.map(({ originator, recipients }) => [originator, recipients])).to.have.deep.members(
      pairs.map(([from, to]) => [from.address, [to.address]]),
    );
    expect(lines.map(({ worker }) => worker)).to.satisfy((workers: unknown[]) =>
      workers.every((worker) => /^w[12]$/.test(String(worker))),
    );
    expect(new Set(lines.map(({ worker }) => worker)).size, 'the sessions are at both workers').to.equal(2);
    expect(node.lines.some(({ level }) => level === 'debug')).to.equal(false);
    await node.stop();
  });
});
