import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { type Finished, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';

describe('the commands of fred while a bot is attached as fred', function () {
  this.timeout(180_000);
  this.slow(10_000);
  let mesh: LocalMesh;
  let workshop: Workshop;
  let bot: Endpoint;
  let barney: Endpoint;
  const botHeard: string[] = [];
  const barneyHeard: { readonly from: string; readonly text: string }[] = [];

  before(async () => {
    mesh = await LocalMesh.start();
    workshop = await Workshop.open();
    await workshop.file('fred', `${passwordOf(FRED)}\n`);
    bot = await mesh.attach(FRED);
    bot.receive((delivery) => void botHeard.push(delivery.text()));
    barney = await mesh.attach(BARNEY);
    barney.receive(async (delivery) => {
      const [text, from] = [delivery.text(), delivery.originator];
      barneyHeard.push({ from, text });
      if (text === 'Are you there?') await delivery.reply('Yes.');
    });
  });

  after(async () => {
    await mesh.close();
    await workshop.close();
  });

  const fred = (command: string, ...more: readonly string[]): Promise<Finished> =>
    workshop.run(
      [
        ...command.split(' '),
        ...more,
        ...['--from', FRED, '--relay', mesh.url('example.com'), '--password-file', 'fred'],
      ],
      // Eight programs at once start slowly where the sources are run.
      { deadlineMs: 120_000 },
    );

  const works: readonly (readonly [string, RegExp])[] = [
    [`send ${BARNEY} hello`, /^$/],
    [`ping ${BARNEY} --count 1`, /ok in/],
    [`trace ${BARNEY}`, /example\.com[\s\S]*rubble\.com/],
    ['access get', /fred@example\.com/],
    [`access allow ${BARNEY} presence:subscribe`, /barney@rubble\.com/],
    [`access query ${BARNEY} presence:subscribe`, /^allowed/],
    ['presence publish --json', /"published":true/],
    [`presence poll ${FRED}`, /fred@example\.com/],
    ['presence who', /^$/],
  ];
  for (const [command, output] of works) {
    it(`imxp ${command}`, async () => {
      const { code, stdout, stderr } = await fred(command);
      expect([code, stderr.toString()]).to.deep.equal([0, '']);
      expect(stdout.toString()).to.match(output);
    });
  }

  it('a message comes from the account itself', () => {
    expect(barneyHeard).to.deep.equal([{ from: FRED, text: 'hello' }]);
  });

  it('imxp chat: the answer comes to the chat, not to the bot', async () => {
    const chatting = await workshop.run(
      [
        ...['chat', BARNEY, '--count', '1', '--no-presence', '--from', FRED],
        ...['--relay', mesh.url('example.com'), '--password-file', 'fred'],
      ],
      { input: 'Are you there?\n' },
    );
    expect([chatting.code, chatting.stderr.toString()]).to.deep.equal([0, '']);
    expect(chatting.stdout.toString()).to.include(`${BARNEY}: Yes.`);
    expect(barneyHeard.at(-1)?.from).to.match(/^fred\/chat=[0-9a-f]{16}@example\.com$/);
  });

  it('eight parallel sends are all accepted', async () => {
    const before = barneyHeard.length;
    const sent = await Promise.all(Array.from({ length: 8 }, (_, at) => fred(`send ${BARNEY} parallel ${at}`)));
    expect(sent.map(({ code, stderr }) => `${code}${stderr}`)).to.deep.equal(new Array(8).fill('0'));
    const texts = barneyHeard.slice(before).map(({ text }) => text);
    expect(texts.sort()).to.deep.equal(Array.from({ length: 8 }, (_, at) => `parallel ${at}`));
  });

  it('imxp listen is told what to do (554)', async () => {
    const { code, stderr } = await workshop.run([
      ...['listen', FRED, '--relay', mesh.url('example.com'), '--password-file', 'fred'],
    ]);
    expect(code).to.equal(1);
    expect(stderr.toString()).to.match(/554 .*attach as a subaddress[\s\S]*hint: .*--override/);
  });

  it('the bot has stayed attached, and nothing of this came to it', () => {
    expect(bot.connected).to.equal(true);
    expect(botHeard).to.deep.equal([]);
  });
});
