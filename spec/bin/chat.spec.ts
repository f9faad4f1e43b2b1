import { expect } from 'chai';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { Workshop } from '../support/node-process.js';
import { RUN_PROGRAM } from '../support/program.js';
import { HAS_TERMINAL, Terminal } from '../support/terminal.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';

describe('imxp chat', function () {
  this.timeout(60_000);
  this.slow(5000);
  let mesh: LocalMesh;
  let workshop: Workshop;

  before(async () => {
    mesh = await LocalMesh.start();
    workshop = await Workshop.open();
    await workshop.file('fred', `${passwordOf(FRED)}\n`);
    await workshop.file('barney', `${passwordOf(BARNEY)}\n`);
  });

  afterEach(() => mesh.leave());

  after(async () => {
    await mesh.close();
    await workshop.close();
  });

  const as = (own: string, other: string): string[] => {
    const [name = '', domain = ''] = own.split('@');
    return ['chat', other, '--from', own, '--relay', mesh.url(domain), '--password-file', name];
  };

  describe('in a pipe', () => {
    it('sends lines in order, and reports what became of each', async () => {
      const barney = await mesh.attach(BARNEY);
      const got: Delivery[] = [];
      barney.receive((delivery) => {
        got.push(delivery);
        if (delivery.text() === 'refuse me') delivery.refuse({ code: 554, text: 'I will \u001b[31mnot' });
      });
      const input = 'Bowling tonight? Ä\nrefuse me\n\n/history is no command here';
      const args = [...as(FRED, BARNEY), '--subject', 'Bowling', '--lang', 'en'];
      const { code, stdout, stderr } = await workshop.run(args, { input });
      expect(stdout.toString()).to.equal('✓ 1\n✗ 2 554 I will \ufffd[31mnot\n✓ 3\n');
      expect([code, stderr.toString()]).to.deep.equal([1, '']);
      expect(got.map((delivery) => delivery.text())).to.deep.equal([
        'Bowling tonight? Ä',
        'refuse me',
        '/history is no command here',
      ]);
      expect(got[0]?.message).to.deep.include({ subject: 'Bowling', lang: 'en' });
    });

    it('prints what arrives, and waits for a number of answers after the end of its input', async () => {
      const barney = await mesh.attach(BARNEY);
      barney.receive(async ({ originator }) => {
        await barney.send({ to: originator, content: { message: { subject: 'Re', text: 'At\neight \u001b[31m' } } });
      });
      const { code, stdout } = await workshop.run([...as(FRED, BARNEY), '--count', '1'], { input: 'When?\n' });
      expect(code).to.equal(0);
      expect(stdout.toString()).to.equal(`${BARNEY} (Re): At\n${BARNEY} (Re): eight \\u001b[31m\n✓ 1\n`);
    });

    it('shows content that is not text by its type, and refuses what it does not understand', async () => {
      const barney = await mesh.attach(BARNEY);
      const answers: unknown[] = [];
      barney.receive(async () => {
        await barney.send({ to: FRED, content: Buffer.from([0, 255]), type: 'image/png' });
        const xml = `<message xmlns='URN:IANA:message:rfc822:'><encrypted seeNoEvil='false'>x</encrypted></message>`;
        answers.push((await failureOf(barney.send({ to: FRED, content: { xml } }))).reply?.code);
        await barney.send({ to: FRED, content: 'plain' });
      });
      const { code, stdout } = await workshop.run([...as(FRED, BARNEY), '--count', '2'], { input: 'hi\n' });
      const lines = [`${BARNEY}: (image/png, 2 octets)`, `${BARNEY}: plain`, '✓ 1', ''];
      expect([code, stdout.toString()]).to.deep.equal([0, lines.join('\n')]);
      expect(answers).to.deep.equal([504]);
    });

    it('exits with 77 for a wrong password, 69 where nobody listens, and 64 for invalid arguments', async () => {
      await workshop.file('wrong', 'stone\n');
      const relay = mesh.url('example.com');
      const wrong = [
        ['chat', BARNEY, '--from', FRED, '--relay', relay, '--password-file', 'wrong'],
        ['chat', BARNEY, '--from', FRED, '--relay', 'tcp://127.0.0.1:1', '--password-file', 'fred'],
        ['chat', BARNEY],
        ['chat', 'barney', '--from', FRED],
        [...as(FRED, BARNEY), '--lang', 'not a language'],
      ];
      const results = await Promise.all(wrong.map((args) => workshop.run(args)));
      expect(results.map(({ code }) => code)).to.deep.equal([77, 69, 64, 64, 64]);
    });
  });

  describe('at a terminal', () => {
    let terminals: Terminal[] = [];

    before(function () {
      if (HAS_TERMINAL) return;
      console.log(
        '      SKIPPED: "script" of util-linux is missing, so there is no pseudo-terminal to try imxp chat on',
      );
      this.skip();
    });

    afterEach(() => {
      for (const terminal of terminals.splice(0)) terminal.kill();
    });

    function open(own: string, other: string): Terminal {
      const terminal = new Terminal([process.execPath, ...RUN_PROGRAM, ...as(own, other)], workshop.directory);
      terminals = [...terminals, terminal];
      return terminal;
    }

    it('lets two people in two domains talk, and closes in order', async () => {
      const fred = open(FRED, BARNEY);
      const barney = open(BARNEY, FRED);
      await Promise.all([fred.sees(/Ctrl-D leaves[\s\S]*> /), barney.sees(/Ctrl-D leaves[\s\S]*> /)]);
      // their presence services answer: nobody has published anything
      await fred.sees(/\* barney@rubble\.com is (not )?present|the presence of barney@rubble\.com is not known/);
      fred.type('Bowling tonight? Ä\r');
      await Promise.all([fred.sees(/✓ #1 \d+ ms/), barney.sees(/\d\d:\d\d fred@example\.com: Bowling tonight\? Ä/)]);
      expect(barney.output).not.to.contain('half');
      barney.type('half a li');
      await barney.sees(/half a li/);
      fred.type('At eight?\r');
      await barney.sees(/At eight\?[\s\S]*> half a li/);
      barney.type('ne\r');
      await Promise.all([barney.sees(/✓ #1/), fred.sees(/barney@rubble\.com: half a line/)]);
      barney.type('/history\r');
      await barney.sees(/fred@example\.com: At eight\?\r\n\d\d:\d\d barney@rubble\.com: half a line {2}✓/);
      barney.type('/unheard-of\r/nonsense\r/help\r//literally\r');
      await Promise.all([
        barney.sees(/unknown command \/unheard-of[\s\S]*unknown command \/nonsense/),
        barney.sees(/\/quit/),
        fred.sees(/: \/literally/),
      ]);
      barney.type('\u0004');
      expect(await within(20_000, barney.ended, 'barney leaves')).to.equal(0);
      fred.type('still there?\r');
      await fred.sees(/✗ #3 4\d\d /);
      fred.type('/presence\r');
      await fred.sees(/\/presence\r[\s\S]*\* (?:barney@rubble\.com is |53\d |55\d )/);
      fred.type('/quit\r');
      expect(await within(20_000, fred.ended, 'fred leaves')).to.equal(0);
      expect(fred.output).not.to.contain('Error');
    });
  });
});
