/** A dashboard of presence: who is there, and every change as it happens. */
import { type Endpoint, RefusedError } from 'imxp';
import { argumentsOr, connect } from './connect.js';

const [address = '', ...people] = argumentsOr('presence.ts ADDRESS PERSON...', 2);

async function follow(endpoint: Endpoint, person: string): Promise<void> {
  try {
    for await (const { open, tuples } of await endpoint.presence.subscribe(person, { renew: true })) {
      const until = open ? new Date(Math.max(...tuples.map((tuple) => tuple.availableUntil.getTime()))) : undefined;
      console.log(`${person.padEnd(30)} ${until === undefined ? 'away' : `here until ${until.toISOString()}`}`);
    }
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    // 537: they do not let us see it. `imxp access allow` does.
    console.log(`${person.padEnd(30)} ${error.reply.code} ${error.reply.text}`);
  }
}

const endpoint = await connect(address, { reconnect: true });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void endpoint.close());
await Promise.all(people.map((person) => follow(endpoint, person)));
await endpoint.close();
