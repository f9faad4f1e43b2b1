import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { failureOf } from '../support/failure.js';
import { type Finished, lonely, type NodeProcess, Workshop } from '../support/node-process.js';
import { passwordOf } from '../support/relay-fixture.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';

describe('imxp account access', function () {
  this.timeout(60_000);
  this.slow(5000);
  let workshop: Workshop;
  let relay: NodeProcess;
  let wilma: Endpoint;
  let fred: Endpoint;

  before(async () => {
    workshop = await Workshop.open();
    relay = await workshop.node('example.com', lonely());
    for (const address of [FRED, WILMA]) await workshop.account(relay, address, passwordOf(address));
    await relay.start();
    [fred, wilma] = (await Promise.all(
      [FRED, WILMA].map((address) =>
        Endpoint.connect({
          address,
          relay: `tcp://127.0.0.1:${relay.port}`,
          password: passwordOf(address),
          tls: 'off',
        }),
      ),
    )) as [Endpoint, Endpoint];
    fred.receive(() => {});
  });

  after(async () => {
    await Promise.all([fred?.close(), wilma?.close()]);
    await workshop?.close();
  });

  const run = (args: readonly string[], input?: string): Promise<Finished> =>
    workshop.run(['account', 'access', ...args, '--config', relay.config], input === undefined ? {} : { input });
  const out = ({ stdout }: Finished): string => stdout.toString();
  const sent = (): Promise<unknown> => wilma.send({ to: FRED, content: 'hi' });

  it('reads, replaces and resets the list of an owner, and a running relay applies it', async () => {
    const initial = `${FRED}  all:all\n*@*               core:data\n`;
    const first = await run([FRED]);
    expect([first.code, out(first)], first.stderr.toString()).to.deep.equal([0, initial]);
    await sent();
    const closed = await run([FRED, 'set', '--file', '-', '--json'], '*@example.com presence:watch\n');
    expect(JSON.parse(out(closed)).entries).to.deep.equal([{ actor: '*@example.com', actions: ['presence:watch'] }]);
    expect((await failureOf(sent())).reply?.code).to.equal(537);
    expect((await fred.access.get()).entries).to.deep.equal([{ actor: '*@example.com', actions: ['presence:watch'] }]);
    const reset = await run([FRED, 'reset']);
    expect([reset.code, out(reset)]).to.deep.equal([0, initial]);
    await sent();
  });

  it('sets the entries of services, and refuses an invalid owner, entry or action', async () => {
    const service = await run(['imxp=presence@example.com', 'set'], '*@rubble.com\n');
    expect([service.code, out(service)]).to.deep.equal([0, '*@rubble.com  (nothing)\n']);
    const wrong: readonly [readonly string[], string, number, RegExp][] = [
      [['pebbles@example.com', 'get'], '', 1, /has no account/],
      [['barney@rubble.com', 'get'], '', 64, /rubble.com is not served here/],
      [[FRED, 'get', '--file', 'list'], '', 64, /takes no file/],
      [[FRED, 'set'], 'barney core:data\n', 64, /not an actor/],
      [[FRED, 'set'], '*@* core:dat\n', 64, /did you mean core:data/],
      [[FRED, 'set'], '', 64, /at least one entry/],
    ];
    for (const [args, input, code, text] of wrong) {
      const refused = await run(args, input);
      expect(refused.stderr.toString()).to.match(text);
      expect(refused.code, args.join(' ')).to.equal(code);
    }
  });
});
