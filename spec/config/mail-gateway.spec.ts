import { expect } from 'chai';
import { examineMailGatewayConfig, mailServersOf } from '../../lib/config/mail-gateway.js';
import { writePath } from '../../lib/config/problem.js';

const VALID = {
  mesh: { address: 'imxp=gateway@mail.example', passwordFile: 'secrets/gateway', relay: 'tcp://127.0.0.1:10913' },
  users: [{ mesh: 'example.com', mail: 'example.com' }],
  domains: [{ mesh: 'mail.example', mail: 'slate.example' }],
};

const problems = (change: object): string[] =>
  examineMailGatewayConfig({ ...VALID, ...change }, '/etc').findings.map(
    ({ keys, message }) => `${writePath(keys)}: ${message}`,
  );

describe('the configuration of a gateway to mail', () => {
  it('has defaults: LMTP on this machine, for its mail server', () => {
    const { config, findings } = examineMailGatewayConfig(VALID, '/etc/imxp');
    expect(findings).to.deep.equal([]);
    expect(config?.listen).to.include({ protocol: 'lmtp', host: '127.0.0.1', port: 2424 });
    expect(config?.smtp).to.include({ host: '127.0.0.1', port: 25 });
    expect(config && mailServersOf(config)).to.deep.equal(['127.0.0.1', '::1']);
    expect(config?.messages).to.include({ ok: 'server', timeoutMs: 20_000, octets: 1_000_000 });
  });

  it('opens nothing to other machines unless it says to which', () => {
    expect(problems({ listen: { host: '0.0.0.0' } })[0]).to.contain('list the mail servers that may connect');
    expect(problems({ listen: { host: '0.0.0.0', from: ['192.0.2.1'] } })).to.deep.equal([]);
    expect(problems({ listen: { from: ['mail.example'] } })[0]).to.contain('not an IP address');
    expect(problems({ smtp: { host: 'mail.example', tls: 'off', user: 'u', passwordFile: 'p' } })[0]).to.contain(
      'in the clear',
    );
    expect(problems({ smtp: { user: 'u' } })[0]).to.contain('only of use together');
  });

  it('refuses domains that would send mail round in a circle', () => {
    expect(problems({ domains: [{ mesh: 'mail.example', mail: 'example.com' }] })[0]).to.contain('round in a circle');
    expect(problems({ domains: [{ mesh: 'example.com', mail: 'slate.example' }] })[0]).to.contain(
      'served by this gateway',
    );
    expect(problems({ domains: [] })[0]).to.contain('no sender of mail has a mesh address');
    expect(problems({ sourceRouted: 'mail.example' })[0]).to.contain('is sourceRouted as well');
    expect(problems({ messages: { outstanding: 2 } })[0]).to.contain('is more than messages.outstanding');
  });
});
