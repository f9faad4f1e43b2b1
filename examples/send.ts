/** Sends a text, and says what became of it for each recipient. */
import { argumentsOr, connect } from './connect.js';

const [from = '', recipients = '', text = ''] = argumentsOr('send.ts FROM TO[,TO...] TEXT', 3);

const endpoint = await connect(from);
const outcomes = await endpoint.sendEach({ to: recipients.split(','), content: text });
for (const { recipient, accepted, code, text: reason, ms } of outcomes) {
  console.log(`${recipient}: ${accepted ? 'accepted' : `${code ?? 'no answer'} ${reason}`} (${ms.toFixed(1)} ms)`);
}
await endpoint.close();
process.exitCode = outcomes.every(({ accepted }) => accepted) ? 0 : 1;
