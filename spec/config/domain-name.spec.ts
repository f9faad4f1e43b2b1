import { expect } from 'chai';
import { asciiAddress, asciiDomain, asciiDomainPattern } from '../../lib/config/domain-name.js';
import { configurationJsonSchema } from '../../lib/config/json-schema.js';
import { parseConfig } from '../../lib/config/parse.js';
import { parseRelayUrl } from '../../lib/config/relay-url.js';

const BOOKS = 'xn--bcher-kva.example';

describe('config/domain-name', () => {
  it('D-CORE-41 makes A-labels of U-labels', () => {
    const names: readonly (readonly [string, string])[] = [
      ['b\u00fccher.example', BOOKS],
      ['B\u00dcCHER.Example', BOOKS],
      // UTS #46: letters with marks apart, full-width letters and other full stops are the same name.
      ['bu\u0308cher.example', BOOKS],
      ['b\u00fccher\u3002example', BOOKS],
      ['\uff42\u00fccher.example', BOOKS],
      // IDNA 2008 knows the sharp s.
      ['fa\u00df.example', 'xn--fa-hia.example'],
      ['\u4f8b\u3048.\u30c6\u30b9\u30c8', 'xn--r8jz45g.xn--zckzah'],
      ['Example.com', 'Example.com'],
      [BOOKS, BOOKS],
      ['no domain', 'no domain'],
    ];
    for (const [name, ascii] of names) expect(asciiDomain(name), name).to.equal(ascii);
    expect(asciiDomainPattern('*.b\u00fccher.example')).to.equal(`*.${BOOKS}`);
    expect(asciiDomainPattern('*')).to.equal('*');
    expect(asciiAddress('"\u00fc@"@b\u00fccher.example')).to.equal(`"\u00fc@"@${BOOKS}`);
    expect(asciiAddress('*@*.b\u00fccher.example')).to.equal(`*@*.${BOOKS}`);
    expect(asciiAddress('j\u00fcrgen')).to.equal('j\u00fcrgen');
  });

  it('D-CORE-41 refuses what has no A-labels, and never takes a part for the whole', () => {
    const wrong = [
      'b\u00fccher..example',
      '.b\u00fccher.example',
      'b\u00fccher.example.',
      'b\u00fccher.example/x',
      'b\u00fccher.example:25',
      'b\u00fccher.example?x',
      'b\u00fccher.example#x',
      'x@b\u00fccher.example',
      'b\u00fccher.example\\x',
      'b%75\u00fccher.example',
      'b\u00fc cher.example',
      '\uff11\uff12\uff17.0.0.1',
      'b\u00fccher.example\uff0fx',
      '\u200dx.example',
      '\u05d0a.example',
      '\ud800.example',
      `${'\u00fc'.repeat(64)}.example`,
    ];
    for (const name of wrong) expect(asciiDomain(name), JSON.stringify(name)).to.equal(undefined);
    expect(asciiAddress('fred@b\u00fccher..example')).to.equal(undefined);
  });

  it('D-CORE-41 holds for every name in a configuration', () => {
    const config = parseConfig({
      domains: ['b\u00fccher.example'],
      listen: [{ port: 0 }],
      store: { type: 'memory' },
      sasl: { serverNames: ['relay.b\u00fccher.example'] },
      mesh: {
        routes: [
          {
            domain: '*.m\u00fcnchen.example',
            relays: ['tcp://relay.m\u00fcnchen.example:10913', 'wss://m\u00fcnchen.example'],
          },
        ],
        trusted: ['imxp=mesh@m\u00fcnchen.example', 'm\u00fcnchen.example'],
      },
      policy: {
        relays: { 'm\u00fcnchen.example': ['K\u00d6LN.example'] },
        attach: { 'fred@b\u00fccher.example': ['imxp=shop@b\u00fccher.example'] },
        originators: { 'fred@b\u00fccher.example': ['wilma@m\u00fcnchen.example'] },
      },
      access: { initial: [{ actor: '*@m\u00fcnchen.example', actions: ['core:data'] }] },
      presence: { follow: ['*@b\u00fccher.example'] },
    });
    expect(JSON.stringify(config)).to.match(/^[\0-\x7f]*$/);
    expect(config.domains).to.deep.equal([BOOKS]);
    expect(config.mesh.routes[0]?.domain).to.equal('*.xn--mnchen-3ya.example');
    expect(config.mesh.routes[0]?.relays?.map(({ host }) => host)).to.deep.equal([
      'relay.xn--mnchen-3ya.example',
      'xn--mnchen-3ya.example',
    ]);
    expect(config.policy.relays).to.deep.equal({ 'xn--mnchen-3ya.example': ['xn--kln-sna.example'] });
    expect(config.presence.follow).to.deep.equal([`*@${BOOKS}`]);
  });

  it('D-CORE-41 names the place of a domain that has no A-labels', () => {
    const config = { domains: ['b\u00fccher..example'], listen: [{ port: 0 }], store: { type: 'memory' } };
    expect(() => parseConfig(config)).to.throw('domains[0]: "b\u00fccher..example" is not a domain name');
    expect(() => parseConfig({ ...config, domains: ['b\u00fccher\u200d.example'] })).to.throw(
      /domains\[0\]: ".*" is not a domain name/,
    );
  });

  it('lets editors accept U-labels, too', () => {
    const { properties } = configurationJsonSchema();
    const items = properties?.['domains']?.items as { readonly pattern?: string };
    expect(new RegExp(items.pattern ?? '^$', 'u').test('b\u00fccher.example')).to.equal(true);
    expect(new RegExp(items.pattern ?? '', 'u').test('b\u00fccher example')).to.equal(false);
  });

  it('D-CORE-41 percent-encodes no host in a URL', () => {
    expect(parseRelayUrl('tcp://b\u00fccher.example:1')).to.deep.include({ host: BOOKS, url: `tcp://${BOOKS}:1` });
    expect(parseRelayUrl('wss://b\u00fccher.example/a')).to.deep.include({ host: BOOKS });
    for (const url of ['tcp://b%C3%BCcher.example:1', 'tcp://b\u00fccher..example:1', 'tcp://a%41:1', 'wss://a%41/x']) {
      expect(() => parseRelayUrl(url), url).to.throw(/host/);
    }
  });
});
