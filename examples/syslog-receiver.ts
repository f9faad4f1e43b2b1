/**
 * A collector of syslog messages over BEEP: the RAW profile of RFC 3195 §3. The collector sends one MSG on each channel
 * that a device opens, and the device answers it with any number of ANS, each of one or more syslog messages, until a
 * NUL ends them. Prints each message with the address that it came from.
 *
 *   npx tsx examples/syslog-receiver.ts 601
 */
import { once } from 'node:events';
import { type BeepChannel, type BeepProfile, ImxpError, listen, parseEntity } from 'imxp/beep';

const RAW = 'http://xml.resource.org/profiles/syslog/RAW';

const raw: BeepProfile = {
  uri: RAW,
  start(channel) {
    // The channel exists for the device when this function has returned; requests made before are sent then.
    void collect(channel);
    return {};
  },
};

async function collect(channel: BeepChannel): Promise<void> {
  const { address } = channel.remote;
  try {
    for await (const answer of channel.answers('\r\nsyslog collector ready')) {
      // RFC 3195 §3.3: several messages of one answer are separated by CRLF.
      for (const message of parseEntity(answer).body.toString('latin1').split('\r\n')) {
        if (message !== '') console.log(`${address} ${message}`);
      }
    }
    console.log(`${address} has finished`);
    await channel.close();
  } catch (error) {
    if (!(error instanceof ImxpError)) throw error;
    console.log(`${address} is gone: ${error.message}`);
  }
}

const port = Number(process.argv[2] ?? 601);
const collector = await listen({
  port,
  profiles: [raw],
  // A syslog message has at most 1,024 octets, and a device may send many in one answer.
  limits: {
    session: { windowOctets: 65_536, messageOctets: 65_536, stalledTimeoutMs: 0 },
    data: { deliveryTimeoutMs: 3_600_000 },
  },
});
console.log(`ready at tcp://127.0.0.1:${collector.port}`);
await once(process, 'SIGTERM');
await collector.close('the collector is stopping');
