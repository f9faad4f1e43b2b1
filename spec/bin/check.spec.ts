import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { type CliResult, imxp } from '../support/cli.js';
import { temporaryDirectory } from '../support/temporary.js';

const USABLE = { domains: ['example.com'], listen: [{ port: 10_913 }], store: { type: 'memory' } };

describe('imxp check', function () {
  this.timeout(60_000);
  const path = temporaryDirectory();

  async function check(config: unknown, ...args: string[]): Promise<CliResult> {
    await writeFile(path('mesh.json'), typeof config === 'string' ? config : JSON.stringify(config, null, 2));
    return imxp(['check', '--config', 'mesh.json', ...args], { cwd: path() });
  }

  it('prints OK and a summary of the configuration', async () => {
    const { code, stdout, stderr } = await check(USABLE);
    expect(stderr).to.equal('');
    expect(stdout)
      .to.match(/^mesh\.json: OK\n/)
      .and.include('tcp://127.0.0.1:10913')
      .and.include('example.com');
    expect(code).to.equal(0);
  });

  it('reports every problem with its place, and exits 78', async () => {
    const { code, stdout } = await check({ ...USABLE, lissten: [], log: { level: 'loud' } });
    expect(stdout).to.include('mesh.json:13:3 lissten: unknown key; did you mean "listen"?');
    expect(stdout).to.match(/mesh\.json:15:14 log\.level: must be one of "fatal", .*, not "loud"/);
    expect(stdout).to.include('mesh.json: not valid, 2 errors');
    expect(code).to.equal(78);
  });

  it('exits 0 when there are warnings only', async () => {
    const { code, stdout } = await check({ ...USABLE, sasl: { mechanisms: [] } });
    expect(stdout).to.include('warning mesh.json:').and.include('OK, 1 warning');
    expect(code).to.equal(0);
  });

  it('prints JSON for scripts', async () => {
    const { code, stdout } = await check('{"domains": []', '--json');
    expect(JSON.parse(stdout)).to.deep.equal({
      file: path('mesh.json'),
      ok: false,
      problems: [
        { severity: 'error', path: '', message: 'not JSON: "," or "}" expected', place: { line: 1, column: 15 } },
      ],
    });
    expect(code).to.equal(78);
  });

  it('exits 78 for a missing file', async () => {
    const { code, stdout } = await imxp(['check', '--config', 'none.json'], { cwd: path() });
    expect(stdout).to.include('none.json: cannot be read: no such file');
    expect(code).to.equal(78);
  });

  it('prints the JSON Schema', async () => {
    const { code, stdout } = await imxp(['check', '--schema'], { cwd: path() });
    expect(JSON.parse(stdout)).to.have.nested.property('properties.mesh.properties.routes');
    expect(code).to.equal(0);
  });

  describe('for an identity and a domain', () => {
    const POLICY = {
      ...USABLE,
      mesh: {
        routes: [{ domain: '*.example.net', relays: ['tcp://127.0.0.1:20913'], tls: 'off' }],
        dns: { enabled: false },
        trusted: ['imxp=mesh@slate.example'],
      },
      policy: {
        attach: { 'fred@example.com': ['wilma@example.com', 'imxp=gateway@example.com'] },
        originators: { 'fred@example.com': ['barney@rubble.com'] },
        relays: { 'imxp=mesh@rubble.com': ['gravel.example'] },
      },
    };

    it('shows what an endpoint may attach as, bind for and originate', async () => {
      const { code, stdout } = await check(POLICY, '--identity', 'fred@example.com');
      expect(stdout).to.match(/^fred@example\.com +an endpoint of this node$/m);
      expect(stdout).to.match(/^ +tls +not required$/m);
      expect(stdout).to.match(
        /attach as +fred@example\.com, wilma@example\.com, imxp=gateway@example\.com, and their subaddr/,
      );
      expect(stdout).to.match(/bind for +no domain$/m);
      expect(stdout).to.match(/originate +fred@example\.com, .*barney@rubble\.com$/m);
      expect(code).to.equal(0);
    });

    it('shows the same for a relay, trusted or not', async () => {
      const rubble = await check(POLICY, '--identity', 'imxp=mesh@rubble.com');
      expect(rubble.stdout).to.match(/attach as +nothing$/m);
      expect(rubble.stdout).to.match(/bind for +rubble\.com, gravel\.example$/m);
      expect(rubble.stdout).to.match(/originate +\*@rubble\.com, \*@gravel\.example$/m);
      expect(rubble.stdout).to.match(/send to +the domains served here; no transit/);
      const slate = await check(POLICY, '--identity', 'slate.example');
      expect(slate.stdout).to.match(/originate +as anyone: it is in mesh\.trusted$/m);
    });

    it('shows the route of Data to a domain', async () => {
      const ways = async (domain: string): Promise<string> => (await check(POLICY, '--domain', domain)).stdout;
      expect(await ways('a.b.example.net')).to.include('configured route *.example.net via tcp://127.0.0.1:20913');
      expect(await ways('EXAMPLE.com')).to.include('example.com: served here');
      expect(await ways('elsewhere.example')).to.include(
        'no configured route, and mesh.dns is disabled; refused with 550',
      );
    });

    const HANDED = {
      ...USABLE,
      domains: [...USABLE.domains, 'slate.example'],
      policy: {
        attach: {
          'bridge@example.com': [
            'imxp=*@example.com',
            'fred/*@example.com',
            '*@example.com',
            'imxp=report@example.com',
          ],
        },
        services: { 'apex=Presence@Example.com': 'application' },
        gateways: { 'Slate.example': 'imxp=gateway@slate.example' },
      },
    };

    it('shows what the patterns of policy.attach, the gateways and the services of applications mean', async () => {
      const bridge = await check(HANDED, '--identity', 'bridge@example.com');
      expect(bridge.stdout).to.match(
        /attach as +bridge@example\.com, imxp=\*@example\.com, fred\/\*@example\.com, \*@example\.com, imxp=report/,
      );
      expect(bridge.stdout).to.not.include('slate.example');
      const gateway = await check(HANDED, '--identity', 'imxp=gateway@slate.example');
      expect(gateway.stdout).to.match(
        /attach as +imxp=gateway@slate\.example, \*@slate\.example, imxp=\*@slate\.example, and/,
      );
      const slate = await check(HANDED, '--domain', 'slate.example');
      expect(slate.stdout).to.include('belong to imxp=gateway@slate.example, attached as *@slate.example');
      const example = await check(HANDED, '--domain', 'example.com');
      expect(example.stdout).to.include('an application provides imxp=presence@example.com');
      const { stdout } = await check(HANDED);
      expect(stdout).to.match(/applications +imxp=gateway@slate\.example for all of slate\.example\n +imxp=presence@/);
      expect(stdout, 'nothing would arrive there').to.include(
        'policy.attach["bridge@example.com"][3]: has no effect: this relay provides imxp=report@example.com itself',
      );
    });

    it('prints the same as JSON', async () => {
      const { stdout } = await check(POLICY, '--json', '--identity', 'imxp=mesh@rubble.com', '--domain', 'example.com');
      expect(JSON.parse(stdout)).to.deep.include({
        ok: true,
        identity: {
          identity: 'imxp=mesh@rubble.com',
          kind: 'relay',
          privacy: false,
          attach: [],
          bind: ['rubble.com', 'gravel.example'],
          originate: ['*@rubble.com', '*@gravel.example'],
          transit: false,
        },
        domain: { domain: 'example.com', by: 'here' },
      });
    });

    it('exits 64 for an invalid identity', async () => {
      const { code, stderr } = await check(POLICY, '--identity', 'two words');
      expect(stderr).to.include('neither an address nor a relay');
      expect(code).to.equal(64);
    });
  });

  describe('and the program around it', () => {
    it('shows help with examples and the version', async () => {
      const help = await imxp(['--help'], { cwd: path() });
      expect(help.stdout).to.include('Examples:').and.include('check').and.include('account').and.include('certs');
      expect(help.code).to.equal(0);
      const version = await imxp(['--version'], { cwd: path() });
      expect(version.stdout).to.match(/^\d+\.\d+\.\d+\n$/);
      expect(version.code).to.equal(0);
    });

    it('exits 64 for an unknown command or option, and names the nearest one', async () => {
      const command = await imxp(['chek'], { cwd: path() });
      expect(command.stderr).to.include('Did you mean check?');
      expect(command.code).to.equal(64);
      const option = await imxp(['check', '--jsn'], { cwd: path() });
      expect(option.stderr).to.include('Did you mean --json?');
      expect(option.code).to.equal(64);
    });

    it('writes no colours without a terminal', async () => {
      const { stdout, stderr } = await check({});
      expect(stdout + stderr).to.not.include('\u001b');
    });
  });
});
