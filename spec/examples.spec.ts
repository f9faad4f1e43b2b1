import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { type Delivery, Endpoint, parseConfig, startNode } from 'imxp';
import { freePort } from './support/free-port.js';
import { LocalMesh, passwordOf } from './support/local-mesh.js';
import { Command, Workshop } from './support/node-process.js';
import { projectFile, RUN_SCRIPT } from './support/script.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';

describe('examples/', function () {
  this.timeout(60_000);
  this.slow(10_000);
  const tried = new Set<string>();
  const running: Command[] = [];
  let mesh: LocalMesh;

  before(async () => {
    mesh = await LocalMesh.start();
  });

  afterEach(async () => {
    for (const command of running.splice(0)) await command.kill();
    await mesh.leave();
  });

  after(() => mesh.close());

  /** Starts an example as somebody, at the relay of their domain. */
  function example(name: string, who: string, ...rest: readonly string[]): Command {
    tried.add(name);
    const domain = who.slice(who.indexOf('@') + 1);
    const environment = { IMXP_RELAY: mesh.url(domain), IMXP_PASSWORD: passwordOf(who) };
    const command = new Command(
      [projectFile(`examples/${name}`), ...rest],
      projectFile('examples'),
      environment,
      RUN_SCRIPT,
    );
    running.push(command);
    return command;
  }

  const attached = (command: Command): Promise<true> =>
    command.seen((output) => (output.includes('attached as') ? true : undefined), 'is attached', 30_000);

  const printed = (command: Command, text: string): Promise<true> =>
    command.seen((output) => (output.includes(text) ? true : undefined), `prints ${text}`, 30_000);

  it('send.ts sends, and prints what became of the message', async () => {
    const barney = await mesh.attach(BARNEY);
    const arrived = new Promise<Delivery>((resolve) => barney.receive(resolve));
    const command = example('send.ts', FRED, FRED, `${BARNEY},betty@rubble.com`, 'Bowling tonight?');
    const { code } = await command.finished();
    expect((await arrived).text()).to.equal('Bowling tonight?');
    expect(command.output).to.match(/barney@rubble\.com: accepted \([\d.]+ ms\)\n/);
    expect(command.output).to.match(/betty@rubble\.com: 450 not attached/);
    expect(code).to.equal(1);
  });

  it('print their usage when arguments are missing', async () => {
    const command = example('send.ts', FRED, FRED);
    expect((await command.finished()).code).to.equal(64);
    expect(command.output).to.equal('usage: send.ts FROM TO[,TO...] TEXT\n');
  });

  it('listen.ts prints what arrives, and stops on SIGTERM', async () => {
    const command = example('listen.ts', BARNEY, BARNEY);
    await attached(command);
    const fred = await mesh.attach(FRED);
    await fred.send({ to: BARNEY, content: { message: { subject: 'Bowling', text: 'Tonight?' } } });
    await printed(command, `${FRED}: [Bowling] Tonight?`);
    command.signal('SIGTERM');
    expect((await command.finished()).code).to.equal(0);
  });

  it('bot.ts answers requests, and refuses other messages', async () => {
    const bot = example('bot.ts', BARNEY, 'serve', BARNEY);
    await attached(bot);
    const asking = example('bot.ts', FRED, 'ask', FRED, BARNEY, '6', '7');
    expect((await asking.finished()).code, asking.output).to.equal(0);
    expect(asking.output).to.equal('42\n');
    const fred = await mesh.attach(FRED);
    const [outcome] = await fred.sendEach({ to: BARNEY, content: 'Yabba dabba doo' });
    expect(outcome?.code).to.equal(501);
    bot.signal('SIGTERM');
    expect((await bot.finished()).code).to.equal(0);
  });

  it('presence.ts shows who is present, who is away, and who does not permit it', async () => {
    const barney = await mesh.attach(BARNEY);
    await barney.access.allow(FRED, ['presence:subscribe']);
    const publish = (until: number): Promise<void> =>
      barney.presence.publish({ tuples: [{ destination: `im:${BARNEY}`, availableUntil: new Date(until) }] });
    await publish(Date.parse('2100-01-01T18:00:00Z'));
    const command = example('presence.ts', FRED, FRED, BARNEY, 'betty@rubble.com');
    await printed(command, 'here until 2100-01-01T18:00:00.000Z');
    await command.seen((output) => /betty@rubble\.com +5\d\d /.exec(output)?.[0], 'tells who cannot be seen', 30_000);
    await publish(Date.now() - 1000);
    await printed(command, 'away');
    command.signal('SIGTERM');
    expect((await command.finished()).code, command.output).to.equal(0);
  });

  it('bulk.ts sends everything once, and repeats what was refused temporarily', async () => {
    const barney = await mesh.attach(BARNEY);
    const seen: string[] = [];
    let refusals = 0;
    let most = 0;
    let under = 0;
    barney.receive(async (delivery) => {
      under += 1;
      most = Math.max(most, under);
      await new Promise((resolve) => setImmediate(resolve));
      under -= 1;
      if (delivery.text().endsWith('7') && refusals < 5) {
        refusals += 1;
        delivery.refuse({ code: 450, text: 'come back later' });
      } else {
        seen.push(delivery.text());
      }
    });
    const command = example('bulk.ts', FRED, FRED, BARNEY);
    const lines = Array.from({ length: 300 }, (_, index) => `line ${index}`);
    command.input(`${lines.join('\n')}\n`);
    const { code } = await command.finished();
    expect(code, command.output).to.equal(0);
    expect(command.output).to.contain('300 accepted, 5 repeated, 0 refused, 0 unknown');
    expect([...seen].sort()).to.deep.equal([...lines].sort());
    expect(most).to.be.at.most(64);
  });

  it('bulk.ts gives up on what is refused for good', async () => {
    const command = example('bulk.ts', FRED, FRED, 'nobody@rubble.com');
    command.input('one\n');
    expect((await command.finished()).code).to.equal(1);
    expect(command.output).to.contain('0 accepted, 0 repeated, 1 refused, 0 unknown');
  });

  it('relay.ts is a relay with accounts', async () => {
    tried.add('relay.ts');
    const environment = { PORT: '0', IMXP_PASSWORD: 'rock' };
    const command = new Command([projectFile('examples/relay.ts')], projectFile('examples'), environment, RUN_SCRIPT);
    running.push(command);
    const relay = await command.seen((output) => /ready at (\S+)/.exec(output)?.[1], 'is ready', 30_000);
    const fred = await Endpoint.connect({ address: FRED, relay, password: 'rock' });
    await fred.send({ to: 'host@example.com', content: 'Good evening' });
    await printed(command, `${FRED} says: Good evening`);
    expect(command.output).to.contain(`attached: ${FRED}`);
    await fred.close();
    command.signal('SIGTERM');
    expect((await command.finished()).code, command.output).to.equal(0);
  });

  it('REQ-IMPP-013 direct.ts is the relay of its own domain, and exchanges presence and messages directly with another such program', async () => {
    tried.add('direct.ts');
    const [fredPort, barneyPort] = [await freePort(), await freePort()];
    const workshop = await Workshop.open();
    const start = (who: string, port: number, other: string, at: number): Command => {
      const given = [projectFile('examples/direct.ts'), who, `${port}`, other, `tcp://127.0.0.1:${at}`];
      const command = new Command(given, workshop.directory, {}, RUN_SCRIPT);
      running.push(command);
      return command;
    };
    try {
      await workshop.certs('fred.example', 'barney.example');
      const fred = start('me@fred.example', fredPort, 'me@barney.example', barneyPort);
      const barney = start('me@barney.example', barneyPort, 'me@fred.example', fredPort);
      await Promise.all([printed(fred, 'me@barney.example is here'), printed(barney, 'me@fred.example is here')]);
      fred.type('Bowling tonight?\n');
      await printed(barney, 'me@fred.example: Bowling tonight?');
      await printed(fred, 'by way of fred.example, barney.example');
      barney.type('At eight.\n');
      await printed(fred, 'me@barney.example: At eight.');
      await printed(barney, 'by way of barney.example, fred.example');
      for (const command of [fred, barney]) command.signal('SIGTERM');
      for (const command of [fred, barney]) expect((await command.finished()).code, command.output).to.equal(0);
    } finally {
      for (const command of running.splice(0)) await command.kill();
      await workshop.close();
    }
  });

  it('gateway.ts stands for everybody of a domain, both ways', async () => {
    tried.add('gateway.ts');
    const gateway = 'imxp=gateway@slate.example';
    const node = await startNode(
      parseConfig({
        domains: ['example.com', 'slate.example'],
        listen: [{ port: 0 }],
        store: { type: 'memory' },
        mesh: { dns: { enabled: false } },
        policy: { gateways: { 'slate.example': gateway } },
      }),
    );
    try {
      await node.addAccount(FRED, 'rock');
      await node.addAccount(gateway, 'pit');
      const relay = `tcp://127.0.0.1:${node.listening[0]?.port}`;
      const command = new Command(
        [projectFile('examples/gateway.ts'), gateway, 'slate.example'],
        projectFile('examples'),
        { IMXP_RELAY: relay, IMXP_PASSWORD: 'pit' },
        RUN_SCRIPT,
      );
      running.push(command);
      await attached(command);
      await printed(command, 'attached as *@slate.example');
      const fred = await Endpoint.connect({ address: FRED, relay, password: 'rock' });
      const arrived = new Promise<Delivery>((resolve) => fred.receive(resolve));
      for (const user of ['joe', 'pearl/home']) {
        await fred.send({ to: `${user}@slate.example`, content: `Good evening, ${user}` });
        await printed(
          command,
          JSON.stringify({ from: FRED, to: `${user}@slate.example`, text: `Good evening, ${user}` }),
        );
      }
      const [outcome] = await fred.sendEach({ to: 'imxp=presence@slate.example', content: 'x' });
      expect([outcome?.code, outcome?.text]).to.deep.equal([550, 'this domain has no such service']);
      command.input(`${JSON.stringify({ from: 'joe@slate.example', to: FRED, text: 'Hello' })}\n`);
      const { originator } = await arrived;
      expect(originator).to.equal('joe@slate.example');
      await fred.close();
      expect((await command.finished()).code, command.output).to.equal(0);
    } finally {
      await node.stop();
    }
  });

  it('are all tried, here or by the spec of their export, and listed in the README', () => {
    const programs = readdirSync(projectFile('examples')).filter(
      (name) => name.endsWith('.ts') && name !== 'connect.ts',
    );
    const beep = readFileSync(projectFile('spec/doors/beep.spec.ts'), 'utf8');
    const exercised = programs.filter((name) => tried.has(name) || beep.includes(`run('${name}'`));
    expect(exercised).to.deep.equal(programs);
    const readme = readFileSync(projectFile('examples/README.md'), 'utf8');
    for (const name of programs) expect(readme, name).to.contain(`[${name}](${name})`);
  });
});
