import { expect } from 'chai';
import { type Address, addressOf } from '../../lib/imxp/address.js';
import { type Identity, NOBODY } from '../../lib/imxp/identity.js';
import { Policy, type PolicyRules, STRICT_POLICY } from '../../lib/relay/policy.js';

const proof = { mechanism: 'DIGEST-MD5', privacy: true };
const fred: Identity = { kind: 'endpoint', address: 'fred@example.com', proof };
const rubble: Identity = { kind: 'relay', domains: ['Rubble.com'], proof };

function named(address: string): Address {
  const name = addressOf(address);
  if (name === undefined) throw new Error(`${address} is no address`);
  return name;
}

const policy = (rules: Partial<PolicyRules> = {}) => new Policy({ ...STRICT_POLICY, ...rules });

describe('relay/policy', () => {
  const attach = (identity: Identity, address: string, rules?: Partial<PolicyRules>, privacy = true) =>
    policy(rules).mayAttach(identity, privacy, named(address))?.reply.code;

  it('REQ-IMXP-013 lets an identity attach as itself only', () => {
    expect(attach(fred, 'fred@example.com')).to.equal(undefined);
    expect(attach(fred, 'fred@EXAMPLE.com')).to.equal(undefined);
    expect(attach(fred, 'wilma@example.com')).to.equal(537);
    expect(attach(fred, 'Fred@example.com')).to.equal(537);
    expect(attach(rubble, 'fred@example.com')).to.equal(537);
  });

  it('REQ-IMXP-017 lets an identity attach as every subaddress of what it may attach as', () => {
    expect(attach(fred, 'fred/appl=im@example.com')).to.equal(undefined);
    expect(attach(fred, 'freda/appl=im@example.com')).to.equal(537);
    expect(
      attach(fred, 'wilma/appl=im@example.com', { attach: { 'fred@example.com': ['wilma@example.com'] } }),
    ).to.equal(undefined);
  });

  it('lets an account authorize as those that it may attach as or bind for anyway, and as no other', () => {
    const rules = policy({
      attach: { 'fred@example.com': ['wilma@example.com'], 'imxp=mesh@rubble.com': ['imxp=report@rubble.com'] },
      relays: { 'rubble.com': ['quarry.example'] },
    });
    expect(rules.mayActAs('fred@example.com', 'wilma@EXAMPLE.com')).to.equal(true);
    expect(rules.mayActAs('fred@example.com', 'wilma/appl=im@example.com')).to.equal(true);
    expect(rules.mayActAs('fred@example.com', 'barney@example.com')).to.equal(false);
    expect(rules.mayActAs('wilma@example.com', 'fred@example.com')).to.equal(false);
    expect(rules.mayActAs('imxp=mesh@rubble.com', 'imxp=mesh@Quarry.example')).to.equal(true);
    expect(rules.mayActAs('imxp=mesh@rubble.com', 'quarry.example')).to.equal(true);
    expect(rules.mayActAs('imxp=mesh@rubble.com', 'example.com')).to.equal(false);
    expect(rules.mayActAs('fred@example.com', 'imxp=mesh@example.com')).to.equal(false);
    expect(rules.mayActAs('fred@example.com', 'not an address@')).to.equal(false);
  });

  it('answers 530 to a peer that has not authenticated', () => {
    expect(attach(NOBODY, 'fred@example.com')).to.equal(530);
    expect(policy().mayBind(NOBODY, true, 'rubble.com')?.reply.code).to.equal(530);
  });

  it('lets an identity attach as what the configuration adds', () => {
    const rules = { attach: { 'fred@Example.com': ['wilma@example.com'] } };
    expect(attach(fred, 'wilma@example.com', rules)).to.equal(undefined);
    expect(attach(fred, 'barney@example.com', rules)).to.equal(537);
  });

  it('D-CORE-15 REQ-IMXP-001 reserves local parts that begin with imxp= for the configured services', () => {
    const service: Identity = { kind: 'endpoint', address: 'imxp=gate@example.com', proof };
    expect(attach(service, 'imxp=gate@example.com')).to.equal(537);
    const rules = { attach: { 'fred@example.com': ['imxp=gate@example.com'] } };
    expect(attach(fred, 'imxp=gate@example.com', rules)).to.equal(undefined);
    expect(attach(fred, 'imxp=other@example.com', rules)).to.equal(537);
  });

  it('REQ-IMXP-020 lets a relay bind for its own domain and for configured ones', () => {
    const bind = (domain: string, rules?: Partial<PolicyRules>) =>
      policy(rules).mayBind(rubble, true, domain)?.reply.code;
    expect(bind('rubble.com')).to.equal(undefined);
    expect(bind('slate.example')).to.equal(537);
    expect(bind('slate.example', { relays: { 'imxp=mesh@rubble.com': ['Slate.example'] } })).to.equal(undefined);
    expect(bind('slate.example', { relays: { 'rubble.com': ['slate.example'] } })).to.equal(undefined);
    expect(policy().mayBind(fred, true, 'example.com')?.reply.code).to.equal(537);
  });

  const originate = (identity: Identity, address: string, attached: string[] = [], rules?: Partial<PolicyRules>) =>
    policy(rules).mayOriginate(identity, true, named(address), { attached, bound: new Set() })?.reply.code;

  it('D-CORE-49 lets a program attached as a subaddress send for its account, where its identity may be that', () => {
    const sends = (identity: Identity, attached: string, originator: string, rules?: Partial<PolicyRules>) => {
      const names = { attached: [attached], bound: { has: () => false } };
      return policy(rules).mayOriginate(identity, true, named(originator), names)?.reply.code;
    };
    expect(sends(fred, 'fred/a@example.com', 'fred@example.com')).to.equal(undefined);
    expect(sends(fred, 'fred/a@example.com', 'fred/b@example.com')).to.equal(undefined);
    expect(sends(fred, 'fred/a@example.com', 'wilma@example.com')).to.equal(537);
    expect(sends(fred, 'wilma/a@example.com', 'wilma@example.com'), 'a right that was withdrawn').to.equal(537);
    const gives = { attach: { 'fred@example.com': ['wilma/a@example.com'] } };
    expect(sends(fred, 'wilma/a@example.com', 'wilma@example.com', gives), 'only a subaddress is given').to.equal(537);
    const nobody: Identity = {
      kind: 'endpoint',
      address: 'anonymous@example.com',
      proof: { ...proof, mechanism: 'ANONYMOUS' },
    };
    const [one, other] = ['a', 'b'].map((digit) => `anonymous/${digit.repeat(32)}@example.com`);
    expect(sends(nobody, one ?? '', other ?? '', { anonymous: true }), 'another stranger').to.equal(537);
  });

  it('REQ-IMXP-036 REQ-IMPP-043 lets an application send for what it is attached as, its subaddresses and configured originators', () => {
    const as = ['fred@example.com'];
    expect(originate(fred, 'fred@example.com')).to.equal(537);
    expect(originate(fred, 'fred@example.com', as)).to.equal(undefined);
    expect(originate(fred, 'fred/appl=im@example.com', as)).to.equal(undefined);
    expect(originate(fred, 'fred@example.com', ['fred/appl=im@example.com']), 'D-CORE-49').to.equal(undefined);
    expect(originate(fred, 'wilma@example.com', as)).to.equal(537);
    const rules = { originators: { 'fred@example.com': ['wilma@example.com'] } };
    expect(originate(fred, 'wilma@example.com', as, rules)).to.equal(undefined);
    expect(originate(NOBODY, 'fred@example.com')).to.equal(530);
  });

  it('REQ-IMXP-035 lets a relay send for its domain, for bound ones, and for any when it is trusted', () => {
    expect(originate(rubble, 'barney@rubble.com')).to.equal(undefined);
    expect(originate(rubble, 'pearl@slate.example')).to.equal(537);
    expect(originate(rubble, 'pearl@slate.example', [], { trusted: ['imxp=mesh@rubble.com'] })).to.equal(undefined);
    expect(originate(rubble, 'pearl@slate.example', [], { trusted: ['rubble.com'] })).to.equal(undefined);
    expect(originate(rubble, 'pearl@slate.example', [], { trusted: ['slate.example'] })).to.equal(537);
    const bound = policy().mayOriginate(rubble, true, named('pearl@slate.example'), {
      attached: [],
      bound: new Set(['slate.example']),
    });
    expect(bound).to.equal(undefined);
  });

  it('REQ-TLS-012 answers 538 where TLS is required and missing', () => {
    expect(attach(fred, 'fred@example.com', { requireTls: 'always' }, false)).to.equal(538);
    expect(attach(NOBODY, 'fred@example.com', { requireTls: 'always' }, false)).to.equal(538);
    expect(attach(fred, 'fred@example.com', { requireTls: 'mesh' }, false)).to.equal(undefined);
    const bind = (requireTls: PolicyRules['requireTls'], privacy: boolean) =>
      policy({ requireTls }).mayBind(rubble, privacy, 'rubble.com')?.reply.code;
    expect(bind('mesh', false)).to.equal(538);
    expect(bind('mesh', true)).to.equal(undefined);
    expect(bind('never', false)).to.equal(undefined);
  });

  it('tells the operator more than the peer', () => {
    const denial = policy().mayAttach(fred, true, named('wilma@example.com'));
    expect(denial?.reply.text).to.equal('not authorized to attach as this endpoint');
    expect(denial?.reason).to.contain('fred@example.com');
  });

  describe('with patterns', () => {
    const may = (...endpoints: string[]) => ({ attach: { 'fred@example.com': endpoints } });

    it('REQ-IMXP-013 reads *@domain in policy.attach as every endpoint of the domain, and as the domain as a whole', () => {
      const rules = may('*@slate.example');
      for (const name of ['joe@slate.example', 'joe/x=1@Slate.example', '*@slate.example']) {
        expect(attach(fred, name, rules), name).to.equal(undefined);
      }
      for (const name of ['imxp=presence@slate.example', 'joe@sub.slate.example', 'joe@example.com', '*@example.com']) {
        expect(attach(fred, name, rules), name).to.equal(537);
      }
    });

    it('reads imxp=*@domain as its services, and name/*@domain as the subaddresses of one', () => {
      expect(attach(fred, 'apex=presence@slate.example', may('imxp=*@slate.example'))).to.equal(undefined);
      expect(attach(fred, 'joe@slate.example', may('imxp=*@slate.example'))).to.equal(537);
      expect(attach(fred, 'joe/x=1@slate.example', may('joe/*@slate.example'))).to.equal(undefined);
      expect(attach(fred, 'joe@slate.example', may('joe/*@slate.example'))).to.equal(537);
    });

    it('takes a whole domain for nobody: neither a name with a quoted star nor an account of that name has it', () => {
      expect(attach(fred, '*@slate.example', may('"*"@slate.example'))).to.equal(537);
      expect(attach({ kind: 'endpoint', address: '*@slate.example', proof }, '*@slate.example')).to.equal(537);
      expect(policy(may('*@slate.example')).mayActAs('fred@example.com', '*@slate.example')).to.equal(false);
      expect(policy(may('*@slate.example')).mayActAs('fred@example.com', 'joe@slate.example')).to.equal(true);
    });

    it('REQ-IMXP-036 reads them in policy.originators, too', () => {
      const rules = { originators: { 'fred@example.com': ['*@slate.example'] } };
      expect(originate(fred, 'joe@slate.example', ['fred@example.com'], rules)).to.equal(undefined);
      expect(originate(fred, 'imxp=report@slate.example', ['fred@example.com'], rules)).to.equal(537);
    });

    it('lets who is attached for a domain send for those there that it could attach as', () => {
      const as = ['*@slate.example'];
      const rules = may('*@slate.example', 'imxp=presence@slate.example');
      expect(originate(fred, 'joe@slate.example', as, rules)).to.equal(undefined);
      expect(originate(fred, 'imxp=presence@slate.example', as, rules)).to.equal(undefined);
      expect(originate(fred, 'imxp=report@slate.example', as, rules)).to.equal(537);
      expect(originate(fred, 'joe@rubble.com', as, rules)).to.equal(537);
    });
  });
});
