/** The chat page: logs in, and shows the conversations of the account. */
import { render } from 'preact';
import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import { givenAddress } from '../../lib/endpoint/address.js';
import { Client, isConnectedHere } from './client.js';
import { Conversation } from './conversation.js';
import { Icon } from './icons.js';
import { keptPassword, lastAccount, rememberAccount } from './keeper.js';
import { type Login, LoginForm } from './login.js';
import { Roster } from './roster.js';
import { wordsFor } from './session.js';

/** What the relay tells the page; see `lib/node/chat-page.ts`. */
interface Settings {
  readonly webSocket: string;
  readonly domains: readonly string[];
}

/** Who is named after the `#`; anybody can make a link that says something else there. */
function peerInAddress(): string | undefined {
  try {
    return givenAddress(decodeURIComponent(location.hash.slice(1))).base;
  } catch {
    return undefined;
  }
}

function App({ settings, begin }: { readonly settings: Settings; readonly begin: Login | undefined }) {
  const [client, setClient] = useState<Client | undefined>();
  const [trouble, setTrouble] = useState<string | undefined>();
  // The form stays until the password has worked, or is known to have worked before.
  const [proven, setProven] = useState(false);
  const [, render] = useReducer((count: number) => count + 1, 0);
  const opening = useRef(false);
  const relay = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${settings.webSocket}`;

  const open = async ({ account: given, password, keep }: Login, known: boolean): Promise<void> => {
    if (opening.current) return;
    opening.current = true;
    try {
      setTrouble(undefined);
      // However it is written, it has one history and one connection.
      const account = givenAddress(given).key;
      setProven(known);
      rememberAccount(account);
      const options = { account, password: password === '' ? undefined : password, keep, relay };
      setClient(await Client.open(options, () => render(undefined)));
    } catch (error) {
      setTrouble(wordsFor(error));
    } finally {
      opening.current = false;
    }
  };
  const drop = (reason?: string): void => {
    client?.close();
    setClient(undefined);
    setProven(false);
    setTrouble(reason);
  };

  useEffect(() => {
    if (begin !== undefined) void open(begin, true);
  }, []);
  useEffect(() => {
    if (client === undefined) return;
    const show = (): void => void client.show(peerInAddress());
    show();
    addEventListener('hashchange', show);
    return () => removeEventListener('hashchange', show);
  }, [client]);

  const connection = client?.connection;
  useEffect(() => {
    if (connection?.kind === 'online' || connection?.kind === 'elsewhere') setProven(true);
    if (connection?.kind === 'refused') drop(connection.reason);
    else if (client?.left === true) drop();
  });
  const unread = [...(client?.contacts.values() ?? [])].reduce((sum, contact) => sum + contact.unread, 0);
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) imxp chat` : 'imxp chat';
  }, [unread]);

  if (client === undefined || !proven) {
    const waits = connection?.kind === 'connecting' ? connection.reason : undefined;
    return (
      <LoginForm
        domain={settings.domains[0] ?? location.hostname}
        trouble={trouble ?? waits}
        busy={client !== undefined}
        submit={(login) => void open(login, false)}
        cancel={() => drop()}
      />
    );
  }
  const { peer } = client;
  return (
    <div class={peer === undefined ? 'app' : 'app talking'}>
      <Banner client={client} />
      <div class="list" role={peer === undefined ? 'main' : undefined}>
        <Roster client={client} />
      </div>
      {peer === undefined ? (
        <aside class="conversation none" aria-label="Conversation">
          <p class="hint">Choose a conversation.</p>
        </aside>
      ) : (
        <Conversation client={client} peer={peer} />
      )}
    </div>
  );
}

/** What is unusual about the connection, and what went wrong beside messages. */
function Banner({ client }: { readonly client: Client }) {
  const { connection, notice } = client;
  return (
    <div class="banners" role="status">
      {connection.kind === 'connecting' ? (
        <p class="banner" title={connection.reason}>
          <Icon name="clock" />
          Not connected; trying again. Messages wait until then.
        </p>
      ) : null}
      {connection.kind === 'elsewhere' ? (
        <p class="banner">
          Another program is connected as {client.account}.
          <button type="button" class="link" onClick={() => client.takeOver()}>
            Use this one instead
          </button>
        </p>
      ) : null}
      {notice === undefined ? null : (
        <p class="banner trouble">
          {notice}
          <button type="button" class="link" onClick={() => client.dismiss()}>
            Dismiss
          </button>
        </p>
      )}
    </div>
  );
}

async function start(): Promise<void> {
  const place = document.querySelector('#app');
  if (place === null) return;
  if (!isSecureContext) {
    render(
      <main class="login">
        <p>Open this page by https. Without it the browser gives a page neither keys nor notifications.</p>
      </main>,
      place,
    );
    return;
  }
  registerWorker();
  const settings: Settings = await (await fetch('settings.json')).json();
  const account = lastAccount();
  const returns = account !== undefined && (await isKnown(account));
  render(<App settings={settings} begin={returns ? { account, password: '', keep: false } : undefined} />, place);
}

async function isKnown(account: string): Promise<boolean> {
  return (await keptPassword(account)) !== undefined || (await isConnectedHere(account));
}

/** What `trusted-types imxp` of the Content-Security-Policy lets the page make: the URL of its own worker. */
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

function registerWorker(): void {
  // Some browsers have no workers in private windows.
  if (!('serviceWorker' in navigator)) return;
  const { trustedTypes } = globalThis as { readonly trustedTypes?: TrustedTypes };
  const policy = trustedTypes?.createPolicy('imxp', { createScriptURL: (url) => url });
  const url = policy?.createScriptURL('worker.js') ?? 'worker.js';
  navigator.serviceWorker
    .register(url)
    .catch((error: unknown) => console.warn('the page works without its worker', error));
  navigator.serviceWorker.addEventListener('message', ({ data }: MessageEvent<{ readonly show: string }>) => {
    location.hash = encodeURIComponent(data.show);
  });
}

void start();
