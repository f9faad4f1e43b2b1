import { mkdir, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { SpoolEntry } from '../../lib/relay/offline/spool.js';
import { openStore } from '../../lib/store/open.js';
import { openSpool } from '../../lib/store/spool.js';
import { imxp } from '../support/cli.js';
import { postgresServer } from '../support/postgres.js';
import { temporaryDirectory } from '../support/temporary.js';

const HELD = 3;
const ENTRIES = 450;

describe('imxp store copy', function () {
  // On a busy machine; ten seconds otherwise.
  this.timeout(120_000);
  const server = postgresServer();
  const path = temporaryDirectory();

  it('moves everything to PostgreSQL and back, counted and compared, and never into a store that has something', async () => {
    const source = { type: 'lmdb', path: path('old') } as const;
    const store = await openStore(source);
    for (let index = 0; index < ENTRIES; index += 50) {
      await store.commit(
        Array.from({ length: 50 }, (_, at) => ({
          key: `k/${(index + at) % 7}/${index + at}`,
          value: { ü: index + at },
        })),
      );
    }
    const spool = await openSpool(source);
    const entries = Array.from({ length: HELD }, (_, seq): SpoolEntry => {
      return {
        address: 'fred@example.com',
        seq,
        octets: 3,
        at: 1000,
        due: 0,
        sender: 'w@example.com',
        generation: 'g',
      };
    });
    const payload = Buffer.from([0, 255, 10]);
    for (const entry of entries) {
      await new Promise((resolve) => spool.put(entry, { profile: 'p', payload }, resolve));
    }
    await spool.close();
    await store.close();
    await mkdir(path('etc'));
    const config = {
      domains: ['example.com'],
      listen: [{ port: 0 }],
      store: { type: 'postgres', url: server().url, path: path('copy'), schema: 'moved' },
    };
    await writeFile(path('etc', 'mesh.json'), JSON.stringify(config));
    const [lmdb, postgres] = [`lmdb:${path('old')}`, `postgres:${path('etc', 'mesh.json')}`];
    const there = await imxp(['store', 'copy', '--from', lmdb, '--to', postgres, '--json'], { cwd: path() });
    expect(there.stderr).to.include(`${ENTRIES} of ${ENTRIES} entries`);
    expect(JSON.parse(there.stdout)).to.deep.equal({ entries: ENTRIES, held: HELD });
    expect(await server().query('select count(*)::int as n from moved.held')).to.deep.equal([{ n: HELD }]);
    const again = await imxp(['store', 'copy', '--from', lmdb, '--to', postgres], { cwd: path() });
    expect(again.code).to.equal(69);
    expect(again.stderr).to.include('is not empty');
    const back = await imxp(['store', 'copy', '--from', postgres, '--to', `lmdb:${path('new')}`], { cwd: path() });
    expect(back.stdout).to.include(`${ENTRIES} entries and ${HELD} held messages`);
    const returned = await openSpool({ type: 'lmdb', path: path('new') });
    expect([...returned.entries()]).to.deep.equal(entries);
    expect(await returned.read(entries[1] as SpoolEntry)).to.deep.equal({ profile: 'p', payload });
    await returned.close();
  });
});
