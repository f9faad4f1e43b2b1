/** Keyring of the system, by `secret-tool` of libsecret. Passwords go through pipes, never through arguments. */
import { spawn } from 'node:child_process';

const PROGRAM = 'secret-tool';
/** A keyring that is locked asks its user, who may be away. */
const PATIENCE_MS = 60_000;

interface Answer {
  readonly code: number | null;
  readonly text: string;
}

function ask(args: readonly string[], input = ''): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    // The option `timeout` would keep the process alive for all of it where there is no such program.
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const child = spawn(PROGRAM, args, { stdio: ['pipe', 'pipe', 'ignore'], signal });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    child.stdin.on('error', () => {}); // it may end without reading
    // There is no such program here, or nobody unlocked the keyring.
    child.once('error', () => resolve(undefined));
    child.once('close', (code) => resolve({ code, text }));
    child.stdin.end(input);
  });
}

const entryOf = (account: string): readonly string[] => ['service', 'imxp', 'account', account];

/** @returns false when there is no keyring, or it did not take the password */
export async function keep(account: string, password: string): Promise<boolean> {
  const answer = await ask(['store', `--label=imxp ${account}`, ...entryOf(account)], password);
  return answer?.code === 0 && (await recall(account)) === password;
}

/** @returns undefined when the keyring has no password of the account, or there is none */
export async function recall(account: string): Promise<string | undefined> {
  const answer = await ask(['lookup', ...entryOf(account)]);
  return answer?.code === 0 && answer.text !== '' ? answer.text : undefined;
}

export async function forget(account: string): Promise<void> {
  await ask(['clear', ...entryOf(account)]);
}
