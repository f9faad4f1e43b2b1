/** Prints what arrives, until it is interrupted. Comes back by itself after a loss of the connection. */
import { argumentsOr, connect } from './connect.js';

const [address = ''] = argumentsOr('listen.ts ADDRESS', 1);

const endpoint = await connect(address, { reconnect: true });
endpoint.on('disconnect', (error, retrying) => console.error(`${error.message}${retrying ? ', trying again' : ''}`));
endpoint.on('connect', () => console.error('attached again'));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void endpoint.close());
console.log(`attached as ${address}`);

// A delivery is answered with ok when the loop asks for the next one. Closing the endpoint ends the loop.
for await (const delivery of endpoint) {
  const subject = delivery.message?.subject;
  console.log(`${delivery.originator}: ${subject === undefined ? '' : `[${subject}] `}${delivery.text()}`);
}
