/** Load for `imxp bench`: several senders that keep a number of messages under way, and the times until their answers. */
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { ImxpError, RefusedError } from '../../lib/errors.js';

export interface LoadOptions {
  readonly senders: readonly Endpoint[];
  /** Whom they send to, in turn. */
  readonly recipients: readonly string[];
  readonly messages: number;
  readonly content: Buffer;
  /** Messages that a sender has under way. */
  readonly window: number;
  /** No message is sent after that many milliseconds. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** Told the number of messages that were answered. */
  readonly progress: (answered: number) => void;
}

export interface LoadResult {
  readonly sent: number;
  readonly delivered: number;
  /** Number of those that failed, by code and text. */
  readonly failed: ReadonlyMap<string, number>;
  readonly seconds: number;
  /** Milliseconds until the answers of delivered messages, ascending. */
  readonly times: Float64Array;
  /** Share of one processor core that this program used. */
  readonly cpu: number;
}

/** Kinds of failure that are told apart. */
const MOST_KINDS = 100;

export async function load(options: LoadOptions): Promise<LoadResult> {
  const { senders, recipients, messages, content, window, limitMs, signal, progress } = options;
  const times = new Float64Array(messages);
  const failed = new Map<string, number>();
  let sent = 0;
  let delivered = 0;
  let answered = 0;
  const begun = performance.now();
  const cpuBefore = process.cpuUsage();

  /** One of the messages that a sender has under way, one after the other. */
  const keep = async (sender: Endpoint): Promise<void> => {
    while (sent < messages && !signal.aborted && performance.now() - begun < limitMs) {
      const to = recipients[sent % recipients.length] ?? '';
      sent += 1;
      const at = performance.now();
      try {
        await sender.send({ to, content });
        times[delivered] = performance.now() - at;
        delivered += 1;
      } catch (error) {
        if (!(error instanceof ImxpError)) throw error;
        const text = error instanceof RefusedError ? `${error.reply.code} ${error.reply.text}` : error.message;
        const kind = failed.has(text) || failed.size < MOST_KINDS ? text : 'others';
        failed.set(kind, (failed.get(kind) ?? 0) + 1);
        // It would fail for all further messages, at once.
        if (!sender.connected) return;
      }
      answered += 1;
      progress(answered);
    }
  };
  await Promise.all(senders.flatMap((sender) => Array.from({ length: window }, () => keep(sender))));

  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpu = (user + system) / 1e6 / seconds;
  return { sent, delivered, failed, seconds, times: times.subarray(0, delivered).sort(), cpu };
}

/** The value below which a share of the samples is; undefined without samples. @param times ascending */
export function percentileOf(times: Float64Array, share: number): number | undefined {
  return times[Math.min(times.length - 1, Math.floor(times.length * share))];
}
