/**
 * The frame of a gateway: stands for a whole domain, with another system on the standard input and output. A line of output
 * is a message to somebody of the domain, a line of input one from somebody there; both are JSON:
 * `{"from": "...", "to": "...", "text": "..."}`. The relay's configuration has
 * `"policy": { "gateways": { "slate.example": "imxp=gateway@slate.example" } }` and an account of that name.
 */
import { createInterface } from 'node:readline';
import type { Delivery } from 'imxp';
import { argumentsOr, connect } from './connect.js';

const [address = '', domain = ''] = argumentsOr('gateway.ts ADDRESS DOMAIN', 2);
const gateway = await connect(address, { reconnect: true });

/** Takes what is addressed to anybody of the domain; the recipients are those the message is to be given to. */
gateway.receive((delivery: Delivery) => {
  const { originator, recipients } = delivery;
  // The services of the domain are the gateway's as well. One that answers requests for presence does it here.
  if (recipients.some((recipient) => recipient.startsWith('imxp='))) {
    delivery.refuse({ code: 550, text: 'this domain has no such service' });
    return;
  }
  for (const to of recipients) console.log(JSON.stringify({ from: originator, to, text: delivery.text() }));
});
// From now on, whatever is the name: users are not listed anywhere, and an unknown one is refused by the program.
await gateway.attach(`*@${domain}`);
console.log(`attached as *@${domain}`);

/** Sends for somebody of the domain. */
async function forward(line: string): Promise<void> {
  try {
    const { from, to, text }: { from: string; to: string; text: string } = JSON.parse(line);
    await gateway.send({ from, to, content: text });
  } catch (error) {
    console.error(`not sent: ${error instanceof Error ? error.message : error}`);
  }
}

const lines = createInterface({ input: process.stdin });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => lines.close());
for await (const line of lines) await forward(line);
await gateway.close();
