import { expect } from 'chai';
import { LocalMesh } from '../support/local-mesh.js';
import { type Finished, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';

describe('commands with --anonymous', function () {
  this.timeout(90_000);
  this.slow(5000);
  let mesh: LocalMesh;
  let workshop: Workshop;

  before(async () => {
    mesh = await LocalMesh.start({
      config: { sasl: { mechanisms: ['DIGEST-MD5', 'ANONYMOUS'] }, policy: { anonymous: true } },
    });
    workshop = await Workshop.open();
  });

  after(async () => {
    await mesh.close();
    await workshop.close();
  });

  const run = (args: readonly string[], input = ''): Promise<Finished> =>
    workshop.run([...args, '--relay', mesh.url('example.com')], { input });

  it('REQ-IMPP-040 poll presence and send without an account, where the other side permits it', async () => {
    const fred = await mesh.attach(FRED);
    await fred.access.allow('anonymous/*@example.com', ['presence:subscribe', 'core:data']);
    const heard: string[] = [];
    fred.receive((delivery) => void heard.push(delivery.text()));
    const polled = await run(['presence', 'poll', FRED, '--anonymous']);
    expect([polled.code, polled.stdout.toString()]).to.satisfy(([code, said]: [number, string]) => {
      return code === 0 && said.startsWith(`${FRED}  closed`);
    });
    const sent = await run(['send', '--anonymous', '--to', FRED, '--json'], 'Yabba');
    expect(JSON.parse(sent.stdout.toString())).to.include({ accepted: true });
    expect(heard).to.deep.equal(['Yabba']);
  });

  it('say who is asked for when neither --from nor --anonymous is given, and that they exclude each other', async () => {
    const [neither, both] = [
      await run(['presence', 'poll', FRED]),
      await run(['presence', 'poll', FRED, '--anonymous', '--from', 'wilma@example.com']),
    ];
    expect([neither.code, both.code]).to.deep.equal([64, 64]);
    expect(neither.stderr.toString()).to.include('--from, or --anonymous');
  });
});
