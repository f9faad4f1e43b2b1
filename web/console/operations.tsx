/** What needs a token: the log, failed logins, and the trace of a way. */
import { useEffect, useState } from 'preact/hooks';
import { LogPanel } from './log-panel.js';
import { fetchFrom, keepToken, type ShownNode, TokenError, wordsOf } from './node-client.js';
import { Table } from './table.js';

const LOOK_MS = 5000;

interface FailedLogin {
  readonly remote: string;
  readonly failures: number;
  readonly last: string;
  readonly reason: string;
  readonly banned: boolean;
}

interface Trace {
  readonly from: string;
  readonly code: number;
  readonly text: string;
  readonly ms: number;
  readonly reports: readonly {
    readonly relay: string;
    readonly ms: number;
    readonly code?: number;
    readonly text?: string;
  }[];
}

/** @param trace given what to trace from elsewhere in the page; each is traced once */
export function Operations({
  node,
  trace,
  lost,
}: {
  readonly node: ShownNode;
  readonly trace: TraceWish | undefined;
  readonly lost: (why: string) => void;
}) {
  return (
    <>
      <Tracer node={node} wish={trace} lost={lost} />
      <Logins node={node} lost={lost} />
      <LogPanel node={node} />
    </>
  );
}

/** An address whose way was asked for, and a number that tells two wishes for the same apart. */
export interface TraceWish {
  readonly to: string;
  readonly number: number;
}

function Tracer({
  node,
  wish,
  lost,
}: {
  readonly node: ShownNode;
  readonly wish: TraceWish | undefined;
  readonly lost: (why: string) => void;
}) {
  const [to, setTo] = useState('');
  const [state, setState] = useState<{ readonly to: string; readonly found?: Trace; readonly error?: string }>();
  const run = async (address: string): Promise<void> => {
    setState({ to: address });
    try {
      const body = JSON.stringify({ to: address });
      const response = await fetchFrom(node, '/api/v1/trace', { method: 'POST', body });
      setState({ to: address, found: await response.json() });
    } catch (error) {
      if (error instanceof TokenError) lost(error.message);
      setState({ to: address, error: wordsOf(error) });
    }
  };
  useEffect(() => {
    if (wish === undefined) return;
    setTo(wish.to);
    void run(wish.to);
  }, [wish]);
  return (
    <section class="panel">
      <h2>Trace</h2>
      <form
        class="bar"
        onSubmit={(event) => {
          event.preventDefault();
          if (to.trim() !== '') void run(to.trim());
        }}
      >
        <label class="grow">
          Address{' '}
          <input
            type="text"
            value={to}
            placeholder="barney@rubble.com"
            onInput={({ currentTarget }) => setTo(currentTarget.value)}
          />
        </label>
        <button type="submit">Trace</button>
      </form>
      <div aria-live="polite">{state === undefined ? null : <TraceResult {...state} />}</div>
    </section>
  );
}

function TraceResult({ to, found, error }: { readonly to: string; readonly found?: Trace; readonly error?: string }) {
  if (error !== undefined) return <p class="trouble">{error}</p>;
  if (found === undefined) return <p class="none">Tracing the way to {to} …</p>;
  const { code, text, ms, from, reports } = found;
  const relay = reachedRelay(to, found);
  return (
    <>
      <p class="none">
        {relay === undefined ? `${to}: ${code} ${text}, ${ms} ms, from ${from}` : `${relay} answers after ${ms} ms`}
      </p>
      <Table columns={['Relay', 'After', 'Says']} none="No relay has reported.">
        {reports.map(({ relay: reporter, ms: after, code: said, text: words }) => (
          <tr key={reporter}>
            <th scope="row">{reporter}</th>
            <td>{after} ms</td>
            <td>{relay === undefined ? `${said ?? ''} ${words ?? ''}` : 'answers'}</td>
          </tr>
        ))}
      </Table>
    </>
  );
}

const REPORT_SERVICE = 'imxp=report@';

/** Where to send a probe of which the relay of a domain says that it has it: its report service takes no messages. */
export function probeOf(domain: string): string {
  return REPORT_SERVICE + domain;
}

/** The domain whose relay answered its probe; undefined for other addresses, and where the probe did not arrive. */
function reachedRelay(to: string, { code, reports }: Trace): string | undefined {
  const domain = to.slice(REPORT_SERVICE.length);
  const arrived = to.startsWith(REPORT_SERVICE) && code === 550 && reports.some(({ relay }) => relay === domain);
  return arrived ? domain : undefined;
}

function Logins({ node, lost }: { readonly node: ShownNode; readonly lost: (why: string) => void }) {
  const [logins, setLogins] = useState<readonly FailedLogin[]>([]);
  const [trouble, setTrouble] = useState<string | undefined>();
  useEffect(() => {
    const look = async (): Promise<void> => {
      try {
        const { logins: found }: { readonly logins: readonly FailedLogin[] } = await (
          await fetchFrom(node, '/api/v1/logins')
        ).json();
        setLogins(found);
        setTrouble(undefined);
      } catch (error) {
        if (error instanceof TokenError) lost(error.message);
        setTrouble(wordsOf(error));
      }
    };
    void look();
    const timer = setInterval(() => void look(), LOOK_MS);
    return () => clearInterval(timer);
  }, [node]);
  return (
    <section class="panel lines">
      <h2>Failed logins</h2>
      {trouble === undefined ? null : <p class="trouble">{trouble}</p>}
      <Table columns={['Address', 'Failures', 'Last', 'Reason']} none="None since the start.">
        {logins.map(({ remote, failures, last, reason, banned }) => (
          <tr key={remote}>
            <th scope="row">
              {remote} {banned ? <span class="state down">banned</span> : null}
            </th>
            <td data-name="Failures">{failures}</td>
            <td data-name="Last">
              <time dateTime={last}>{new Date(last).toLocaleTimeString([], { hour12: false })}</time>
            </td>
            <td data-name="Reason">{reason}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

/** Asks for a token. */
export function TokenForm({
  node,
  why,
  given,
}: {
  readonly node: ShownNode;
  readonly why: string | undefined;
  readonly given: () => void;
}) {
  const [token, setToken] = useState('');
  return (
    <section class="panel wide">
      <h2>Log, failed logins and traces</h2>
      {why === undefined ? null : <p class="trouble">{why}</p>}
      <p class="none">
        These need a token. The command <code>imxp console</code> on the machine of the node prints the URL of this page
        with one; or give one with the role operate here.
      </p>
      <form
        class="bar"
        onSubmit={(event) => {
          event.preventDefault();
          if (token.trim() === '') return;
          keepToken(node, token.trim());
          given();
        }}
      >
        <label class="grow">
          Token{' '}
          <input
            type="password"
            autocomplete="off"
            value={token}
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
        </label>
        <button type="submit">Use it</button>
      </form>
    </section>
  );
}
