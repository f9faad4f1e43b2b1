import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { PageFiles } from '../../../lib/transport/web/page-files.js';

const TEXT = 'let lanes = 12;\n'.repeat(100);
const FILES = new Map([
  ['', { type: 'text/html; charset=utf-8', body: Buffer.from('<!doctype html>') }],
  ['app.js', { type: 'text/javascript; charset=utf-8', body: Buffer.from(TEXT) }],
]);

describe('transport/web/page-files', () => {
  const page = new PageFiles('/chat', FILES);

  it('serves the page and its files below its path, and nothing else', () => {
    expect(page.path).to.equal('/chat/');
    expect(page.answer('GET', '/chat/', {})?.body.toString()).to.equal('<!doctype html>');
    expect(page.answer('GET', '/chat/app.js', {})?.body.toString()).to.equal(TEXT);
    for (const path of ['/', '/chatter', '/chat/app.css', '/chat//app.js', '/chat/../chat/', '/app.js', '*', '']) {
      expect(page.answer('GET', path, {}), path).to.equal(undefined);
    }
  });

  it('sends browsers to the slash, so that names in the page are below it', () => {
    expect(page.answer('GET', '/chat', {})).to.deep.include({ status: 308 });
    expect(page.answer('GET', '/chat', {})?.headers['Location']).to.equal('/chat/');
    expect(new PageFiles('/', FILES).answer('GET', '/', {})?.status).to.equal(200);
  });

  it('confines the page to what it brings itself', () => {
    for (const path of ['/chat/', '/chat/app.js']) {
      const headers = page.answer('GET', path, {})?.headers ?? {};
      const policy = String(headers['Content-Security-Policy']).split('; ');
      expect(policy).to.include.members(["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]);
      expect(policy.join()).to.not.match(/unsafe|https?:|\*/);
      expect(headers).to.include({ 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer' });
    }
  });

  it('compresses for those who accept it', () => {
    const packed = (accept: string) => page.answer('GET', '/chat/app.js', { 'accept-encoding': accept });
    for (const accept of ['gzip', 'br, gzip', 'deflate,GZIP;q=0.5']) {
      const answer = packed(accept);
      expect(answer?.headers['Content-Encoding'], accept).to.equal('gzip');
      expect(answer?.headers['Content-Length']).to.equal(answer?.body.length);
      expect(gunzipSync(answer?.body ?? '').toString()).to.equal(TEXT);
    }
    for (const accept of ['', 'br', 'gzip;q=0', 'gzip; q=0.0, br', 'xgzip']) {
      expect(packed(accept)?.headers, accept).to.not.have.property('Content-Encoding');
      expect(packed(accept)?.body.toString()).to.equal(TEXT);
    }
  });

  it('answers HEAD without a body, an unchanged file without sending it again, and refuses to be written to', () => {
    const head = page.answer('HEAD', '/chat/app.js', {});
    expect(head?.body.length).to.equal(0);
    expect(head?.headers['Content-Length']).to.equal(Buffer.byteLength(TEXT));
    const tag = String(head?.headers['ETag']);
    expect(page.answer('GET', '/chat/app.js', { 'if-none-match': tag })).to.deep.include({ status: 304 });
    expect(page.answer('GET', '/chat/', { 'if-none-match': tag })?.status).to.equal(200);
    for (const method of ['POST', 'PUT', 'DELETE', undefined]) {
      expect(page.answer(method, '/chat/', {})).to.deep.include({ status: 405 });
    }
  });
});
