import { expect } from 'chai';
import { examineOptions, OptionRegistry, onward } from '../../lib/relay/options.js';
import { option } from '../support/fake-dialect.js';

describe('relay/options', () => {
  const registry = new OptionRegistry();
  registry.add('statusRequest', ['data', 'recipient']);

  it('D-CORE-25 REQ-IMXP-040 refuses an unknown option that applies and must be understood', () => {
    const strict = option({ internal: 'novel', targetHop: 'all', seeNoEvil: false });
    expect(examineOptions([strict], 'data', false, registry)).to.deep.equal({
      code: 504,
      text: 'option not understood: novel',
    });
  });

  it('accepts an unknown option that may be ignored', () => {
    expect(examineOptions([option({ targetHop: 'all' })], 'data', true, registry)).to.equal(undefined);
  });

  it('accepts an understood option only in its place', () => {
    const strict = option({ internal: 'statusRequest', targetHop: 'all', seeNoEvil: false });
    expect(examineOptions([strict], 'recipient', false, registry)).to.equal(undefined);
    expect(examineOptions([strict], 'attach', false, registry)?.code).to.equal(504);
  });

  it('REQ-IMXP-038 applies `final` only when delivering directly, `this` and `all` always', () => {
    const hops = (direct: boolean) =>
      (['this', 'final', 'all'] as const).filter(
        (targetHop) =>
          examineOptions([option({ targetHop, seeNoEvil: false })], 'data', direct, registry) !== undefined,
      );
    expect(hops(false)).to.deep.equal(['this', 'all']);
    expect(hops(true)).to.deep.equal(['this', 'final', 'all']);
  });

  it('ignores the targetHop in attach and bind', () => {
    const strict = option({ targetHop: 'final', seeNoEvil: false });
    expect(examineOptions([strict], 'attach', false, registry)?.code).to.equal(504);
    expect(examineOptions([strict], 'bind', false, registry)?.code).to.equal(504);
  });

  it('names an external option by its URI, and shortens a long name', () => {
    const strict = option({ external: `http://example.com/${'x'.repeat(500)}`, seeNoEvil: false });
    const reply = examineOptions([{ ...strict, internal: undefined }], 'data', true, registry);
    expect(reply?.text)
      .to.match(/^option not understood: http:\/\/example\.com\/x+$/)
      .and.have.length.below(120);
  });

  it('REQ-IMXP-038 removes only `this` options toward the next relay', () => {
    const options = (['this', 'final', 'all'] as const).map((targetHop) => option({ targetHop }));
    expect(onward(options).map(({ targetHop }) => targetHop)).to.deep.equal(['final', 'all']);
  });

  it('returns the same array when nothing is removed', () => {
    const options = [option({ targetHop: 'all' })];
    expect(onward(options)).to.equal(options);
  });
});
