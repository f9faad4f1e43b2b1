/** Gateways whose relay is reached by TLS, with an authority of the operator, and by each way to log in. */

import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { freePort } from '../support/free-port.js';
import { gatewayAccount, Inbox, STAGE_PASSWORD } from '../support/gateway-stage.js';
import { type Command, lonely, type NodeProcess, Workshop } from '../support/node-process.js';
import { mailed } from '../support/smtp-dialog.js';

const SERVED = 'mail.example';
const GATEWAY = gatewayAccount(SERVED);
const FRED = 'fred@example.com';
const READY_MS = 60_000;

describe('imxp gateway with a relay that is reached by TLS', function () {
  this.timeout(180_000);
  let workshop: Workshop;
  let relay: NodeProcess;
  let authority: string;
  let port: number;

  before(async () => {
    workshop = await Workshop.open();
    authority = (await workshop.certs('example.com', SERVED)).authority;
    const endpoint = ['--endpoint', GATEWAY, '--endpoint', `imxp=other@${SERVED}`];
    const { code, stderr } = await workshop.run(['certs', '--out', workshop.path('certs'), ...endpoint]);
    if (code !== 0) throw new Error(stderr.toString());
    await workshop.certs('other.example');
    await workshop.run(['certs', '--out', workshop.path('strangers'), '--domain', 'example.com']);
    await workshop.file('password', `${STAGE_PASSWORD}\n`);
    await workshop.file('wrong', 'pebble\n');
    port = await freePort();
  });

  afterEach(async () => {
    await relay?.kill();
  });

  after(async () => {
    await workshop?.close();
  });

  /** A relay that offers these mechanisms, with the accounts of the gateway and of fred. */
  async function startRelay(mechanisms: readonly string[]): Promise<void> {
    const tls = (domain: string) => ({ certificate: `certs/${domain}.crt`, key: `certs/${domain}.key` });
    const config = {
      domains: ['example.com', SERVED],
      tls: { ...tls('example.com'), authority: 'certs/ca.crt', domains: { [SERVED]: tls(SERVED) } },
      sasl: { mechanisms },
      policy: { gateways: { [SERVED]: GATEWAY } },
    };
    relay = await workshop.node('relay', lonely(config), port);
    for (const address of [GATEWAY, FRED]) {
      const added = await workshop.run([
        'account',
        'add',
        address,
        '--config',
        relay.config,
        '--password-file',
        'password',
      ]);
      // From an earlier case.
      if (added.code !== 0 && !added.stderr.toString().includes('already has an account'))
        throw new Error(added.stderr.toString());
    }
    await relay.start();
  }

  /** Starts the gateway to mail with these facts about the relay. */
  async function gateway(mesh: object, lmtp: number, smtp: number): Promise<Command> {
    const config = {
      mesh: { address: GATEWAY, relay: `tcp://127.0.0.1:${port}`, ca: 'certs/ca.crt', ...mesh },
      listen: { protocol: 'lmtp', port: lmtp },
      smtp: { port: smtp },
      users: [{ mesh: 'example.com', mail: 'example.com' }],
      domains: [{ mesh: SERVED, mail: 'slate.example' }],
    };
    return workshop.command(['gateway', 'mail', '--config', await workshop.file('mail.json', JSON.stringify(config))]);
  }

  const ready = (command: Command) =>
    command.seen((output) => (output.includes('"ready"') ? true : undefined), 'ready', READY_MS);

  const WAYS = [
    { mechanism: 'SCRAM-SHA-256', login: { passwordFile: 'password' } },
    { mechanism: 'DIGEST-MD5', login: { passwordFile: 'password' } },
    { mechanism: 'EXTERNAL', login: { certificate: `certs/${GATEWAY}.crt`, key: `certs/${GATEWAY}.key` } },
  ];
  for (const { mechanism, login } of WAYS) {
    it(`logs in by ${mechanism} over verified TLS, and passes messages both ways`, async () => {
      await startRelay(
        [...new Set([mechanism, 'SCRAM-SHA-256'])].filter((name) => mechanism !== 'DIGEST-MD5' || name === mechanism),
      );
      const [lmtp, smtp] = [await freePort(), await freePort()];
      const command = await gateway(login, lmtp, smtp);
      await ready(command);
      const fred = await Endpoint.connect({
        address: FRED,
        relay: `tcp://127.0.0.1:${port}`,
        ca: authority,
        password: STAGE_PASSWORD,
      });
      const inbox = new Inbox(fred);
      expect(await mailed({ port: lmtp, hello: 'LHLO', from: 'joe@slate.example', to: FRED })).to.match(/^250 /);
      expect((await inbox.next(() => command.output)).originator).to.equal(`joe@${SERVED}`);
      const [outcome] = await fred.sendEach({ to: `joe@${SERVED}`, content: 'x' });
      expect([outcome?.code, outcome?.text], 'there is no mail server').to.deep.equal([450, outcome?.text]);
      expect(outcome?.text).to.contain('the mail server cannot be used now');
      const logins = relay.lines.filter((line) => JSON.stringify(line).includes(GATEWAY));
      expect(JSON.stringify(logins)).to.contain(mechanism);
      await fred.close();
      command.signal('SIGTERM');
      expect((await command.finished()).code, command.output).to.equal(0);
    });
  }

  it('says what to do where the certificate leads to another authority, the file is not there, or the login fails', async () => {
    await startRelay(['SCRAM-SHA-256']);
    const told = async (mesh: object) => {
      const command = await gateway({ passwordFile: 'password', ...mesh }, await freePort(), await freePort());
      const { code, stderr } = await command.finished(READY_MS);
      return [code, stderr.toString()] as const;
    };
    const [code, text] = await told({ ca: 'strangers/ca.crt' });
    expect(code, text).to.equal(77);
    expect(text).to.match(/the peer's certificate is not acceptable/);
    expect(text).to.match(
      /hint: Give the CA certificate that signed it: mesh\.ca \(for a CA made by imxp certs: certs\/ca\.crt\)/,
    );
    const [missing, file] = await told({ ca: 'certs/nowhere.crt' });
    expect([missing, file.includes('nowhere.crt')], file).to.deep.equal([78, true]);
    const [refused, why] = await told({ passwordFile: 'wrong' });
    expect(refused, why).to.equal(77);
    expect(why).to.match(/hint: Check the address and the password \(mesh\.passwordFile\)/);
  });

  it('says which keys of the configuration contradict each other', async () => {
    const check = async (mesh: object) => {
      const config = {
        mesh: { address: GATEWAY, ...mesh },
        users: [{ mesh: 'example.com', mail: 'example.com' }],
        sourceRouted: SERVED,
      };
      const path = await workshop.file('mail.json', JSON.stringify(config));
      return (await workshop.run(['gateway', 'mail', '--config', path, '--check'])).stderr.toString();
    };
    expect(await check({})).to.contain('mesh.passwordFile: is needed to log in, or certificate and key instead');
    expect(await check({ certificate: 'x' })).to.contain('mesh.key: and mesh.certificate are only of use together');
    expect(await check({ certificate: 'x', key: 'y', tls: 'off' })).to.contain('mesh.tls: off makes no use of');
  });
});
