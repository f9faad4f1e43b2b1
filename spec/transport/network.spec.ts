import { expect } from 'chai';
import { hostPrefix, networkOf, plainAddress } from '../../lib/transport/network.js';

describe('transport/network', () => {
  it('treats IPv4 addresses mapped into IPv6 as IPv4', () => {
    expect(plainAddress('::ffff:192.0.2.1')).to.equal('192.0.2.1');
    expect(plainAddress('2001:db8::1')).to.equal('2001:db8::1');
  });

  it('takes an IPv4 address, or the /64 of an IPv6 address, for one host', () => {
    expect(hostPrefix('192.0.2.1')).to.equal('192.0.2.1');
    const host = hostPrefix('2001:0DB8:0:2::1');
    for (const same of ['2001:db8:0:2:ffff:1:2:3', '2001:db8::2:0:0:0:9', 'fe80::1%eth0'].slice(0, 2)) {
      expect(hostPrefix(same), same).to.equal(host);
    }
    expect(hostPrefix('2001:db8:0:3::1')).to.not.equal(host);
    expect(hostPrefix('::1')).to.equal(hostPrefix('0:0:0:0:0:0:0:2'));
    expect(hostPrefix('fe80::1%eth0')).to.equal(hostPrefix('fe80::2'));
  });

  it('takes the /24 or the /48 for one network', () => {
    expect(networkOf('192.0.2.1')).to.equal(networkOf('192.0.2.254'));
    expect(networkOf('192.0.2.1')).to.not.equal(networkOf('192.0.3.1'));
    expect(networkOf('2001:db8:7:1::1')).to.equal(networkOf('2001:db8:7:ffff::2'));
    expect(networkOf('2001:db8:7::1')).to.not.equal(networkOf('2001:db8:8::1'));
    expect(networkOf('somewhere')).to.equal('somewhere');
  });
});
