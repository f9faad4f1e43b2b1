import { chmod, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { PostgresConfig } from '../../../lib/config/schema.js';
import { openPostgres, type PostgresStore } from '../../../lib/store/postgres/store.js';
import { TestAuthority } from '../../support/certificates.js';
import { PASSWORD, postgresConfig, postgresServer } from '../../support/postgres.js';
import { temporaryDirectory } from '../../support/temporary.js';

const SETTINGS = "ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\nssl_ca_file = 'ca.crt'\n";

describe('TLS to PostgreSQL', function () {
  // On a busy machine; ten seconds otherwise.
  this.timeout(120_000);
  const server = postgresServer();
  const path = temporaryDirectory();
  const authority = new TestAuthority();
  const opened: PostgresStore[] = [];

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
  });

  async function file(name: string, text: string): Promise<string> {
    await writeFile(path(name), text, { mode: 0o600 });
    return path(name);
  }

  /** @param user authenticates by the password, except the one who does by a certificate */
  async function open(tls: PostgresConfig['tls'], host = '127.0.0.1'): Promise<PostgresStore> {
    const { port } = server();
    const url = `postgres://imxp:${encodeURIComponent(PASSWORD)}@${host}:${port}/postgres`;
    const config = { ...postgresConfig('', 'tls', path('copy')), connectTimeoutMs: 5000, url: undefined, tls };
    const store = await openPostgres({ ...config, urlFile: await file('url', url) });
    opened.push(store);
    return store;
  }

  /** The text of the error; there must be one. */
  const refusal = (tls: PostgresConfig['tls'], host?: string): Promise<string> =>
    open(tls, host).then(() => expect.fail('connected'), String);

  /** Whether sessions of the program use TLS, and whom they have proved to be. */
  const sessions = () =>
    server().query(`select distinct s.ssl, s.client_dn from pg_stat_ssl s join pg_stat_activity a using (pid)
      where a.application_name = 'imxp'`);

  /** Has the server use a certificate from now on. */
  async function serve(names: { readonly domains?: readonly string[]; readonly addresses?: readonly string[] }) {
    const { certificate, key } = authority.issue({ ...names, ownKey: true });
    const files = { 'server.crt': certificate, 'server.key': key, 'ca.crt': authority.certificate };
    const before = await server().query('select pg_conf_load_time()::text as at');
    server().configure({ ...files, 'postgresql.auto.conf': SETTINGS });
    const after = async () => await server().query('select pg_conf_load_time()::text as at');
    while (before[0]?.['at'] === (await after())[0]?.['at']) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  it('is asked for, and the error says what to do where the server has none', async () => {
    const text = await refusal({ mode: 'verify' });
    expect(text).to.include('does not support SSL').and.include('ssl = on').and.include('store.tls.mode');
  });

  it('verifies the certificate, of a host by its name and by its address', async () => {
    await serve({ addresses: ['127.0.0.1'] });
    const tls = { mode: 'verify', authority: await file('ca', authority.certificate) } as const;
    const store = await open(tls);
    expect(await store.put('a', 1)).to.be.greaterThan(0);
    expect(await sessions()).to.deep.equal([{ ssl: true, client_dn: null }]);
    expect(await refusal(tls, 'localhost')).to.include('name the host in the URL as its certificate does');
    await serve({ domains: ['localhost'] });
    expect(await (await open(tls, 'localhost')).put('a', 2)).to.be.greaterThan(0);
    expect(await refusal(tls)).to.include('name the host in the URL as its certificate does');
  });

  it('refuses a certificate of somebody else, and says where the CA belongs', async () => {
    await serve({ addresses: ['127.0.0.1'] });
    const other = await file('other', new TestAuthority('Somebody else').certificate);
    expect(await refusal({ mode: 'verify', authority: other })).to.include('name its CA as store.tls.authority');
    expect(await refusal({ mode: 'verify' })).to.include('name its CA as store.tls.authority');
    const missing = await refusal({ mode: 'verify', authority: path('missing') });
    expect(missing).to.include('store.tls.authority').and.include('no such file');
    const nonsense = await refusal({ mode: 'verify', authority: await file('nonsense', 'nonsense') });
    expect(nonsense).to.include('store.tls.authority');
  });

  it('proves itself by a certificate where the server asks for one', async () => {
    await serve({ addresses: ['127.0.0.1'] });
    server().configure({ 'pg_hba.conf': 'local all all trust\nhostssl all all 127.0.0.1/32 cert\n' });
    const tls = { mode: 'verify', authority: await file('ca', authority.certificate) } as const;
    expect(await refusal(tls)).to.include('store.tls.certificate');
    expect(await refusal({ mode: 'off' })).to.include('set store.tls.mode to "verify"');
    const own = authority.issue({ commonName: 'imxp', usages: ['client'] });
    const [certificate, key] = [await file('own.crt', own.certificate), await file('own.key', own.key)];
    const store = await open({ ...tls, certificate, key });
    expect(await store.put('a', 3)).to.be.greaterThan(0);
    expect(await sessions()).to.deep.equal([{ ssl: true, client_dn: '/CN=imxp' }]);
    await chmod(key, 0o644);
    expect(await refusal({ ...tls, certificate, key })).to.include('chmod 600');
    const another = authority.issue({ commonName: 'imxp', ownKey: true });
    const wrong = await file('another.key', another.key);
    expect(await refusal({ ...tls, certificate, key: wrong })).to.include('store.tls.key');
  });
});
