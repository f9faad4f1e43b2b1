import { expect } from 'chai';
import { type Row, type RowProblem, RowReader } from '../../../bin/support/accounts/rows.js';

const HASH = '0123456789abcdef0123456789abcdef';
const SALT = Buffer.alloc(16, 1).toString('base64');
const KEY = Buffer.alloc(32, 2).toString('base64');
const SCRAM = `SCRAM-SHA-256$4096:${SALT}$${KEY}:${KEY}`;
const SECRET = { salt: SALT, iterations: 4096, storedKey: KEY, serverKey: KEY };
const digest = (username: string, ...hashes: string[]) => ({ username, realm: 'example.com', hashes });

function readRows(text: string): { rows: Row[]; problems: RowProblem[] } {
  const rows: Row[] = [];
  const problems: RowProblem[] = [];
  for (const read of new RowReader().read(text, true)) {
    if ('message' in read) problems.push(read);
    else rows.push(read);
  }
  return { rows, problems };
}

const problemsOf = (text: string): string[] => readRows(text).problems.map(({ line, message }) => `${line} ${message}`);

describe('rows of accounts', () => {
  it('are CSV without a header: address, and password or verifier', () => {
    const text = `fred@example.com,yabba\nbarney@example.com,"${SCRAM}"\nwilma@example.com,wilma:example.com:${HASH}\n`;
    expect(readRows(text)).to.deep.equal({
      rows: [
        { line: 1, address: 'fred@example.com', digests: [], password: 'yabba' },
        { line: 2, address: 'barney@example.com', digests: [], scram: SECRET },
        { line: 3, address: 'wilma@example.com', digests: [digest('wilma', HASH)] },
      ],
      problems: [],
    });
  });

  it('are CSV with a header, in any order and with other names', () => {
    const text = 'Password,JID,disabled,data per second\nyabba,fred@example.com,on leave,5\n,barney@example.com,no,\n';
    const { rows, problems } = readRows(text);
    const [fred] = rows;
    expect(fred).to.deep.include({
      line: 2,
      address: 'fred@example.com',
      password: 'yabba',
      quota: { dataPerSecond: 5 },
    });
    expect(fred?.disabled?.reason).to.equal('on leave');
    expect(problems).to.deep.equal([{ line: 3, message: 'has neither password nor verifier' }]);
  });

  it('are CSV as spreadsheets write it: with semicolons or tabs, and a first line that says which', () => {
    const expected = [
      ['fred@example.com', 'ya,bba'],
      ['wilma@example.com', 'da;bba'],
    ];
    for (const text of [
      'address;password\r\nfred@example.com;ya,bba\r\nwilma@example.com;"da;bba"\r\n',
      'Address\tPassword\nfred@example.com\tya,bba\nwilma@example.com\tda;bba\n',
      'sep=;\naddress;password\nfred@example.com;ya,bba\nwilma@example.com;"da;bba"\n',
      'sep=;\nfred@example.com;ya,bba\nwilma@example.com;"da;bba"\n',
    ]) {
      const { rows, problems } = readRows(text);
      expect(problems, text).to.deep.equal([]);
      expect(rows.map(({ address, password }) => [address, password])).to.deep.equal(expected);
    }
    expect(problemsOf('sep=;\naddress;password\nfred;x;y\n'), 'lines keep their numbers').to.deep.equal([
      '3 has 3 fields instead of 2; quote values that contain a comma',
    ]);
    expect(readRows('fred@example.com,a;b\n').rows[0]?.password, 'a semicolon in a password').to.equal('a;b');
  });

  it('are of htdigest though a realm has a comma, lines are empty, and one user is in several realms', () => {
    const text = `\r\nfred:Quarry, Rubble:${HASH}\r\n\r\nfred:example.com:${HASH.toUpperCase()} \r\nfred:rubble.com:${HASH}`;
    const { rows, problems } = readRows(text);
    // Whether there can be an account of that name is not for the reader to say.
    expect(rows.map(({ line, address }) => `${line} ${address}`)).to.deep.equal([
      '2 fred@Quarry, Rubble',
      '4 fred@example.com',
      '5 fred@rubble.com',
    ]);
    expect(problems).to.deep.equal([]);
  });

  it('are never those of htpasswd, whose hashes are of no use, and every line says so', () => {
    for (const hash of ['$apr1$x/1$abcdefgh', '$2y$05$abcdefgh', '{SHA}abc=', 'rqXexS6ZhobKA']) {
      expect(problemsOf(`# users\nfred:${hash}\nwilma:${hash}\n`), hash).to.have.length(2);
      expect(problemsOf(`fred:${hash}\n`)[0]).to.match(/^1 is of htpasswd, whose hashes are of no use here/);
    }
  });

  it('are JSON lines, as export writes them', () => {
    const line = {
      account: 'fred@example.com',
      digestMd5: [`fred:example.com:${HASH}`, `fred:example.com:${HASH.toUpperCase()}`],
      scramSha256: SCRAM,
      created: '2001-02-03T04:05:06.000Z',
      disabled: { since: '2001-02-04T00:00:00.000Z', reason: '' },
      quota: { attachments: 2 },
      lastAttached: { at: '2001-02-03T05:00:00.000Z', from: '192.0.2.1' },
    };
    const { disabled, quota, lastAttached, created } = line;
    expect(readRows(`${JSON.stringify(line)}\n`).rows).to.deep.equal([
      {
        line: 1,
        address: 'fred@example.com',
        digests: [digest('fred', HASH, HASH)],
        scram: SECRET,
        ...{ created, disabled, quota, lastAttached },
      },
    ]);
  });

  it('are an htdigest file, whose realm is the domain where the name has none', () => {
    const text = `# people\nfred:example.com:${HASH}\nbarney@rubble.com:example.com:${HASH}\n`;
    expect(readRows(text).rows.map(({ line, address }) => [line, address])).to.deep.equal([
      [2, 'fred@example.com'],
      [3, 'barney@rubble.com'],
    ]);
  });

  it('keep the spaces of passwords, and lose those around other values (RFC 4180)', () => {
    const { rows } = readRows('address, password \n fred@example.com , yabba dabba \n');
    expect(rows[0]).to.include({ address: 'fred@example.com', password: ' yabba dabba ' });
  });

  it('may end with CR alone, and begin with a byte order mark', () => {
    const json = ['a', 'b'].map((name) => JSON.stringify({ address: `${name}@example.com`, password: 'x' })).join('\r');
    expect(readRows(`\uFEFF${json}`).rows.map(({ line }) => line)).to.deep.equal([1, 2]);
    expect(readRows('\uFEFFaddress,password\ra@example.com,x\rb@example.com,y').rows).to.have.length(2);
  });

  it('report what is wrong with each line, without the password', () => {
    const csv = 'address,password,verifier,created,quota\na@example.com,x,,yesterday,\nb@example.com,x,y,z,1,2\n"c\n';
    expect(problemsOf(csv)).to.deep.equal([
      '2 has a created that is not a time such as 2001-02-03T04:05:06Z',
      '3 has 6 fields instead of 5; quote values that contain a comma',
      '4 a quote is missing or too many; a field with a quote is written "say ""hello"""',
    ]);
    const json = [
      '{"address":"a@example.com","password":"x","pasword":"y"}',
      '{"address":"a@example.com","password":"x","scramSha256":"SCRAM-SHA-1$4096:a$b:c"}',
      `{"address":"a@example.com","password":"secret","digestMd5":"a:example.com:${HASH}"}`,
      '{"address":7,"password":"x"}',
      '{"password":"x"}',
      '{"address":"a@example.com","password":"x","quota":{"speed":1}}',
      '{"address":"a@example.com","password":"x","quota":{"attachments":-1}}',
      '["a@example.com"]',
      '{"address":',
      `{"address":"a@example.com","password":"a:example.com:${HASH}"}`,
    ].join('\n');
    const said = problemsOf(json);
    expect(said).to.have.length(10);
    expect(said[0]).to.include('unknown field "pasword"');
    expect(said[1]).to.include('only SCRAM-SHA-256 is accepted');
    expect(said[2]).to.equal('3 has a password and a verifier; one of them is enough');
    expect(said[4]).to.equal('5 has no address');
    expect(said[6]).to.include('attachments that is not a whole number');
    expect(said[9]).to.include('has a verifier where a password belongs');
    expect(said[8]).to.equal('9 is not JSON; each line is an object of its own');
  });

  it('are the same whatever the pieces are in which the text comes', () => {
    const hashed = (name: string): string => `${name}:example.com:${HASH}`;
    for (const text of [
      'fred@example.com,yabba\r\nbarney@example.com,"a\r\nb"\r\n,\r\n"c',
      '\uFEFF\r\n# people\r\naddress;password\r\nfred@example.com;x\r\nbarney;y;z\r\n',
      'sep=;\r\naddress;password\r\nfred@example.com;x\r\n',
      `# users\r\n\r\n${hashed('fred')}\r\n${hashed('barney')} \r\n${hashed('')}`,
      '{"address":"fred@example.com","password":"x"}\r\r{"address":7}\r\n\n{',
      'fred:$apr1$x/1$abcdefgh\nwilma:{SHA}abc=\n',
      '',
    ]) {
      const whole = [...new RowReader().read(text, true)];
      for (const length of [1, 2, 3, 7]) {
        const reader = new RowReader();
        const pieces = text.match(new RegExp(`[^]{1,${length}}`, 'g')) ?? [];
        const read = [...pieces.flatMap((piece) => [...reader.read(piece, false)]), ...reader.read('', true)];
        expect(read, `${JSON.stringify(text)} in pieces of ${length}`).to.deep.equal(whole);
      }
    }
  });

  it('end with a line that is longer than any account, of which nothing is kept', () => {
    const reader = new RowReader();
    const piece = 'x'.repeat(65_536);
    const read = [...reader.read('{"address":"fred@example.com","password":"x"}\n', false)];
    for (let count = 0; count < 100; count += 1) read.push(...reader.read(piece, false));
    expect(read).to.have.length(2);
    expect(read[1]).to.deep.equal({ line: 2, message: 'is longer than any account; what follows was not read' });
  });
});
