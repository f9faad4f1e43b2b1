import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { settle } from '../../lib/endpoint/options.js';
import { failureOf } from '../support/failure.js';
import { temporaryDirectory } from '../support/temporary.js';

const FRED = { address: 'fred@example.com', relay: 'tcp://127.0.0.1:10913' };
const PEM = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';

describe('endpoint: options', () => {
  const path = temporaryDirectory();

  it('require TLS, except for relays on this machine without a given authority', async () => {
    const use = async (relay: string | string[], more: object = {}) => (await settle({ ...FRED, relay, ...more })).tls;
    expect(await use('tcp://relay.example.com:1')).to.equal('require');
    expect(await use('tcp://127.0.0.1:1')).to.equal('prefer');
    expect(await use('tcp://[::1]:1')).to.equal('prefer');
    expect(await use('tcp://localhost:1')).to.equal('prefer');
    expect(await use(['tcp://localhost:1', 'tcp://relay.example.com:1'])).to.equal('require');
    expect(await use('tcp://localhost:1', { ca: PEM })).to.equal('require');
    expect(await use('tcp://127.0.0.1.example.com:1')).to.equal('require');
    expect(await use('tcp://relay.example.com:1', { tls: 'off' })).to.equal('off');
    // Whoever the DNS names is nowhere in particular.
    expect((await settle({ address: 'fred@example.com' })).tls).to.equal('require');
  });

  it('D-CORE-38 refuse the name of a whole domain as an address, which is attached later', async () => {
    const failure = await failureOf(settle({ ...FRED, address: '*@slate.example' }));
    expect(failure.code).to.equal('ARGUMENT');
    expect(failure.message).to.contain("connect as yourself, then attach('*@slate.example')");
  });

  it('read the authority from PEM or from a file', async () => {
    const file = path('ca.crt');
    await writeFile(file, PEM);
    expect((await settle({ ...FRED, ca: PEM })).ca).to.equal(PEM);
    expect((await settle({ ...FRED, ca: file })).ca?.toString()).to.equal(PEM);
    expect((await failureOf(settle({ ...FRED, ca: `${file}.not` }))).code).to.equal('CONFIGURATION');
  });

  it('name the file that contains no PEM', async () => {
    const file = path('mesh.json');
    await writeFile(file, '{}');
    const failure = await failureOf(settle({ ...FRED, ca: file }));
    expect(failure.code).to.equal('CONFIGURATION');
    expect(failure.message).to.equal(
      `authority ${file}: contains no PEM block: it has no line that begins with -----BEGIN`,
    );
  });

  it('accept certificate and key only together, from PEM or from files, and under TLS', async () => {
    const file = path('fred.crt');
    await writeFile(file, PEM);
    const { own } = await settle({ ...FRED, certificate: file, key: PEM });
    expect(own?.certificate.toString()).to.equal(PEM);
    expect(own?.key).to.equal(PEM);
    expect((await settle(FRED)).own).to.equal(undefined);
    expect((await failureOf(settle({ ...FRED, certificate: PEM }))).code).to.equal('ARGUMENT');
    expect((await failureOf(settle({ ...FRED, key: PEM }))).code).to.equal('ARGUMENT');
    expect((await failureOf(settle({ ...FRED, certificate: PEM, key: PEM, tls: 'off' }))).code).to.equal('ARGUMENT');
    expect((await failureOf(settle({ ...FRED, certificate: `${file}.not`, key: PEM }))).message).to.contain(
      'certificate ',
    );
  });

  it('read the password again for each connection, wherever it comes from', async () => {
    const file = path('password');
    await writeFile(file, 'yabba\nsecond line\n');
    expect(await (await settle({ ...FRED, password: 'dabba' })).password?.()).to.equal('dabba');
    expect(await (await settle({ ...FRED, password: () => Promise.resolve('doo') })).password?.()).to.equal('doo');
    const { password } = await settle({ ...FRED, passwordFile: file });
    expect(await password?.()).to.equal('yabba');
    await writeFile(file, 'changed\n');
    expect(await password?.()).to.equal('changed');
    expect((await failureOf(settle({ ...FRED, passwordFile: `${file}.not` }))).code).to.equal('CONFIGURATION');
  });

  it('say what is wrong with them', async () => {
    expect((await failureOf(settle({ ...FRED, address: 'fred' }))).code).to.equal('ADDRESS_INVALID');
    expect((await failureOf(settle({ ...FRED, relay: 'relay.example.com' }))).code).to.equal('ARGUMENT');
    expect((await failureOf(settle({ ...FRED, relay: [] }))).code).to.equal('ARGUMENT');
    expect((await failureOf(settle({ ...FRED, limits: { queuedData: 0 } }))).message).to.contain('limits.queuedData');
  });

  it('do not reconnect unless asked', async () => {
    expect((await settle(FRED)).reconnect).to.equal(undefined);
    expect((await settle({ ...FRED, reconnect: true })).reconnect).to.deep.equal({ firstMs: 100, longestMs: 30_000 });
    expect((await settle({ ...FRED, reconnect: { firstMs: 5 } })).reconnect).to.deep.equal({
      firstMs: 5,
      longestMs: 30_000,
    });
  });
});
