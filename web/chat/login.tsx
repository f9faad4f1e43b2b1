/** The form to log in with. */
import { useState } from 'preact/hooks';
import { lastAccount } from './keeper.js';

export interface Login {
  readonly account: string;
  readonly password: string;
  readonly keep: boolean;
}

interface LoginFormProps {
  /** For an example of an address. */
  readonly domain: string;
  /** Why the last attempt failed, or what it waits for. */
  readonly trouble: string | undefined;
  readonly busy: boolean;
  readonly submit: (login: Login) => void;
  readonly cancel: () => void;
}

export function LoginForm({ domain, trouble, busy, submit, cancel }: LoginFormProps) {
  const [account, setAccount] = useState(lastAccount() ?? '');
  const [password, setPassword] = useState('');
  const [keep, setKeep] = useState(true);
  return (
    <main class="login">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit({ account: account.trim(), password, keep });
        }}
      >
        <img src="icon.svg" alt="" width="56" height="56" />
        <h1>Log in to {domain}</h1>
        <label>
          Address
          <input
            name="username"
            type="email"
            required
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            placeholder={`you@${domain}`}
            value={account}
            onInput={({ currentTarget }) => setAccount(currentTarget.value)}
          />
        </label>
        <label>
          Password
          <input
            name="password"
            type="password"
            required
            autocomplete="current-password"
            value={password}
            onInput={({ currentTarget }) => setPassword(currentTarget.value)}
          />
        </label>
        <label class="choice">
          <input type="checkbox" checked={keep} onChange={({ currentTarget }) => setKeep(currentTarget.checked)} />
          Stay logged in on this device
        </label>
        <p class="trouble" role="alert">
          {trouble}
        </p>
        <button type="submit" class="primary" disabled={busy}>
          {busy ? 'Connecting…' : 'Log in'}
        </button>
        {busy ? (
          <button type="button" class="quiet" onClick={cancel}>
            Cancel
          </button>
        ) : null}
      </form>
    </main>
  );
}
