/** The floor of logins under TLS: a server of node:tls that does handshakes and nothing else. Prints its port. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:tls';

const [certificate = '', key = ''] = process.argv.slice(2);
const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (socket) =>
  socket.on('error', () => {}).resume(),
);
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' && address !== null ? address.port : 0}\n`);
});
