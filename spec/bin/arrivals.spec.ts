import { expect } from 'chai';
import { Arrivals } from '../../bin/support/arrivals.js';
import { LocalMesh } from '../support/local-mesh.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const LARGE = 8_388_608;

/** A terminal, and a way to wait for what is written to it. */
class Terminal {
  readonly columns = 80;
  readonly written: string[] = [];
  readonly isTTY: boolean;
  #heard: () => void = () => {};

  constructor(isTTY = true) {
    this.isTTY = isTTY;
  }

  write(text: string | Uint8Array): boolean {
    this.written.push(String(text));
    this.#heard();
    return true;
  }

  async line(match: RegExp): Promise<string> {
    for (;;) {
      const found = this.written.find((text) => match.test(text));
      if (found !== undefined) return found;
      const heard = new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
      await within(10_000, heard, `${match} of ${JSON.stringify(this.written)}`);
    }
  }
}

describe('bin/support/arrivals', function () {
  this.timeout(60_000);
  this.slow(5000);

  it('shows how much has arrived and how fast after a second, and gives way to what is written', async () => {
    const terminal = new Terminal();
    let arrived = 1_048_576;
    const arrivals = new Arrivals(() => arrived, terminal);
    try {
      expect(await terminal.line(/receiving/)).to.match(/receiving: 1\.0 MiB, .*\/s$/);
      arrivals.pause();
      expect(terminal.written.at(-1)).to.equal('\r\u001b[K');
      arrived = 3_145_728;
      await terminal.line(/receiving: 3\.0 MiB/);
      // The next message: its own second has to pass first.
      arrived = 5;
      const lines = terminal.written.length;
      await terminal.line(/receiving: 5 /);
      expect(terminal.written[lines]).to.equal('\r\u001b[K');
    } finally {
      arrivals.end();
    }
    expect(terminal.written.at(-1)).to.equal('\r\u001b[K');
  });

  it('writes nothing where there is no terminal', () => {
    const pipe = new Terminal(false);
    const arrivals = new Arrivals(() => 5, pipe);
    arrivals.pause();
    arrivals.end();
    expect(pipe.written).to.deep.equal([]);
  });

  it('has its number from the endpoint, whose large deliveries grow until they are whole', async () => {
    const mesh = await LocalMesh.start();
    try {
      const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
      const seen: number[] = [];
      const watching = setInterval(() => seen.push(barney.incompleteOctets), 0);
      barney.receive(() => {});
      try {
        await fred.send({ to: BARNEY, content: Buffer.alloc(LARGE, 1), type: 'application/octet-stream' });
      } finally {
        clearInterval(watching);
      }
      expect(Math.max(...seen))
        .to.be.above(0)
        .and.at.most(LARGE + 1000);
      expect(barney.incompleteOctets).to.equal(0);
    } finally {
      await mesh.close();
    }
  });
});
