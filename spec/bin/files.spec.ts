import { readdir, readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { extensionOf, safeName, typeOf } from '../../bin/support/file-type.js';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { type Finished, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const WILMA = 'wilma@example.com';

describe('types and names of files', () => {
  it('takes the type from the extension, and for text from the octets as well', () => {
    const cases: readonly (readonly [string, Buffer, string])[] = [
      ['photo.PNG', Buffer.of(0x89), 'image/png'],
      ['notes.txt', Buffer.from('ä'), 'text/plain; charset=UTF-8'],
      ['notes.txt', Buffer.of(0xff), 'application/octet-stream'],
      ['list.csv', Buffer.from('a,b'), 'text/csv; charset=UTF-8'],
      ['data.json', Buffer.from('{}'), 'application/json'],
      ['no extension', Buffer.from('text'), 'text/plain; charset=UTF-8'],
    ];
    for (const [file, octets, type] of cases) expect(typeOf(file, octets, undefined).type, file).to.equal(type);
    expect(typeOf('photo.png', Buffer.of(1), 'image/webp').type).to.equal('image/webp');
  });

  it('sends the name without its directory, and names beyond ASCII by RFC 2231', () => {
    const header = (file: string): unknown => typeOf(file, Buffer.of(1), undefined).headers[0]?.value;
    expect(header('/home/fred/a "b".png')).to.equal('attachment; filename="a \\"b\\".png"');
    expect(header('Größe.png')).to.equal(`attachment; filename="Gr__e.png"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.png`);
    for (const name of ['a "b".png', 'Größe.png', "it's (1)*.txt"]) {
      expect(safeName(String(header(name)))).to.equal(name.replace(/[^\p{L}\p{N}._-]/gu, '_'));
    }
  });

  it('makes of any name one that is safe here', () => {
    const cases: readonly (readonly [string, string | undefined])[] = [
      ['attachment; filename="../../etc/passwd"', 'passwd'],
      ['attachment; filename="C:\\\\Windows\\\\evil.exe"', 'evil.exe'],
      ['attachment; filename=".ssh"', 'ssh'],
      ['attachment; filename=".."', undefined],
      ['attachment; filename="-rf"', 'rf'],
      ['attachment; filename="a\u0000b\u001b[31m.txt"', 'a_b__31m.txt'],
      ["attachment; filename*=UTF-8''%2e%2e%2fx.txt", 'x.txt'],
      ['attachment; filename="plain.txt"; filename*=UTF-8\'\'%ff', 'plain.txt'],
      [`attachment; filename="${'long'.repeat(100)}.tar"`, `${'long'.repeat(24)}.tar`],
      ['attachment', undefined],
    ];
    for (const [value, name] of cases) expect(safeName(value), value).to.equal(name);
    expect(safeName(undefined)).to.equal(undefined);
  });

  it('knows the extensions of types', () => {
    const types = ['image/jpeg', 'text/plain; charset=UTF-8', 'application/octet-stream', 'x-y/z'];
    expect(types.map(extensionOf)).to.deep.equal(['.jpg', '.txt', '.bin', '.bin']);
  });
});

describe('imxp send and listen with files, lines and absent recipients', function () {
  this.timeout(120_000);
  this.slow(10_000);
  let mesh: LocalMesh;
  let workshop: Workshop;

  before(async () => {
    mesh = await LocalMesh.start();
    workshop = await Workshop.open();
    await workshop.file('fred', `${passwordOf(FRED)}\n`);
    await workshop.file('barney', `${passwordOf(BARNEY)}\n`);
  });

  afterEach(() => mesh.leave());

  after(async () => {
    await mesh.close();
    await workshop.close();
  });

  const send = (args: readonly string[], input = ''): Promise<Finished> =>
    workshop.run(['send', ...args, '--from', FRED, '--relay', mesh.url('example.com'), '--password-file', 'fred'], {
      input,
    });

  it('keeps the name of a file, safely', async () => {
    const options = [
      '--relay',
      mesh.url('rubble.com'),
      '--password-file',
      'barney',
      '--output',
      'inbox',
      '--count',
      '2',
    ];
    const listening = workshop.command(['listen', BARNEY, '--json', ...options]);
    await listening.seen((output) => (output.includes('attached as') ? true : undefined), 'attached');
    const photo = await workshop.file('Größe 1.png', Buffer.of(1, 2, 3));
    expect((await send([BARNEY, '--file', photo])).code).to.equal(0);
    expect((await send(['--to', BARNEY, photo])).code).to.equal(0);
    const { stdout } = await listening.finished();
    const [first] = stdout.toString().split('\n');
    expect(JSON.parse(first ?? '')).to.include({ name: 'Größe_1.png', type: 'image/png' });
    const names = await readdir(workshop.path('inbox'));
    expect(names.sort()).to.deep.equal([`0001-${FRED}-Größe_1.png`, `0002-${FRED}-Größe_1.png`]);
    expect(await readFile(workshop.path(`inbox/${names[0]}`))).to.deep.equal(Buffer.of(1, 2, 3));
  });

  it('--lines sends a message for each line, in order', async () => {
    const heard: string[] = [];
    const barney = await mesh.attach(BARNEY);
    barney.receive((delivery) => {
      heard.push(delivery.text());
      if (delivery.text() === 'stop') delivery.refuse({ code: 550, text: 'enough' });
    });
    expect((await send([BARNEY, '--lines'], 'one\ntwo\r\nthree')).code).to.equal(0);
    expect(heard).to.deep.equal(['one', 'two', 'three']);
    const stopped = await send([BARNEY, '--lines'], 'four\nstop\nfive\n');
    expect([stopped.code, stopped.stderr.toString()]).to.satisfy(([code, text]: [number, string]) => {
      return code === 1 && text.includes('550 enough');
    });
    expect(heard.slice(3)).to.deep.equal(['four', 'stop']);
    expect((await send([BARNEY, '--lines', '--file', 'no-such-file'])).code).to.equal(64);
  });

  it('says whether a message was delivered or is held', async () => {
    await mesh.attach(BARNEY).then((barney) => barney.receive(() => {}));
    const both = await send(['--to', BARNEY, '--to', WILMA, '--hold'], 'Yabba');
    expect([both.code, both.stderr.toString()]).to.deep.equal([0, '']);
    expect(both.stdout.toString()).to.equal(`${BARNEY}  250  delivered\n${WILMA}  250  held until they attach\n`);
    const { results } = JSON.parse((await send([WILMA, 'again', '--hold', '--json'])).stdout.toString());
    expect(results[0]).to.include({ to: WILMA, accepted: true, held: true });
  });

  it('refuses arguments that contradict each other', async () => {
    for (const wrong of [
      [],
      ['--to', BARNEY, 'a', 'b'],
      [BARNEY, 'text', '--file', 'fred'],
      [BARNEY, 'x', '--lines'],
    ]) {
      const { code, stderr } = await send(wrong);
      expect(code, `${wrong.join(' ')} ${stderr}`).to.equal(64);
    }
  });
});
