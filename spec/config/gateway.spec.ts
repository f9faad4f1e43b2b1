import { expect } from 'chai';
import { examineGatewayConfig } from '../../lib/config/gateway.js';
import { writePath } from '../../lib/config/problem.js';

const VALID = {
  mesh: { address: 'imxp=gateway@xmpp.example', passwordFile: 'secrets/gateway', relay: 'tcp://127.0.0.1:10913' },
  xmpp: { components: [{ domain: 'example.com', secretFile: 'secrets/component' }] },
  domains: [{ mesh: 'xmpp.example', xmpp: 'slate.example' }],
};

const problems = (change: object): string[] =>
  examineGatewayConfig({ ...VALID, ...change }, '/etc').findings.map(
    ({ keys, message }) => `${writePath(keys)}: ${message}`,
  );

describe('the configuration of a gateway to XMPP', () => {
  it('has defaults, and paths relative to the file', () => {
    const { config, findings } = examineGatewayConfig(VALID, '/etc/imxp');
    expect(findings).to.deep.equal([]);
    expect(config?.mesh.passwordFile).to.equal('/etc/imxp/secrets/gateway');
    expect(config?.xmpp).to.deep.include({ host: '127.0.0.1', port: 5347 });
    expect(config?.messages).to.include({ ok: 'receipt', timeoutMs: 20_000, stanzaOctets: 60_000 });
  });

  it('says everything that is wrong with it', () => {
    const component = { domain: 'example.com', secretFile: 's' };
    expect(problems({ mesh: { address: 'x', password: 'p' }, other: 1 })).to.deep.equal([
      'mesh.address: "x" is not an address of the form local@domain',
      'mesh.password: secrets are never written in this file: write "passwordFile" with the path of a file',
      'mesh.passwordFile: is needed to log in, or certificate and key instead',
      'other: unknown key; known here: mesh, xmpp, store, domains, sourceRouted, messages, presence, log',
    ]);
    expect(problems({ xmpp: { components: [component, component] } })).to.deep.equal([
      'xmpp.components[1]: this component is listed twice',
    ]);
  });

  it('refuses an XMPP server on another machine, because a component has no TLS', () => {
    for (const host of ['10.0.0.1', 'xmpp.example', '127.evil.example'])
      expect(problems({ xmpp: { ...VALID.xmpp, host } })[0], host).to.contain('not this machine');
    for (const host of ['localhost', '127.0.0.1', '::1'])
      expect(problems({ xmpp: { ...VALID.xmpp, host } })).to.deep.equal([]);
  });

  it('refuses domains that would send messages round in a circle', () => {
    expect(problems({ domains: [{ mesh: 'example.com', xmpp: 'slate.example' }] })).to.deep.equal([
      'xmpp.components[0].mesh: is served by this gateway itself: its users are those of XMPP',
    ]);
    expect(problems({ domains: [{ mesh: 'xmpp.example', xmpp: 'example.com' }] })).to.deep.equal([
      'domains[0].xmpp: is the domain of a component, which has users of the mesh',
    ]);
    expect(problems({ sourceRouted: 'xmpp.example' })[0]).to.contain('is sourceRouted as well');
    expect(problems({ domains: [] })[0]).to.contain('no XMPP user has a mesh address');
    expect(problems({ messages: { outstanding: 2 } })[0]).to.contain('is more than messages.outstanding');
  });
});
