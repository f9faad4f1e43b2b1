/**
 * What a page does with `imxp/browser`, in a process that has the WebSocket of a browser: `browser-page.ts RELAY`. Prints
 * what became of it as JSON.
 */
import { Endpoint, RefusedError } from 'imxp/browser';
import { WebSocket } from 'ws';

Reflect.set(globalThis, 'WebSocket', WebSocket);
const [, , relay = ''] = process.argv;
const fred = await Endpoint.connect({ address: 'fred@example.com', relay, password: 'yabba' });
await fred.send({ to: 'barney@example.com', content: 'Bowling tonight?' });
const refusal = await fred.send({ to: 'wilma@example.com', content: '?' }).catch((error: unknown) => error);
await fred.close();
process.stdout.write(JSON.stringify({ code: refusal instanceof RefusedError ? refusal.reply.code : String(refusal) }));
// Pages do not end by themselves, and neither does the module that is made for them.
process.exit();
