import { expect } from 'chai';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { type Finished, Workshop } from '../support/node-process.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@rubble.com';

describe('imxp send and listen with the options of RFC 3342', function () {
  this.timeout(60_000);
  this.slow(5000);
  let mesh: LocalMesh;
  let workshop: Workshop;

  before(async () => {
    mesh = await LocalMesh.start();
    workshop = await Workshop.open();
    await workshop.file('fred', `${passwordOf(FRED)}\n`);
    await workshop.file('wilma', `${passwordOf(WILMA)}\n`);
  });
  afterEach(() => mesh.leave());
  after(async () => {
    await mesh.close();
    await workshop.close();
  });

  const send = (to: string, ...args: readonly string[]): Promise<Finished> =>
    workshop.run(
      ['send', '--from', FRED, '--to', to, '--relay', mesh.url('example.com'), '--password-file', 'fred', ...args],
      { input: 'Yabba' },
    );

  it('holds a message, which is received later', async () => {
    expect((await send(WILMA, '--hold')).code).to.equal(0);
    const relay = ['--relay', mesh.url('example.com'), '--password-file', 'wilma'];
    const { code, stdout } = await workshop.run(['listen', WILMA, ...relay, '--raw', '--count', '1']);
    expect([code, stdout.toString()]).to.deep.equal([0, 'Yabba']);

    const begin = Date.now();
    expect((await send(WILMA, '--hold')).code).to.equal(0);
    const end = Date.now();
    const shown = await workshop.run(['listen', WILMA, ...relay, '--count', '1']);
    const [, time = ''] = /, sent (\S+Z), held since/.exec(shown.stdout.toString()) ?? [];
    expect(Date.parse(time), shown.stdout.toString()).to.be.within(begin, end);
  });

  it('waits for the confirmation, and says when none came', async () => {
    const barney = await mesh.attach(BARNEY);
    barney.receive(() => {});
    const said = await send(BARNEY, '--return-trip', '20000', '--json');
    expect(said.code).to.equal(0);
    const { reports } = JSON.parse(said.stdout.toString());
    expect(reports).to.have.length(1);
    expect(reports[0]).to.deep.include({ relay: 'rubble.com', to: BARNEY, code: 250 });
    const held = await send(WILMA, '--hold', '--no-later-than', '1', '--return-trip', '1');
    expect([held.code, held.stderr.toString()]).to.satisfy(
      ([code, text]: [number, string]) => code === 1 && /no confirmation for wilma|550/.test(text),
    );
  });

  it('gives up after the time limit', async () => {
    await mesh.attach(BARNEY, { autoAccept: false });
    const { code, stderr } = await send(BARNEY, '--no-later-than', '300');
    expect([code, stderr.toString()]).to.satisfy(
      ([exit, text]: [number, string]) => exit === 1 && text.includes('550 not delivered within its time limit'),
    );
  });

  it('refuses an invalid time limit', async () => {
    const { code, stderr } = await send(BARNEY, '--no-later-than', 'soon');
    expect(code).to.equal(64);
    expect(stderr.toString()).to.include('not a whole number of milliseconds');
  });

  it('listens in place of another application', async () => {
    const old = await mesh.attach(WILMA);
    const terminated = new Promise<string>((resolve) => old.once('terminate', resolve));
    const relay = ['--relay', mesh.url('example.com'), '--password-file', 'wilma'];
    const listening = workshop.command(['listen', WILMA, ...relay, '--raw', '--count', '1', '--override']);
    expect(await within(20_000, terminated, 'the other one is told')).to.equal(WILMA);
    await listening.seen((output) => (output.includes('attached as') ? true : undefined), 'attached');
    expect((await send(WILMA)).code).to.equal(0);
    expect((await listening.finished()).stdout.toString()).to.equal('Yabba');
  });
});
