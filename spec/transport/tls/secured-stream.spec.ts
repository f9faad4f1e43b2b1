import { expect } from 'chai';
import { unacceptableTls } from '../../../lib/transport/tls/secured-stream.js';

describe('the verdict on a certificate', () => {
  it('says in words what to do something about, with the code to search for', () => {
    expect(unacceptableTls('SELF_SIGNED_CERT_IN_CHAIN').message).to.equal(
      "the peer's certificate is not acceptable: signed by an authority that is not trusted here (SELF_SIGNED_CERT_IN_CHAIN)",
    );
    expect(unacceptableTls('CERT_HAS_EXPIRED').message).to.include('it has expired (CERT_HAS_EXPIRED)');
  });

  it('says what it has no words for as it came', () => {
    expect(unacceptableTls('names rubble.com only').message).to.match(/acceptable: names rubble.com only$/);
  });
});
