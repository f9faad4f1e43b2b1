import { expect } from 'chai';
import { CommandError, EXIT } from '../../bin/support/exit.js';
import { hintFor, isUnknownCa, probeHint } from '../../bin/support/hints.js';
import { attachRefused } from '../../lib/endpoint/connection.js';
import { ERROR_CODES, LocalError, RefusedError, RemoteProtocolError, TransportError } from '../../lib/errors.js';
import { unacceptableTls } from '../../lib/transport/tls/secured-stream.js';

describe('the hints of commands', () => {
  it('name a subaddress and the other program for 554', () => {
    const hint = hintFor(attachRefused('fred/appl=chat@example.com', { code: 554, text: 'attached already' }));
    expect(hint).to.contain('fred/laptop@example.com').and.contain('end the other program').and.contain('--override');
  });

  it('say who decides about an attach, and where that is shown', () => {
    const hint = hintFor(attachRefused('fred@example.com', { code: 537, text: 'not authorized' }));
    expect(hint).to.contain('imxp check --identity fred@example.com');
    expect(hintFor(new RefusedError('REFUSED', { code: 537, text: 'no' }))).to.contain('imxp access allow');
  });

  it('doubt the password when it was refused, and not when no login is possible now', () => {
    const refused = (code: number) => hintFor(new RefusedError('SASL_REFUSED', { code, text: 'x' }));
    expect(refused(535)).to.contain('password');
    expect(refused(454)).to.equal('Try again later.');
  });

  it('name --ca for a certificate of an unknown CA, and not for its other faults', () => {
    for (const reason of [
      'SELF_SIGNED_CERT_IN_CHAIN',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
    ]) {
      expect(hintFor(unacceptableTls(reason)), reason).to.contain('--ca FILE');
      expect(isUnknownCa(unacceptableTls(reason))).to.equal(true);
    }
    expect(hintFor(unacceptableTls('CERT_HAS_EXPIRED')))
      .to.contain('renew')
      .and.not.contain('--ca');
    expect(isUnknownCa(unacceptableTls('CERT_HAS_EXPIRED'))).to.equal(false);
    expect(hintFor(unacceptableTls("Host: a. is not in the cert's altnames"))).to.contain('same domain');
  });

  it('warn against sending again what may have been delivered', () => {
    const lost = new TransportError('CONNECTION_LOST', 'lost', { fields: { sent: true } });
    expect(hintFor(lost)).to.contain('before you send it again');
    expect(hintFor(new TransportError('CONNECTION_LOST', 'lost', { fields: { sent: false } }))).to.contain(
      'again later',
    );
  });

  it('do not offer to hold a probe', () => {
    expect(hintFor(new RefusedError('REFUSED', { code: 450, text: 'not attached' }))).to.contain('send --hold');
    expect(probeHint({ code: 450 }))
      .to.contain('attached')
      .and.not.contain('--hold');
    expect(probeHint({ code: 550 })).to.contain('Check the address');
  });

  it('exist for every refusal by a relay or service', () => {
    const codes = [421, 450, 451, 504, 530, 534, 535, 537, 538, 550, 553, 554, 555];
    for (const code of codes) {
      const hint = hintFor(new RefusedError('REFUSED', { code, text: '' }));
      expect(hint, String(code)).to.match(/^[A-Z].*\.$/);
    }
  });

  it('are complete sentences for every error code', () => {
    for (const code of Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[]) {
      const hint = hintFor(new RemoteProtocolError(code, ''));
      if (hint !== undefined) expect(hint, code).to.match(/^(?:[A-Z]|--).*\.$/);
    }
    // The message names the process that uses it.
    expect(hintFor(new LocalError('STORE_FAILED', '', { fields: { pid: 1 } }))).to.equal(undefined);
    expect(hintFor(new LocalError('STORE_FAILED', '', { fields: { full: true } }))).to.equal(
      'Make room on the device.',
    );
    for (const code of ['CONNECT_FAILED', 'SASL_REFUSED', 'NO_RELAY', 'BEEP_HEADER_INVALID', 'STORE_FAILED'] as const) {
      expect(hintFor(new RemoteProtocolError(code, '')), code).to.be.a('string');
    }
  });

  it('of a command come before those of the cause', () => {
    const cause = new TransportError('CONNECT_FAILED', '');
    expect(hintFor(new CommandError(EXIT.FAILED, 'x', { cause, hint: 'Do it.' }))).to.equal('Do it.');
    expect(hintFor(new CommandError(EXIT.FAILED, 'x', { cause }))).to.contain('relay is running');
  });

  it('for files consider the cause', () => {
    const error = Object.assign(new Error('ENOENT'), { code: 'ENOENT', syscall: 'open', path: 'x' });
    expect(hintFor(error)).to.equal('Check the path.');
    expect(hintFor(Object.assign(error, { code: 'EACCES' }))).to.contain('permissions');
  });
});
