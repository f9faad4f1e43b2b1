/**
 * Requests and responses: `serve` multiplies the numbers it is asked for, `ask` sends two numbers and waits for the product.
 * An answer to a message only says that it was taken; what the recipient has to say comes as a message of its own.
 */
import { randomUUID } from 'node:crypto';
import type { Endpoint } from 'imxp';
import { argumentsOr, connect } from './connect.js';

interface Request {
  readonly id: string;
  readonly factors: readonly number[];
}

interface Response {
  readonly id: string;
  readonly product: number;
}

const ANSWER_MS = 10_000;

const isRequest = (value: unknown): value is Request => {
  const { id, factors } = value as Partial<Request>;
  return typeof id === 'string' && Array.isArray(factors) && factors.every((factor) => typeof factor === 'number');
};

async function serve(address: string): Promise<void> {
  const bot = await connect(address, { reconnect: true, autoAccept: false });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void bot.close());
  console.log(`attached as ${address}`);
  for await (const delivery of bot) {
    const request = parsed(delivery.text());
    if (!isRequest(request)) {
      delivery.refuse({ code: 501, text: 'send {"id": "...", "factors": [6, 7]}' });
      continue;
    }
    delivery.accept();
    const response: Response = { id: request.id, product: request.factors.reduce((product, one) => product * one, 1) };
    // Whoever asked may have gone by now. That is no reason to stop.
    await bot
      .send({ to: delivery.originator, content: JSON.stringify(response), type: 'application/json' })
      .catch((error: Error) => console.error(`no answer to ${delivery.originator}: ${error.message}`));
  }
}

async function ask(from: string, to: string, factors: readonly number[]): Promise<void> {
  const endpoint = await connect(from);
  const request: Request = { id: randomUUID(), factors };
  const response = answerTo(endpoint, request.id);
  await endpoint.send({ to, content: JSON.stringify(request), type: 'application/json' });
  console.log((await response).product);
  await endpoint.close();
}

/** Resolves with the response to a request; rejects when none comes in time. */
function answerTo(endpoint: Endpoint, id: string): Promise<Response> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
    endpoint.receive((delivery) => {
      const response = parsed(delivery.text()) as Partial<Response> | undefined;
      if (response?.id !== id || typeof response.product !== 'number') return;
      clearTimeout(timer);
      resolve({ id, product: response.product });
    });
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

const [role, first = '', second = '', ...factors] = argumentsOr('bot.ts serve ADDRESS | ask FROM TO NUMBER...', 2);
if (role === 'serve') await serve(first);
else await ask(first, second, factors.map(Number));
