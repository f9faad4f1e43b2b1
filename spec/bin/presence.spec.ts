import { expect } from 'chai';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { type Command, type Finished, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';

const ACCESS = {
  initial: [
    { actor: 'owner', actions: ['all:all'] },
    { actor: 'betty@rubble.com', actions: ['core:data'] },
    { actor: '*@*', actions: ['core:data', 'presence:subscribe'] },
  ],
};

describe('imxp presence', function () {
  this.timeout(60_000);
  this.slow(8000);
  let mesh: LocalMesh;
  let workshop: Workshop;

  before(async () => {
    mesh = await LocalMesh.start({ config: { access: ACCESS } });
    workshop = await Workshop.open();
    for (const who of [FRED, WILMA]) await workshop.file(who, `${passwordOf(who)}\n`);
  });

  after(async () => {
    await mesh.close();
    await workshop.close();
  });

  const as = (who: string, args: readonly string[]): string[] => {
    return ['presence', ...args, '--from', who, '--relay', mesh.url('example.com'), '--password-file', who];
  };
  const run = (who: string, ...args: readonly string[]): Promise<Finished> => workshop.run(as(who, args));
  const begin = (who: string, ...args: readonly string[]): Command => workshop.command(as(who, args));
  const json = ({ stdout }: Finished) => JSON.parse(stdout.toString());

  it('publishes presence, and shows it', async () => {
    const published = await run(
      FRED,
      'publish',
      '--until',
      '2030-01-31T18:00:00+01:00',
      '--info',
      'http://example.com/~fred/',
    );
    expect([published.code, published.stdout.toString(), published.stderr.toString()]).to.deep.equal([0, '', '']);
    const polled = await run(WILMA, 'poll', FRED);
    expect(polled.stdout.toString()).to.match(
      /^fred@example\.com {2}open {2}as of \S+\n {2}http:\/\/example\.com\/~fred\/\n {2}im:fred@example\.com {2}open until 2030-01-31T17:00:00Z\n$/,
    );
    expect((await run(FRED, 'publish', '--destination', 'mailto:fred@example.com', '--json')).code).to.equal(0);
    expect((await run(FRED, 'publish', '--closed')).code).to.equal(0);
    const found = json(await run(WILMA, 'poll', FRED, '--json'));
    expect(found).to.include({ publisher: FRED, open: true, info: 'http://example.com/~fred/' });
    expect(
      found.tuples.map((one: { destination: string; open: boolean }) => [one.destination, one.open]),
    ).to.deep.equal([
      ['im:fred@example.com', false],
      ['mailto:fred@example.com', true],
    ]);
  });

  it('follows changes and tells the publisher who subscribes, until it is stopped', async () => {
    const onlookers = begin(FRED, 'watch', '--json', '--count', '2');
    const seen = begin(WILMA, 'subscribe', FRED, '--json');
    await seen.seen((output) => (output.includes('"publisher"') ? true : undefined), 'the present state');
    await onlookers.seen((output) => (output.includes(WILMA) ? true : undefined), 'a subscriber');
    seen.signal('SIGINT');
    const { code, stdout } = await seen.finished();
    expect([code, stdout.toString().split('\n').length]).to.deep.equal([0, 2]);
    expect((await run(WILMA, 'poll', FRED)).code).to.equal(0);
    expect((await onlookers.finished()).code).to.equal(0);
    expect((await run(FRED, 'who')).stdout.toString()).to.equal('');
  });

  it('lists the present subscribers', async () => {
    const seen = begin(WILMA, 'subscribe', FRED, '--duration', '600');
    await seen.seen((output) => (output.includes(FRED) ? true : undefined), 'the present state');
    expect(json(await run(FRED, 'who', '--json'))).to.deep.equal({ publisher: FRED, subscribers: [WILMA] });
    seen.signal('SIGTERM');
    expect((await seen.finished()).code).to.equal(0);
  });

  it('ends after the duration', async () => {
    const { code, stdout } = await run(WILMA, 'subscribe', FRED, '--duration', '1', '--json');
    expect([code, stdout.toString().trim().split('\n').length]).to.deep.equal([0, 1]);
  });

  it('says why it was refused, and exits with 77, 1 or 64', async () => {
    const denied = await run(WILMA, 'watch', FRED);
    expect([denied.code, denied.stderr.toString()]).to.deep.equal([
      77,
      'error: 537 the publisher does not grant you presence:watch\nhint: The owner decides this, with imxp access allow.\n',
    ]);
    const unknown = await run(WILMA, 'poll', 'nobody@example.com', '--json');
    expect([unknown.code, json(unknown)]).to.deep.equal([
      1,
      {
        failed: true,
        error: 'REFUSED',
        code: 550,
        text: 'unknown endpoint',
        hint: 'Check the address; imxp check --dns DOMAIN shows whether its domain has a relay.',
        exitCode: 1,
      },
    ]);
    expect((await run(WILMA, 'poll')).code).to.equal(64);
    expect((await run(WILMA, 'publish', '--until', 'later')).code).to.equal(64);
    expect((await run(WILMA, 'publish', '--until', '8h', '--closed')).code).to.equal(64);
    expect((await run(WILMA, 'publish', '--destination', 'nowhere')).code).to.equal(64);
  });

  it('has help for each subcommand', async () => {
    const { code, stdout } = await workshop.run(['presence', '--help']);
    expect(code).to.equal(0);
    for (const word of ['publish', 'poll', 'subscribe', 'watch', 'who', '--closed', '77'])
      expect(stdout.toString()).to.include(word);
  });
});
