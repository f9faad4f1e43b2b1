import { X509Certificate } from 'node:crypto';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { CertificateDirectory } from '../../lib/certs/directory.js';
import { configurationJsonSchema } from '../../lib/config/json-schema.js';
import { parseConfig } from '../../lib/config/parse.js';
import { ConfigurationError, type Problem } from '../../lib/config/problem.js';
import { MESH_NAMING } from '../../lib/mesh/certificate.js';
import { checkConfig, loadConfig } from '../../lib/node/configuration.js';
import { certificateNames, purposeFault } from '../../lib/transport/tls/certificate.js';
import { TestAuthority, type TestCertificateOptions } from '../support/certificates.js';
import { temporaryDirectory } from '../support/temporary.js';

const EXAMPLE = new URL('../../mesh.example.json', import.meta.url);
/** For a neighbour that takes no certificate. */
const CREDENTIALS = { username: 'imxp=mesh@example.com', passwordFile: 'secrets/rubble.com' };

describe('node/configuration', function () {
  this.timeout(60_000);
  const path = temporaryDirectory();

  /** The example, with a password for its neighbour unless that is not wanted. */
  async function example(
    change: (config: Record<string, object>) => void = () => {},
    password = true,
  ): Promise<string> {
    const config = JSON.parse(await readFile(EXAMPLE, 'utf8'));
    if (password) config.mesh.routes[0].credentials = CREDENTIALS;
    change(config);
    await writeFile(path('mesh.json'), JSON.stringify(config, null, 2));
    return path('mesh.json');
  }

  async function files(days = 100): Promise<CertificateDirectory> {
    const directory = await CertificateDirectory.open(path('certs'));
    await directory.make({ kind: 'relay', domain: 'example.com' }, { days });
    await mkdir(path('secrets'), { recursive: true });
    await writeFile(path('secrets/rubble.com'), 'yabba\n', { mode: 0o600 });
    return directory;
  }

  async function problems(file: string): Promise<readonly Problem[]> {
    return (await checkConfig(file)).problems;
  }

  const summary = (found: readonly Problem[]): string[] =>
    found.map(({ severity, path: at, message }) => `${severity} ${at}: ${message.replaceAll(path(), '.')}`);

  it('loads mesh.example.json when its files exist', async () => {
    await files();
    const warnings: Problem[] = [];
    const config = await loadConfig(await example(undefined, false), {
      warn: (problem) => void warnings.push(problem),
    });
    expect(warnings).to.deep.equal([]);
    expect(config).to.deep.equal(parseConfig(JSON.parse(await readFile(EXAMPLE, 'utf8')), path()));
    expect(config.tls).to.include({ require: 'mesh', authority: path('certs/ca.crt') });
  });

  it('names missing files with the place in the text', async () => {
    const found = await problems(await example());
    expect(summary(found)).to.deep.equal([
      'error tls.certificate: ./certs/example.com.crt: no such file',
      'error tls.key: ./certs/example.com.key: no such file',
      'error tls.authority: ./certs/ca.crt: no such file',
      'error mesh.routes[0].credentials.passwordFile: password file ./secrets/rubble.com: no such file',
    ]);
    const text = (await readFile(path('mesh.json'), 'utf8')).split('\n');
    const { line, column } = found[0]?.place ?? { line: 0, column: 0 };
    expect(text[line - 1]?.slice(column - 1)).to.equal('"certs/example.com.crt",');
  });

  it('reports everything that is wrong at once, with file, line and column', async () => {
    const file = await example((config) => Object.assign(config, { lissten: 1, limits: { link: { lanes: 0 } } }));
    const error = await loadConfig(file).catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(ConfigurationError);
    const lines = error instanceof ConfigurationError ? error.message.split('\n') : [];
    expect(lines).to.have.length(2);
    expect(lines[0]).to.match(/mesh\.json:\d+:\d+ limits\.link\.lanes: must be at least 1$/);
    expect(lines[1]).to.match(/mesh\.json:\d+:3 lissten: unknown key; did you mean "listen"\?$/);
  });

  it('refuses a key that does not fit its certificate', async () => {
    const directory = await files();
    await directory.make({ kind: 'relay', domain: 'rubble.com' });
    const file = await example((config) => Object.assign(config['tls'] ?? {}, { key: 'certs/rubble.com.key' }));
    expect(summary(await problems(file))).to.deep.equal([
      'error tls.key: ./certs/rubble.com.key: is not the key of ./certs/example.com.crt',
    ]);
  });

  it('refuses a certificate for other domains, and accepts one for each domain', async () => {
    const directory = await files();
    await directory.make({ kind: 'relay', domain: 'quarry.example' });
    const two = { domains: ['example.com', 'quarry.example'] };
    const [first] = await problems(await example((config) => Object.assign(config, two)));
    expect(first?.message).to.include('is not for quarry.example; it names DNS:example.com');
    const own = { 'quarry.example': { certificate: 'certs/quarry.example.crt', key: 'certs/quarry.example.key' } };
    const file = await example((config) => {
      Object.assign(config, two);
      Object.assign(config['tls'] ?? {}, { domains: own });
    });
    expect(await problems(file)).to.deep.equal([]);
  });

  describe('judges a certificate by the rule of a handshake (D-TLS-02)', () => {
    const usages = ['server'] as const;
    const rows: [string, TestCertificateOptions, RegExp | undefined][] = [
      ['for servers only', { domains: ['example.com'], usages }, undefined],
      ['for clients only', { domains: ['example.com'], usages: ['client'] }, /error .*needs serverAuth/],
      [
        'of a wildcard',
        { domains: ['*.com'] },
        /error .*is not for example\.com; it names DNS:\*\.com; wildcards and common names do not count/,
      ],
      ['of a partial wildcard', { domains: ['ex*.com'] }, /error .*is not for example\.com; it names DNS:ex\*\.com/],
      [
        'of a common name only',
        { commonName: 'example.com' },
        /error .*it names CN=example\.com and has no subjectAltName; wildcards and common names do not count/,
      ],
      ['of a host in the domain', { domains: ['relay.example.com'] }, /error .*is not for example\.com/],
      ['of the mesh identity as a mailbox', { mailboxes: ['imxp=mesh@example.com'] }, /warning .*but not example\.com/],
      ['of the mesh identity as a URI', { uris: ['im:imxp=mesh@example.com'] }, /warning .*but not example\.com/],
      ['signed with SHA-1', { domains: ['example.com'], digest: 'sha1' }, /warning .*SHA-1/],
    ];
    for (const [title, options, expected] of rows) {
      it(title, async () => {
        await files();
        const authority = new TestAuthority();
        const { certificate, key } = authority.issue(options);
        await writeFile(path('certs/ca.crt'), authority.certificate);
        await writeFile(path('certs/example.com.crt'), certificate);
        await writeFile(path('certs/example.com.key'), key, { mode: 0o600 });
        const found = summary(await problems(await example()));
        if (expected === undefined) expect(found.filter((line) => !line.includes('renew it'))).to.deep.equal([]);
        else expect(found.join('\n')).to.match(expected);
        const loose = found.some((line) => line.startsWith('error'));
        const judged = MESH_NAMING.names(certificateNames(new X509Certificate(certificate)), 'example.com');
        const good = judged && purposeFault(new X509Certificate(certificate), 'server') === undefined;
        expect(loose, 'an error where a handshake fails').to.equal(!good);
      });
    }
  });

  it('refuses an expired certificate and warns of one about to expire', async () => {
    const past = new Date(Date.now() - 40 * 86_400_000);
    const directory = await CertificateDirectory.open(path('certs'), () => past);
    await files(5);
    await directory.make({ kind: 'relay', domain: 'example.com' }, { days: 30, renew: true });
    const [expired] = await problems(await example());
    expect(expired).to.include({ severity: 'error', path: 'tls.certificate' });
    expect(expired?.message).to.include('expired on');
    await (await files()).make({ kind: 'relay', domain: 'example.com' }, { days: 5, renew: true });
    const [soon] = await problems(await example());
    expect(soon).to.include({ severity: 'warning', path: 'tls.certificate' });
    expect(soon?.message).to.include('expires on');
  });

  it('warns of a certificate that the authority did not sign', async () => {
    await files();
    await CertificateDirectory.open(path('others'));
    const file = await example((config) => Object.assign(config['tls'] ?? {}, { authority: 'others/ca.crt' }));
    const [found] = await problems(file);
    expect(found).to.include({ severity: 'warning', path: 'tls.certificate' });
    expect(found?.message).to.include('relays that trust only tls.authority will refuse this node');
  });

  it('warns of secrets that everybody may read', async () => {
    await files();
    await chmod(path('secrets/rubble.com'), 0o644);
    await chmod(path('certs/example.com.key'), 0o644);
    expect(summary(await problems(await example()))).to.deep.equal([
      'warning tls.key: ./certs/example.com.key: other users of this machine can read this key; chmod 600',
      'warning mesh.routes[0].credentials.passwordFile: ./secrets/rubble.com: other users of this machine can read this password; chmod 600',
    ]);
  });

  it('refuses an empty password file', async () => {
    await files();
    await writeFile(path('secrets/rubble.com'), '\n');
    expect(summary(await problems(await example()))).to.deep.equal([
      'error mesh.routes[0].credentials.passwordFile: password file ./secrets/rubble.com: the first line is empty',
    ]);
  });

  it('refuses files with other contents', async () => {
    await files();
    await writeFile(path('certs/example.com.crt'), 'hello');
    await writeFile(path('certs/example.com.key'), 'hello', { mode: 0o600 });
    expect(summary(await problems(await example()))).to.deep.equal([
      'error tls.certificate: ./certs/example.com.crt: contains no certificate in PEM format: it has no line that begins with -----BEGIN',
      'error tls.key: ./certs/example.com.key: contains no private key: it has no line that begins with -----BEGIN',
    ]);
  });

  it('accepts PEM files as they are found: text around blocks, other line ends and labels, key and certificate in one', async () => {
    await files();
    const [crt, key] = await Promise.all(
      ['example.com.crt', 'example.com.key'].map((name) => readFile(path(`certs/${name}`), 'utf8')),
    );
    const shapes = ([text = '']: readonly (string | undefined)[]): string[] => {
      const plain = text.replaceAll('\r\n', '\n');
      return [
        plain.replaceAll('\n', '\r\n'),
        `\uFEFF${plain}`,
        `Bag Attributes\n    friendlyName: relay\nsubject=CN = x\n${plain}\nissued for the relay\n`,
        `\n\n${plain.trimEnd()}`,
        plain.replace(/(?<=-----\n)[^-]+(?=\n-----END)/, (body) => body.replaceAll('\n', '')),
        plain.replaceAll('\n', ' \n'),
        `${key}${crt}`,
      ];
    };
    const certificates = shapes([crt]);
    for (const [at, text] of shapes([key]).entries()) {
      await writeFile(path('certs/example.com.crt'), certificates[at] ?? '');
      await writeFile(path('certs/example.com.key'), text);
      expect(summary(await problems(await example())), JSON.stringify(text.slice(0, 40))).to.deep.equal([]);
    }
    await writeFile(path('certs/example.com.crt'), (crt ?? '').replaceAll(' CERTIFICATE', ' X509 CERTIFICATE'));
    expect(summary(await problems(await example()))).to.deep.equal([]);
  });

  it('says what a file has instead of PEM, and what to do', async () => {
    await files();
    const [crt = '', key = ''] = await Promise.all(
      ['example.com.crt', 'example.com.key'].map((name) => readFile(path(`certs/${name}`), 'utf8')),
    );
    const authority = await readFile(path('certs/ca.crt'), 'utf8');
    const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(crt, 'utf16le')]);
    const none = './certs/example.com.crt: contains no certificate in PEM format: ';
    const cases: readonly (readonly [string | Buffer, string])[] = [
      ['', `${none}it is empty`],
      [utf16, `${none}it is text in UTF-16; save it as UTF-8`],
      [new X509Certificate(crt).raw, `${none}it is DER; "openssl x509 -inform DER" or`],
      [Buffer.from('3082098a020103308209', 'hex'), `${none}it is PKCS #12; "openssl pkcs12 -nodes" converts it`],
      [key, `${none}it has a private key`],
      [crt.replaceAll('CERTIFICATE', 'CERTIFICATE REQUEST'), `${none}it has a request for a certificate, and not`],
      [crt.replaceAll('CERTIFICATE', 'PKCS7'), `${none}it has PKCS #7; "openssl pkcs7 -print_certs" gives`],
      [crt.slice(0, 300), `${none}it is cut off: the line -----END is missing`],
      [crt.replace(/^/gm, '  '), './certs/example.com.crt: the certificate cannot be read: its lines are indented'],
      [
        crt.replace(/\r?\n/g, '\r'),
        './certs/example.com.crt: the certificate cannot be read: its lines end with CR alone',
      ],
      [
        crt.replace(/\r?\n/g, '\\n'),
        './certs/example.com.crt: the certificate cannot be read: it has "\\n" written out',
      ],
      [
        crt.replace(/(?<=-----\r?\n)M/, '*'),
        './certs/example.com.crt: the certificate cannot be read: what is between',
      ],
    ];
    for (const [content, message] of cases) {
      await writeFile(path('certs/example.com.crt'), content);
      expect(summary(await problems(await example())).join('\n'), message).to.include(
        `error tls.certificate: ${message}`,
      );
    }
    await writeFile(path('certs/example.com.crt'), `${authority}${crt}`);
    expect(summary(await problems(await example())).join('\n')).to.include(
      'is not the key of ./certs/example.com.crt, whose first certificate must be that of this relay; the key is that of number 2',
    );
  });

  it('reads a file in UTF-16 and one with a byte order mark, as editors save them', async () => {
    await files();
    const text = await readFile(await example(), 'utf8');
    for (const content of [
      `\uFEFF${text}`,
      Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]),
      Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(text, 'utf16le').swap16()]),
    ]) {
      await writeFile(path('mesh.json'), content);
      expect(summary(await problems(path('mesh.json')))).to.deep.equal([]);
    }
  });

  it('refuses a store that is open to everybody or not a directory', async () => {
    await files();
    await mkdir(path('var/example.com'), { recursive: true });
    await chmod(path('var/example.com'), 0o755);
    expect(summary(await problems(await example()))).to.deep.equal([
      'error store.path: ./var/example.com: is open to other users of this machine; chmod 700',
    ]);
    await rm(path('var'), { recursive: true });
    await writeFile(path('var'), '');
    expect(summary(await problems(await example()))).to.deep.equal([
      'error store.path: ./var/example.com: cannot be written: a part of the path is not a directory',
    ]);
  });

  it('explains a file that is missing, not JSON, or not text', async () => {
    expect((await checkConfig(path('none.json'))).problems).to.deep.equal([
      { severity: 'error', path: '', message: 'cannot be read: no such file' },
    ]);
    await writeFile(path('bad.json'), '{\n  "domains": [,]\n}');
    expect((await checkConfig(path('bad.json'))).problems).to.deep.equal([
      { severity: 'error', path: '', message: 'not JSON: unexpected ","', place: { line: 2, column: 15 } },
    ]);
    await writeFile(path('latin1.json'), Buffer.from([0x22, 0xe9, 0x22]));
    expect((await checkConfig(path('latin1.json'))).problems[0]?.message).to.equal(
      'cannot be read: is not text in UTF-8; save it as UTF-8',
    );
  });

  it('describes the file as JSON Schema', () => {
    const schema = configurationJsonSchema();
    expect(Object.keys(schema.properties ?? {})).to.include.members(['domains', 'listen', 'tls', 'mesh', 'limits']);
    expect(schema.properties?.['limits']?.properties?.['link']?.properties?.['lanes']).to.include({
      default: 4,
      type: 'integer',
    });
  });
});
