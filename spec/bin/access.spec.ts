import { expect } from 'chai';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { type Finished, type RunOptions, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@rubble.com';

describe('imxp access, trace and ping', function () {
  this.timeout(60_000);
  this.slow(5000);
  let mesh: LocalMesh;
  let workshop: Workshop;

  before(async () => {
    mesh = await LocalMesh.start();
    workshop = await Workshop.open();
    for (const address of [FRED, WILMA]) await workshop.file(address, `${passwordOf(address)}\n`);
  });

  afterEach(() => mesh.leave());

  after(async () => {
    await mesh.close();
    await workshop.close();
  });

  function run(args: readonly string[], options: RunOptions = {}, from = FRED): Promise<Finished> {
    const relay = mesh.url('example.com');
    return workshop.run([...args, '--from', from, '--relay', relay, '--password-file', from], options);
  }
  const out = ({ stdout }: Finished): string => stdout.toString();

  describe('access', () => {
    it('prints the list, allows and denies, and accepts what it has printed', async () => {
      const first = await run(['access', 'get']);
      expect([first.code, out(first)]).to.deep.equal([0, `${FRED}  all:all\n*@*               core:data\n`]);
      const allowed = await run(['access', 'allow', BARNEY, 'presence:subscribe']);
      expect([allowed.code, out(allowed)]).to.deep.equal([
        0,
        `${FRED}     all:all\n${BARNEY}    core:data presence:subscribe\nbarney/*@rubble.com  core:data presence:subscribe\n*@*                  core:data\n`,
      ]);
      const denied = await run(['access', 'deny', BARNEY, '--json']);
      expect(JSON.parse(out(denied)).entries[1]).to.deep.equal({ actor: BARNEY, actions: [] });
      const again = await run(['access', 'set', '-', '--json'], { input: out(await run(['access', 'get'])) });
      expect(JSON.parse(out(again)).entries).to.deep.equal(JSON.parse(out(denied)).entries);
      const back = await run(['access', 'set'], { input: out(first) });
      expect([back.code, out(back)]).to.deep.equal([0, out(first)]);
    });

    it('says whether somebody may do something, and changes a single entry in APEX', async () => {
      const may = await run(['access', 'query', BARNEY, 'core:data']);
      expect([may.code, out(may)]).to.deep.equal([0, 'allowed\n']);
      const apex = ['--dialect', 'apex'];
      const allowed = await run(['access', 'allow', BARNEY, 'presence:watch', ...apex]);
      expect([allowed.code, out(allowed)]).to.deep.equal([
        0,
        `${BARNEY}    core:data presence:watch\nbarney/*@rubble.com  core:data presence:watch\n`,
      ]);
      const not = await run(['access', 'query', BARNEY, 'core:data', 'presence:publish', '--json', ...apex]);
      expect(not.code).to.equal(1);
      expect(JSON.parse(out(not))).to.deep.include({ owner: FRED, actor: BARNEY, allowed: false });
    });

    it('puts the owner first where a list would lock the owner out, and says so', async () => {
      const { code, stdout, stderr } = await run(['access', 'set'], { input: '# all\n*@* core:data\n' });
      expect([code, stdout.toString()]).to.deep.equal([0, `${FRED}  all:all\n*@*               core:data\n`]);
      expect(stderr.toString()).to.include(FRED);
    });

    it('refuses misspelt actions with the nearest known one, unless forced', async () => {
      const slip = await run(['access', 'allow', BARNEY, 'presence:subcribe']);
      expect([slip.code, slip.stderr.toString()]).to.deep.equal([
        64,
        'error: unknown action presence:subcribe; did you mean presence:subscribe? Use --force if it is one of another service\n',
      ]);
      const list = await run(['access', 'set'], { input: '*@* core:dta\n' });
      expect(list.code).to.equal(64);
      const own = await run(['access', 'set', '--force'], { input: `${FRED} all:all\n*@* core:data quarry:dig\n` });
      expect([own.code, out(own)]).to.deep.equal([0, `${FRED}  all:all\n*@*               core:data quarry:dig\n`]);
      const views = await run(['access', 'deny', BARNEY, 'presence:as-nobody']);
      expect(views.code).to.equal(0);
    });

    it('warns of an entry that is never reached, and of publishing without subscribing', async () => {
      const input = `${FRED} all:all\n*@rubble.com\n${BARNEY} core:data\nimxp=*@example.com\n*@* core:data\n`;
      const { code, stderr } = await run(['access', 'set'], { input });
      expect(code).to.equal(0);
      expect(stderr.toString()).to.equal(
        `warning: the entry for ${BARNEY} has no effect: the entry for *@rubble.com comes first\n` +
          'warning: the entry for imxp=*@example.com has no effect: the services of the domain may perform every action anyway\n',
      );
      const publishing = await run(['access', 'allow', WILMA, 'presence:publish']);
      expect(publishing.stderr.toString()).to.match(/^warning: wilma@example.com needs presence:subscribe as well/);
      const both = await run(['access', 'allow', WILMA, 'presence:publish', 'presence:subscribe']);
      expect(both.stderr.toString()).to.equal('');
    });

    it('exits with 77 when the owner does not permit it, and 64 for an invalid actor or list', async () => {
      const refused = await run(['access', 'get', '--owner', FRED], {}, WILMA);
      expect([refused.code, refused.stderr.toString()]).to.deep.equal([
        77,
        'error: 537 access:get is not granted\nhint: The owner decides this, with imxp access allow.\n',
      ]);
      expect((await run(['access', 'allow', 'barney', 'core:data'])).code).to.equal(64);
      expect((await run(['access', 'set'], { input: '{"entries":[{}]}' })).code).to.equal(64);
    });
  });

  describe('trace', () => {
    it('shows each relay with its answer and time', async () => {
      await mesh.attach(BARNEY);
      const { code, stdout } = await run(['trace', BARNEY]);
      expect(code).to.equal(0);
      expect(
        stdout
          .toString()
          .replace(/\d+\.\d ms/g, 'N ms')
          .replace(/ +/g, ' '),
      ).to.equal(
        ` 1 example.com N ms 250 accepted by the next relay\n 2 rubble.com N ms 250 delivered\n${BARNEY} answered in N ms\n`,
      );
    });

    it('exits with 1 when the trace fails, and prints as JSON what is known', async () => {
      const { code, stdout } = await run(['trace', BARNEY, '--json']);
      expect(code).to.equal(1);
      const { hops, ms: _, ...rest } = JSON.parse(stdout.toString());
      expect(rest).to.deep.equal({ from: FRED, to: BARNEY, code: 450, text: 'not attached', complete: true });
      // D-CORE-26: each relay on the way reports, with the answer it got.
      expect(hops.map(({ ms: __, ...hop }: { readonly ms: number }) => hop)).to.deep.equal([
        { relay: 'example.com', code: 450, text: 'not attached' },
        { relay: 'rubble.com', code: 450, text: 'not attached' },
      ]);
    });
  });

  describe('ping', () => {
    it('sends as many pings as asked, and summarises', async () => {
      await mesh.attach(BARNEY);
      const { code, stdout } = await run(['ping', BARNEY, '--count', '2', '--interval', '1']);
      expect(code).to.equal(0);
      expect(stdout.toString()).to.match(
        /^(barney@rubble\.com: ok in \d+\.\d ms\n){2}2 sent, 2 arrived; min\/mean\/max [\d./]+ ms\n$/,
      );
    });

    it('exits with 1 when nothing arrives', async () => {
      const { code, stdout } = await run(['ping', BARNEY, '--count', '1', '--json']);
      expect(code).to.equal(1);
      expect(JSON.parse(stdout.toString())).to.deep.include({ to: BARNEY, number: 1, code: 450, text: 'not attached' });
    });
  });
});
