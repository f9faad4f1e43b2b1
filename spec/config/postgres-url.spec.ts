import { expect } from 'chai';
import { isOnThisMachine, parsePostgresUrl } from '../../lib/config/postgres-url.js';
import { LocalError } from '../../lib/errors.js';

function flawOf(text: string): string {
  try {
    parsePostgresUrl(text);
  } catch (error) {
    expect(error).to.be.instanceOf(LocalError).and.to.include({ code: 'ARGUMENT' });
    return String(error);
  }
  return 'none';
}

describe('URLs of PostgreSQL databases', () => {
  it('name several hosts, ports, a user, and a password with any characters', () => {
    expect(
      parsePostgresUrl(
        'postgresql://imxp:p%40ss%3a:x@db1.example.com,[2001:db8::1]:5433/mesh?target_session_attrs=read-write',
      ),
    ).to.deep.equal({
      hosts: [
        { host: 'db1.example.com', port: 5432 },
        { host: '2001:db8::1', port: 5433 },
      ],
      user: 'imxp',
      password: 'p@ss::x',
      database: 'mesh',
    });
  });

  it('name the directory of a Unix socket in either way', () => {
    const hosts = [{ host: '/run/postgresql', port: 5433 }];
    expect(parsePostgresUrl('postgres://imxp@%2Frun%2Fpostgresql:5433/imxp')).to.deep.include({ hosts });
    expect(parsePostgresUrl('postgres://imxp@/imxp?host=/run/postgresql&port=5433')).to.deep.include({ hosts });
  });

  it('are on this machine where all of their hosts are', () => {
    expect(isOnThisMachine(parsePostgresUrl('postgres://u@127.0.0.1,localhost,[::1]/d'))).to.equal(true);
    expect(isOnThisMachine(parsePostgresUrl('postgres://u@/d?host=/run/postgresql'))).to.equal(true);
    expect(isOnThisMachine(parsePostgresUrl('postgres://u@localhost,db.example.com/d'))).to.equal(false);
  });

  it('are refused with a reason, and never quoted, because there may be a password in them', () => {
    const flaws: readonly [string, string][] = [
      ['mysql://u:secret7@h/d', 'not the URL of a PostgreSQL database'],
      ['postgres://h/d', 'names no user'],
      ['postgres://u:secret7@h/', 'names no database'],
      ['postgres://u:secret7@/d', 'names no host'],
      ['postgres://u:secret7@a,,b/d', 'names a host that is empty'],
      ['postgres://u:secret7@h:0/d', 'names a port that is none'],
      ['postgres://u:secret7@h:x/d', 'names a port that is none'],
      ['postgres://u:secret7%@h/d', 'two hexadecimal digits'],
      ['postgres://u:secret7@h/d?sslmode=require', 'use "tls"'],
      ['postgres://u:secret7@h/d?target_session_attrs=any', 'must be read-write'],
      ['postgres://u:secret7@h/d?connect_timeout=3', 'connect_timeout is not known'],
    ];
    for (const [text, flaw] of flaws) expect(flawOf(text), text).to.include(flaw).and.not.include('secret7');
  });
});
