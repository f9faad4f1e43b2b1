/**
 * A BEEP profile of one's own: every request is answered with its own payload. Serves it on a port of this machine, or
 * asks a server for an echo.
 *
 *   npx tsx examples/echo-profile.ts serve 10288
 *   npx tsx examples/echo-profile.ts ask tcp://127.0.0.1:10288 'Hello'
 */
import { once } from 'node:events';
import { type BeepProfile, connect, listen, parseEntity } from 'imxp/beep';

const ECHO = 'http://example.com/profiles/echo';

const echo: BeepProfile = {
  uri: ECHO,
  start: () => ({
    request: (request) => request.reply(request.payload),
  }),
};

async function serve(port: number): Promise<void> {
  const listener = await listen({ port, profiles: [echo] });
  console.log(`ready at tcp://127.0.0.1:${listener.port}`);
  await once(process, 'SIGTERM');
  await listener.close('the server is stopping');
}

async function ask(url: string, text: string): Promise<void> {
  const session = await connect(url);
  const { channel } = await session.start(ECHO);
  // A message is a MIME entity: headers, an empty line, the body.
  const { payload } = await channel.request(`Content-Type: text/plain; charset=UTF-8\r\n\r\n${text}`);
  console.log(parseEntity(payload).body.toString());
  await channel.close();
  await session.close();
}

const [command, target = '', text = ''] = process.argv.slice(2);
if (command === 'serve') await serve(Number(target));
else if (command === 'ask') await ask(target, text);
else {
  console.error('usage: echo-profile.ts serve PORT | ask URL TEXT');
  process.exitCode = 64;
}
