/** The log of a node as it is written: the last lines, from when the page was opened. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { fetchFrom, type ShownNode, wordsOf } from './node-client.js';

/** Lines that are kept; a flood would fill the memory of the page. */
const KEPT = 300;
const AGAIN_MS = 3000;
const LEVELS = ['warn', 'info', 'debug'] as const;

interface LogLine {
  readonly number: number;
  readonly time: string;
  readonly level: string;
  readonly message: string;
  readonly facts: string;
}

let count = 0;

export function LogPanel({ node }: { readonly node: ShownNode }) {
  const [level, setLevel] = useState<(typeof LEVELS)[number]>('info');
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  const [trouble, setTrouble] = useState<string | undefined>();
  const box = useRef<HTMLDivElement>(null);
  const stays = useRef(true);
  useEffect(() => {
    const ending = new AbortController();
    setLines([]);
    const add = (text: string): void => setLines((before) => [...before, lineOf(text)].slice(-KEPT));
    void follow(node, level, { signal: ending.signal, add, tell: setTrouble });
    return () => ending.abort();
  }, [node, level]);
  useLayoutEffect(() => {
    if (stays.current && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  return (
    <section class="panel wide">
      <div class="bar">
        <h2 id="log">Log</h2>
        <label>
          From level{' '}
          <select
            value={level}
            onChange={({ currentTarget }) => setLevel(LEVELS.find((one) => one === currentTarget.value) ?? 'info')}
          >
            {LEVELS.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
      </div>
      {trouble === undefined ? null : <p class="trouble">{trouble}</p>}
      <div
        class="log"
        ref={box}
        role="log"
        aria-live="off"
        aria-labelledby="log"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
        tabIndex={0}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          stays.current = scrollHeight - scrollTop - clientHeight < 40;
        }}
      >
        {lines.length === 0 ? <p class="none">Nothing since this page was opened.</p> : null}
        {lines.map(({ number, time, level: of, message, facts }) => (
          <p key={number} class={`line ${of}`}>
            <time>{time}</time> <b>{of}</b> {message} <span>{facts}</span>
          </p>
        ))}
      </div>
    </section>
  );
}

interface Follower {
  readonly signal: AbortSignal;
  add(line: string): void;
  tell(trouble: string | undefined): void;
}

/** Reads until the signal is aborted, and again after a loss. */
async function follow(node: ShownNode, level: string, { signal, add, tell }: Follower): Promise<void> {
  while (!signal.aborted) {
    try {
      const response = await fetchFrom(node, `/api/v1/log?level=${level}`, { signal });
      tell(undefined);
      for await (const line of linesOf(response)) add(line);
      tell('The node has ended its log.');
    } catch (error) {
      if (!signal.aborted) tell(wordsOf(error));
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function* linesOf({ body }: Response): AsyncGenerator<string> {
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
    const whole = (rest + part.value).split('\n');
    rest = whole.pop() ?? '';
    yield* whole;
  }
}

function lineOf(text: string): LogLine {
  count += 1;
  try {
    const { level, time, msg, ...facts }: Readonly<Record<string, unknown>> = JSON.parse(text);
    const said = Object.entries(facts).map(([name, value]) => `${name}=${shown(value)}`);
    const at = new Date(String(time)).toLocaleTimeString([], { hour12: false });
    return { number: count, time: at, level: String(level), message: String(msg), facts: said.join(' ') };
  } catch {
    return { number: count, time: '', level: 'info', message: text, facts: '' };
  }
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
