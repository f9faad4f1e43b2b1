/**
 * The console: one page that shows how a node is, as `/status` tells it, every two seconds; with a token also its log, failed
 * logins, and traces.
 */
import { type ComponentChildren, render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { CertificateStatus, LinkStatus, NodeStatus } from '../../lib/ops/status.js';
import { kindOf, MeshMap } from './mesh-map.js';
import { fetchFrom, keepToken, type ShownNode, takeToken, tokenOf, wordsOf } from './node-client.js';
import { Operations, probeOf, TokenForm, type TraceWish } from './operations.js';
import { Plot } from './plot.js';
import { Samples } from './samples.js';
import { Table } from './table.js';

const LOOK_MS = 2000;
/** Certificates that end within so many days are marked. */
const SOON_DAYS = 30;

const PROOFS = { authority: 'a CA', dane: 'DANE', nothing: 'nothing' } as const;

const OWN: ShownNode = { url: '', name: 'this node' };

function Console() {
  const [nodes, setNodes] = useState<readonly ShownNode[]>([OWN]);
  const [node, setNode] = useState(OWN);
  useEffect(() => {
    const ask = async (): Promise<void> => {
      try {
        const { nodes: others }: { readonly nodes: readonly string[] } = await (await fetchFrom(OWN, '/nodes')).json();
        setNodes([OWN, ...others.map((url) => ({ url, name: new URL(url).host }))]);
      } catch {
        // The status says that the node does not answer.
      }
    };
    void ask();
  }, []);
  return (
    <main>
      {nodes.length === 1 ? null : (
        <nav aria-label="Nodes">
          {nodes.map((one) => (
            <button
              key={one.url}
              type="button"
              aria-current={one === node ? 'page' : undefined}
              onClick={() => setNode(one)}
            >
              {one.name}
            </button>
          ))}
        </nav>
      )}
      <NodeView key={node.url} node={node} />
    </main>
  );
}

/** One node, looked at every two seconds. */
function NodeView({ node }: { readonly node: ShownNode }) {
  const samples = useRef(new Samples());
  const [status, setStatus] = useState<NodeStatus | undefined>();
  const [trouble, setTrouble] = useState<string | undefined>();
  const [token, setToken] = useState(tokenOf(node));
  const [why, setWhy] = useState<string | undefined>();
  const [wish, setWish] = useState<TraceWish | undefined>();
  useEffect(() => {
    const look = async (): Promise<void> => {
      try {
        const next: NodeStatus = await (await fetchFrom(node, '/status')).json();
        samples.current.add(next, Date.now() / 1000);
        setStatus(next);
        setTrouble(undefined);
      } catch (error) {
        setTrouble(wordsOf(error));
      }
    };
    void look();
    const timer = setInterval(() => void look(), LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  const lost = (reason: string): void => {
    keepToken(node, undefined);
    setToken(undefined);
    setWhy(reason);
  };
  const trace =
    token === undefined
      ? undefined
      : (domain: string): void => setWish((last) => ({ to: probeOf(domain), number: (last?.number ?? 0) + 1 }));
  return (
    <>
      <div role="status">
        {trouble === undefined ? null : (
          <p class="trouble">The node does not answer: {trouble}. What is shown is from before.</p>
        )}
      </div>
      {status === undefined ? (
        <h1>imxp console</h1>
      ) : (
        <Overview status={status} samples={samples.current} trace={trace} />
      )}
      {token === undefined ? (
        <TokenForm node={node} why={why} given={() => setToken(tokenOf(node))} />
      ) : (
        <Operations node={node} trace={wish} lost={lost} />
      )}
    </>
  );
}

function Overview({
  status,
  samples,
  trace,
}: {
  readonly status: NodeStatus;
  readonly samples: Samples;
  readonly trace: ((domain: string) => void) | undefined;
}) {
  const { sessions, accounts, held, process } = status;
  return (
    <>
      <header>
        <h1>{status.domains.join(', ')}</h1>
        <span class={`state ${status.state === 'ready' && status.obstacle === undefined ? 'up' : 'down'}`}>
          {status.state}
        </span>
        {status.obstacle !== undefined && <p class="trouble">but {status.obstacle}</p>}
        <p>
          imxp {status.version}, up {duration(status.uptimeSeconds)}, {status.listening.join(', ')}
        </p>
      </header>
      <dl class="tiles">
        <Tile name="Sessions" value={sessions.listener + sessions.initiator}>
          {counted(sessions.endpoints, 'endpoint')}, {counted(sessions.relays, 'relay')}, {sessions.unauthenticated} not
          logged in
        </Tile>
        <Tile name="Attached" value={status.attachments}>
          {counted(status.bindings, 'domain')} bound
        </Tile>
        <Tile name="Accounts" value={accounts.total}>
          {accounts.disabled} disabled
        </Tile>
        <Tile name="Unanswered" value={status.outstanding}>
          {octets(sessions.unsentOctets)} queued
        </Tile>
        <Tile name="Held" value={held.data}>
          {held.data === 0 ? 'nothing waits' : `for ${held.endpoints}, oldest ${duration(held.oldestMs / 1000)}`}
        </Tile>
        <Tile name="Memory" value={octets(process.residentOctets)}>
          event loop {process.lagMs.p99.toFixed(1)} ms late (p99)
        </Tile>
      </dl>
      <Plot title="Messages per second" unit="/s" series={samples.series('perSecond')} />
      <Plot title="Time to the answer, 99th percentile" unit="ms" series={samples.series('p99')} />
      <MeshMap status={status} trace={trace} />
      <Certificates certificates={status.certificates} />
      <Links links={status.links} />
    </>
  );
}

function Tile({
  name,
  value,
  children,
}: {
  readonly name: string;
  readonly value: number | string;
  readonly children: ComponentChildren;
}) {
  return (
    <div class="panel tile">
      <dt>{name}</dt>
      <dd class="value">{value}</dd>
      <dd class="more">{children}</dd>
    </div>
  );
}

function Links({ links }: { readonly links: readonly LinkStatus[] }) {
  return (
    <section class="panel wide lines">
      <h2>Links</h2>
      <Table
        columns={['Neighbour', 'State', 'Unanswered', 'Waiting', 'Proven by', 'Last failure']}
        none="No links to other relays."
      >
        {links.map(({ name, state, outstanding, waiting, proof, failure }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td data-name="State">
              <span class={`state ${kindOf(state)}`}>{state}</span>
            </td>
            <td data-name="Unanswered">{outstanding}</td>
            <td data-name="Waiting">{waiting}</td>
            <td data-name="Proven by">{proof === undefined ? '' : (proof.record ?? PROOFS[proof.by])}</td>
            <td data-name="Last failure">
              {failure === undefined
                ? '–'
                : `${failure.reason}${failure.suspect === undefined ? '' : ` (${failure.suspect})`}, at ${clock(failure.at)}`}
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Certificates({ certificates }: { readonly certificates: readonly CertificateStatus[] }) {
  return (
    <section class="panel">
      <h2>Certificates</h2>
      <Table columns={['Name', 'Of', 'Days left']} none="None in use.">
        {certificates.map(({ holder, name, days }) => (
          <tr key={`${holder} ${name}`}>
            <th scope="row">{name}</th>
            <td>{HOLDERS[holder]}</td>
            <td class={days < SOON_DAYS ? 'soon' : ''}>{days < 0 ? 'ended' : days}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

const HOLDERS: Readonly<Record<CertificateStatus['holder'], string>> = {
  own: 'this node',
  authority: 'authority',
  neighbour: 'neighbour',
};

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function clock(time: string): string {
  return new Date(time).toLocaleTimeString([], { hour12: false });
}

function duration(seconds: number): string {
  const units = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
  ] as const;
  const [size, unit] = units.find(([least]) => seconds >= least) ?? [1, 's'];
  return `${Math.floor(seconds / size)} ${unit}`;
}

function octets(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)} GB`;
  return count >= 1e6 ? `${Math.round(count / 1e6)} MB` : `${Math.round(count / 1e3)} KB`;
}

const place = document.querySelector('#app');
takeToken(OWN);
if (place !== null) render(<Console />, place);
