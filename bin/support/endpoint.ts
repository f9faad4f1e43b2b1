/** The options of commands that attach as an endpoint, and the attaching. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DIALECTS, type DialectName } from '../../lib/config/dialects.js';
import { parseRelayUrl, type RelayLocation } from '../../lib/config/relay-url.js';
import { givenAddress } from '../../lib/endpoint/address.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { EndpointOptions, ReconnectOptions, TlsUse } from '../../lib/endpoint/options.js';
import { ImxpError, type Reply } from '../../lib/errors.js';
import { CommandError, EXIT } from './exit.js';
import { obtainPassword } from './password.js';

export interface EndpointCommandOptions {
  readonly relay?: RelayLocation;
  readonly dialect?: DialectName;
  readonly nameServer?: string;
  readonly passwordFile?: string;
  readonly tls?: TlsUse;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly legacyTls?: boolean;
}

/** Turns what a parser throws into a complaint about the argument. */
function argument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
    }
  };
}

/** An address as an argument of a command. */
export const addressArgument = argument((text) => {
  givenAddress(text);
  return text;
});

/** For an option that may be given several times. */
export function severalAddresses(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), addressArgument(text)];
}

export const countArgument = argument((text) => {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) throw new Error('not a positive number.');
  return count;
});

/** A language tag (RFC 3066). */
export const languageArgument = argument((text) => {
  if (!/^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*$/.test(text)) throw new Error('not a language tag such as en or de-AT.');
  return text;
});

export function nameServerOption(): Option {
  return new Option(
    '--name-server <address>',
    "the DNS server to ask, with its port if not 53; default: the system's",
  ).env('IMXP_NAME_SERVER');
}

export function withEndpoint(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--relay <url>',
        'the relay to attach to, as tcp://, ws:// or wss://; without it the one that the DNS names for the address',
      )
        .argParser(argument(parseRelayUrl))
        .env('IMXP_RELAY'),
    )
    .addOption(
      new Option('--dialect <name>', 'spoken with the relay; apex is for relays that know nothing else').choices(
        DIALECTS,
      ),
    )
    .addOption(nameServerOption())
    .option('--password-file <file>', 'its first line is the password; without it IMXP_PASSWORD, or a prompt')
    .addOption(
      new Option('--tls <use>', 'default: require; prefer for a relay on this machine without --ca').choices([
        'off',
        'prefer',
        'require',
      ]),
    )
    .option('--ca <file>', "the authority that signed the relay's certificate, PEM")
    .option('--cert <file>', 'a certificate that names the address, to log in with instead of a password, PEM')
    .option('--key <file>', 'its private key, PEM')
    .option('--legacy-tls', 'also take a relay that knows only the TLS of the year 2000, which is not safe');
}

export interface AttachOptions {
  readonly autoAccept?: boolean;
  readonly reconnect?: boolean | ReconnectOptions;
  readonly override?: boolean;
}

/** What is needed to attach; asks for the password where nobody has given one, and no certificate either. */
export async function endpointOptions(
  address: string,
  { relay, dialect, nameServer, passwordFile, tls, ca, cert, key, legacyTls }: EndpointCommandOptions,
): Promise<EndpointOptions> {
  const certified = cert !== undefined || key !== undefined;
  const password =
    certified && passwordFile === undefined ? undefined : await obtainPassword({ passwordFile, subject: address });
  return {
    address,
    ...(relay === undefined ? {} : { relay }),
    ...(dialect === undefined ? {} : { dialect }),
    ...(nameServer === undefined ? {} : { nameServers: [nameServer] }),
    ...(password === undefined ? {} : { password }),
    ...(cert === undefined ? {} : { certificate: cert }),
    ...(key === undefined ? {} : { key }),
    ...(legacyTls === undefined ? {} : { legacyTls }),
    ...(tls === undefined ? {} : { tls }),
    ...(ca === undefined ? {} : { ca }),
  };
}

/** Attaches. @throws as {@link Endpoint.connect}; CommandError when the DNS names no relay */
export async function attach(options: EndpointOptions, more: AttachOptions = {}): Promise<Endpoint> {
  try {
    return await Endpoint.connect({ ...options, ...more });
  } catch (error) {
    const { code = '', message = '' } = error instanceof ImxpError ? error : {};
    if (code !== 'NO_RELAY' && code !== 'LOOKUP_FAILED') throw error;
    throw new CommandError(EXIT.UNAVAILABLE, `${message}; --relay names one without asking`, { cause: error });
  }
}

const ONLY_ASKS: Reply = { code: 450, text: 'attached for a moment, to send and to ask; try again later' };

/** {@link attach} for a command that takes nothing: whoever writes to it meanwhile is told at once, and waits for no answer. */
export async function attachToAsk(options: EndpointOptions, more: AttachOptions = {}): Promise<Endpoint> {
  const endpoint = await attach(options, more);
  endpoint.receive((delivery) => void delivery.refuse(ONLY_ASKS));
  return endpoint;
}
