import { readFile, stat } from 'node:fs/promises';
import { expect } from 'chai';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { type Finished, type RunOptions, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@rubble.com';

describe('imxp login and imxp context', function () {
  this.timeout(300_000);
  this.slow(10_000);
  let mesh: LocalMesh;
  let workshop: Workshop;
  const heard: string[] = [];

  before(async () => {
    mesh = await LocalMesh.start({ tls: true });
    workshop = await Workshop.open();
    await workshop.file('ca.crt', mesh.authority.certificate);
    await workshop.file('fred', `${passwordOf(FRED)}\n`);
    await workshop.file('wilma', `${passwordOf(WILMA)}\n`);
    const barney = await mesh.attach(BARNEY);
    barney.receive((delivery) => void heard.push(`${delivery.originator} ${delivery.text()}`));
  });

  after(async () => {
    await mesh.close();
    await workshop.close();
  });

  const imxp = (words: string, options: RunOptions = {}): Promise<Finished> =>
    workshop.run(words.split(' '), { deadlineMs: 60_000, ...options });
  const said = ({ code, stdout, stderr }: Finished): string => `${code} ${stdout}${stderr}`;
  const connection = (): string => `--relay ${mesh.url('example.com')} --ca ca.crt`;

  it('says how to begin where nobody has logged in', async () => {
    const { code, stderr } = await imxp(`send ${BARNEY} Hello`);
    expect(code).to.equal(64);
    expect(stderr.toString()).to.match(/^error: say who you are with --from.*\nhint: .*imxp login ADDRESS/);
  });

  it('names --ca where the relay is signed by an unknown CA', async () => {
    const told = await imxp(`login ${FRED} --relay ${mesh.url('example.com')} --tls require --password-file fred`);
    expect(told.code).to.equal(77);
    expect(told.stderr.toString()).to.include('--ca FILE');
  });

  it('does not store what does not work', async () => {
    const wrong = await imxp(`login ${FRED} ${connection()} --password ask`, {
      environment: { IMXP_PASSWORD: 'sand' },
    });
    expect(wrong.code).to.equal(77);
    expect(said(await imxp('context list'))).to.equal('0 ');
  });

  it('stores a profile that only its owner can read, after which an address and a text are enough', async () => {
    const made = await imxp(`login ${FRED} ${connection()} --password file --name work`, {
      environment: { IMXP_PASSWORD: passwordOf(FRED) },
    });
    expect([made.code, made.stderr.toString()]).to.deep.equal([0, '']);
    const file = workshop.path('config/imxp/contexts.json');
    expect((await stat(file)).mode & 0o777).to.equal(0o600);
    expect((await stat(workshop.path('config/imxp'))).mode & 0o777).to.equal(0o700);
    expect((await stat(workshop.path('config/imxp/work.password'))).mode & 0o777).to.equal(0o600);
    expect(await readFile(file, 'utf8')).not.to.include(passwordOf(FRED));
    expect(said(await imxp(`send ${BARNEY} Hello there`))).to.equal('0 ');
    expect(heard).to.deep.equal([`${FRED} Hello there`]);
    expect(said(await imxp('access get --json'))).to.match(/^0 .*"owner":"fred@example.com"/);
  });

  it('lists, uses, shows and removes contexts', async () => {
    expect((await imxp(`login ${WILMA} ${connection()} --password-file wilma`)).code).to.equal(0);
    const listed = JSON.parse((await imxp('context list --json')).stdout.toString());
    expect(listed.map(({ name, current }: { name: string; current: boolean }) => [name, current])).to.deep.equal([
      [WILMA, true],
      ['work', false],
    ]);
    expect(said(await imxp(`send ${BARNEY} one`))).to.equal('0 ');
    expect(said(await imxp(`send ${BARNEY} two --context work`))).to.equal('0 ');
    expect(said(await imxp(`send ${BARNEY} three`, { environment: { IMXP_CONTEXT: 'work' } }))).to.equal('0 ');
    expect(heard.slice(-3)).to.deep.equal([`${WILMA} one`, `${FRED} two`, `${FRED} three`]);
    expect((await imxp('context use work')).code).to.equal(0);
    expect((await imxp('context show')).stdout.toString()).to.match(/name +work\nfrom +fred@example\.com/);
    expect((await imxp(`context rm ${WILMA}`)).code).to.equal(0);
    expect(said(await imxp(`context use ${WILMA}`))).to.match(
      /^64 error: there is no context .*\nhint: There are: work/,
    );
    expect((await imxp('context rm work')).code).to.equal(0);
    const gone = await stat(workshop.path('config/imxp/work.password')).catch((error: unknown) => error);
    expect(gone).to.include({ code: 'ENOENT' });
    expect((await stat(workshop.path('wilma'))).isFile(), 'a file of the user stays').to.equal(true);
  });

  it('reads IMXP_FROM, IMXP_RELAY and IMXP_CA, and no context of another account', async () => {
    await imxp(`login ${WILMA} ${connection()} --password-file wilma`);
    const environment = {
      IMXP_FROM: FRED,
      IMXP_RELAY: mesh.url('example.com'),
      IMXP_CA: 'ca.crt',
      IMXP_PASSWORD: passwordOf(FRED),
    };
    expect(said(await imxp(`send ${BARNEY} environment`, { environment }))).to.equal('0 ');
    expect(heard.at(-1)).to.equal(`${FRED} environment`);
    const { IMXP_PASSWORD: _, ...without } = environment;
    const asked = await imxp(`send ${BARNEY} x`, { environment: { ...without, IMXP_PASSWORD: '' } });
    expect(said(asked)).to.match(/^64 error: a password for fred@example\.com is needed/);
  });

  it('says what is wrong with a file of contexts that is not valid', async () => {
    await workshop.file('broken/imxp/contexts.json', '{"contexts": {"x": {}}}');
    const environment = { XDG_CONFIG_HOME: workshop.path('broken') };
    expect(said(await imxp('context list', { environment }))).to.match(/^78 error: .*contexts\.json: contexts\.x/);
  });
});
