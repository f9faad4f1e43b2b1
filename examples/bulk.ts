/**
 * Sends each line of standard input as a message. At most so many are under way, so that a slow recipient slows down the
 * reading of the input and nothing piles up. What was certainly not delivered is sent again, later and later; where that is
 * unknown it is not, because the message could arrive twice.
 */

import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { certainlyNotDelivered, type Endpoint, ImxpError, RefusedError } from 'imxp';
import { argumentsOr, connect } from './connect.js';

const UNDER_WAY = 64;
const ATTEMPTS = 8;
const FIRST_PAUSE_MS = 100;

const [from = '', to = ''] = argumentsOr('bulk.ts FROM TO < LINES', 2);
const tally = { accepted: 0, repeated: 0, refused: 0, unknown: 0 };

/** A refusal that may end by itself: busy, not attached, no link at the moment. */
const isTemporary = (error: ImxpError): boolean => !(error instanceof RefusedError) || error.reply.code < 500;

async function deliver(endpoint: Endpoint, line: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await endpoint.send({ to, content: line });
      tally.accepted += 1;
      return;
    } catch (error) {
      if (!(error instanceof ImxpError)) throw error;
      if (!certainlyNotDelivered(error)) {
        tally.unknown += 1;
        console.error(`unknown: ${line}: ${error.message}`);
        return;
      }
      if (attempt === ATTEMPTS || !isTemporary(error)) {
        tally.refused += 1;
        console.error(`refused: ${line}: ${error.message}`);
        return;
      }
      tally.repeated += 1;
      await pause(FIRST_PAUSE_MS * 2 ** (attempt - 1));
    }
  }
}

const endpoint = await connect(from, { reconnect: true });
const underWay = new Set<Promise<void>>();
for await (const line of createInterface({ input: process.stdin })) {
  const one = deliver(endpoint, line).finally(() => underWay.delete(one));
  underWay.add(one);
  if (underWay.size >= UNDER_WAY) await Promise.race(underWay);
}
await Promise.all(underWay);
await endpoint.close();
console.log(
  Object.entries(tally)
    .map(([what, count]) => `${count} ${what}`)
    .join(', '),
);
process.exitCode = tally.refused + tally.unknown === 0 ? 0 : 1;
