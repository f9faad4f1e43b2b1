/** Options of commands that attach as an endpoint, and the attach itself. */
import { type Command, Option } from 'commander';
import { DIALECTS, type DialectName } from '../../lib/config/dialects.js';
import { parseRelayUrl, type RelayLocation } from '../../lib/config/relay-url.js';
import { beside } from '../../lib/endpoint/address.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { EndpointOptions, ReconnectOptions, TlsUse } from '../../lib/endpoint/options.js';
import { RefusedError } from '../../lib/errors.js';
import type { StoredPassword } from './context-options.js';
import { CommandError, EXIT } from './exit.js';
import { addressArgument, argument } from './names.js';
import { obtainPassword } from './password.js';

export interface EndpointCommandOptions {
  readonly relay?: RelayLocation;
  readonly dialect?: DialectName;
  readonly nameServer?: string;
  readonly passwordFile?: string;
  readonly loginName?: string;
  readonly tls?: TlsUse;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly legacyTls?: boolean;
  readonly anonymous?: boolean;
  /** From a context. */
  readonly storedPassword?: StoredPassword;
}

export const countArgument = argument((text) => {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) throw new Error('not a positive whole number.');
  return count;
});

/** Parses a language tag (RFC 3066). */
export const languageArgument = argument((text) => {
  if (!/^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*$/.test(text)) throw new Error('not a language tag such as en or de-AT.');
  return text;
});

export function nameServerOption(): Option {
  return new Option(
    '--name-server <address>',
    "DNS server, with its port if that is not 53; default: the system's",
  ).env('IMXP_NAME_SERVER');
}

/** The option that says who one is. */
export function fromOption(): Option {
  return new Option('--from <address>', 'your address; default: that of the context')
    .argParser(addressArgument)
    .env('IMXP_FROM');
}

/** Adds the options of commands that attach; what is not given comes from a context. */
export function withEndpoint(command: Command): Command {
  return withConnection(command)
    .addOption(
      new Option('--context <name>', 'context to take what is not given from; default: the one in use').env(
        'IMXP_CONTEXT',
      ),
    )
    .hook('preAction', async (_, acting) => {
      const { completeOptions } = await import('./context-options.js');
      await completeOptions(acting);
    });
}

/** Adds the options that say how to come to the relay. */
export function withConnection(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--relay <url>',
        'URL of the relay: tcp://, ws:// or wss://; default: found in the DNS by the domain of the address',
      )
        .argParser(argument(parseRelayUrl))
        .env('IMXP_RELAY'),
    )
    .addOption(
      new Option(
        '--dialect <name>',
        'dialect to speak; apex is for relays that support nothing else; default: imxp',
      ).choices(DIALECTS),
    )
    .addOption(nameServerOption())
    .option('--password-file <file>', 'file whose first line is the password; default: IMXP_PASSWORD, or a prompt')
    .option(
      '--login-name <name>',
      'name to log in with, where the account was imported with a verifier for another than the address',
    )
    .addOption(
      new Option(
        '--tls <use>',
        'whether to use TLS; default: require, or prefer for a relay on this machine without --ca',
      ).choices(['off', 'prefer', 'require']),
    )
    .addOption(new Option('--ca <file>', "PEM file of trusted CAs; default: Node's bundled list").env('IMXP_CA'))
    .option('--cert <file>', 'PEM file of a client certificate that names the address, to log in without a password')
    .option('--key <file>', 'PEM file of its private key')
    .option('--legacy-tls', 'also accept a relay that supports only the TLS of the year 2000, which is insecure');
}

export interface AttachOptions {
  readonly autoAccept?: boolean;
  readonly reconnect?: boolean | ReconnectOptions;
  readonly override?: boolean;
  readonly queueGroup?: boolean;
}

/** Adds the option of commands that somebody without an account can use. */
export function withAnonymous(command: Command): Command {
  return command
    .addOption(fromOption())
    .addOption(
      new Option(
        '--anonymous',
        'attach without an account, at the relay of the domain of the other side; its policy must allow that',
      ).conflicts(['from', 'loginName', 'passwordFile', 'cert', 'key']),
    );
}

/**
 * Options for attaching as somebody, or anonymously at the relay of another's domain. @throws CommandError when neither is
 * asked for
 */
export async function partyOptions(
  from: string | undefined,
  other: string,
  options: EndpointCommandOptions,
): Promise<EndpointOptions> {
  if (options.anonymous === true) {
    const domain = other.slice(other.lastIndexOf('@') + 1);
    const { address: _address, ...ways } = connectionOptions('', options);
    return { ...ways, anonymous: domain };
  }
  // Asked for before any action, unless a program uses these functions by themselves.
  if (from === undefined) throw new CommandError(EXIT.USAGE, 'say who you are with --from, or --anonymous');
  return await endpointOptions(from, options);
}

/** Options for attaching. Prompts for the password when neither it nor a certificate is given. */
export async function endpointOptions(address: string, options: EndpointCommandOptions): Promise<EndpointOptions> {
  const { passwordFile, storedPassword: stored, cert, key } = options;
  const certified = cert !== undefined || key !== undefined;
  const password =
    certified && passwordFile === undefined
      ? undefined
      : await obtainPassword({ passwordFile, stored, subject: address });
  return { ...connectionOptions(address, options), ...(password === undefined ? {} : { password }) };
}

/** The options for coming to the relay, without a password. */
export function connectionOptions(
  address: string,
  { relay, dialect, nameServer, loginName, tls, ca, cert, key, legacyTls }: EndpointCommandOptions,
): EndpointOptions {
  return {
    address,
    ...(relay === undefined ? {} : { relay }),
    ...(dialect === undefined ? {} : { dialect }),
    ...(nameServer === undefined ? {} : { nameServers: [nameServer] }),
    ...(loginName === undefined ? {} : { loginName }),
    ...(cert === undefined ? {} : { certificate: cert }),
    ...(key === undefined ? {} : { key }),
    ...(legacyTls === undefined ? {} : { legacyTls }),
    ...(tls === undefined ? {} : { tls }),
    ...(ca === undefined ? {} : { ca }),
  };
}

/** Attaches. @throws as {@link Endpoint.connect} */
export async function attach(options: EndpointOptions, more: AttachOptions = {}): Promise<Endpoint> {
  return await Endpoint.connect({ ...options, ...more });
}

/**
 * Attaches for a command that only sends and asks, beside whatever else is attached under the address; what arrives for it is
 * refused at once. Without S/MIME, unless the options say otherwise.
 */
export async function attachToAsk(options: EndpointOptions, more: AttachOptions = {}): Promise<Endpoint> {
  return await Endpoint.connect({ secure: false, ...options, ...more, sendOnly: true });
}

/**
 * Attaches under the address itself or, where another program is attached as that, under a subaddress beside it.
 *
 * @param use what the command does, for the subaddress
 */
export async function attachBeside(options: EndpointOptions, use: string, more: AttachOptions = {}): Promise<Endpoint> {
  try {
    return await attach(options, more);
  } catch (error) {
    const taken = error instanceof RefusedError && error.reply.code === 554;
    if (!taken || options.address === undefined) throw error;
    return await attach({ ...options, address: beside(options.address, use) }, more);
  }
}
