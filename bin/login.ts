/** `imxp login`: stores who one is and at which relay, as a context that later commands use. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { accountOf } from './support/context-options.js';
import { type Context, contextDirectory, readContexts, writeContexts, writePrivately } from './support/contexts.js';
import {
  attachToAsk,
  connectionOptions,
  type EndpointCommandOptions,
  endpointOptions,
  withConnection,
} from './support/endpoint.js';
import { CommandError, EXIT } from './support/exit.js';
import { forget, keep } from './support/keyring.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { addressArgument, shownName } from './support/names.js';
import { note, print, printJson } from './support/output.js';
import { obtainPassword } from './support/password.js';

const PLACES = ['keyring', 'file', 'ask'] as const;
type Place = (typeof PLACES)[number];

interface LoginOptions extends EndpointCommandOptions {
  readonly name?: string;
  readonly password?: Place;
  readonly check: boolean;
  readonly json?: boolean;
}

/** Names become names of files. */
const NAME = /^[A-Za-z0-9][\w.@=+-]{0,127}$/;

/** Puts the password where it is kept. @returns the place, and the password unless it is in a file of the user */
async function stored(
  address: string,
  name: string,
  options: LoginOptions,
): Promise<{ readonly password: Context['password']; readonly given: string | undefined }> {
  const { passwordFile, cert, password: place } = options;
  if (passwordFile !== undefined) {
    const file = resolve(passwordFile);
    return { password: { file }, given: undefined };
  }
  if (cert !== undefined || (place === 'ask' && !options.check)) return { password: 'ask', given: undefined };
  const secret = await obtainPassword({ subject: address });
  if (place === 'ask') return { password: 'ask', given: secret };
  if (place === 'file') {
    const file = resolve(contextDirectory(), `${name}.password`);
    await writePrivately(file, `${secret}\n`);
    return { password: { file }, given: secret };
  }
  if (await keep(accountOf(address), secret)) return { password: 'keyring', given: secret };
  if (place === 'keyring') {
    throw new CommandError(EXIT.UNAVAILABLE, 'the keyring of the system did not take the password', {
      hint: 'It needs secret-tool (Debian: libsecret-tools) and an unlocked keyring; or use --password file.',
    });
  }
  note('There is no keyring here: the password will be asked for. "--password file" stores it in a file.');
  return { password: 'ask', given: secret };
}

/** @throws ImxpError when the relay does not let one in */
async function checked(address: string, options: LoginOptions, given: string | undefined) {
  const settings =
    given !== undefined
      ? { ...connectionOptions(address, options), password: given }
      : await endpointOptions(address, options);
  const endpoint = await attachToAsk(settings);
  const { relay } = endpoint;
  await endpoint.close();
  return relay;
}

async function login(address: string, options: LoginOptions): Promise<void> {
  const { relay, dialect, nameServer, loginName, tls, ca, cert, key, check, json, name = address } = options;
  if (!NAME.test(name)) {
    throw new CommandError(EXIT.USAGE, `${JSON.stringify(name)} cannot be the name of a context`, {
      hint: 'Give another with --name: letters, digits and ._@=+- only.',
    });
  }
  const { password, given } = await stored(address, name, options);
  const at = check ? await checked(address, options, given) : undefined;
  const context: Context = {
    from: address,
    ...(relay === undefined ? {} : { relay: relay.url }),
    ...(dialect === undefined ? {} : { dialect }),
    ...(nameServer === undefined ? {} : { nameServer }),
    ...(loginName === undefined ? {} : { loginName }),
    ...(tls === undefined ? {} : { tls }),
    ...(ca === undefined ? {} : { ca: resolve(ca) }),
    ...(cert === undefined ? {} : { cert: resolve(cert) }),
    ...(key === undefined ? {} : { key: resolve(key) }),
    password,
  };
  const { contexts } = await readContexts();
  await writeContexts({ current: name, contexts: { ...contexts, [name]: context } });
  if (password !== 'keyring') await forget(accountOf(address));
  if (json === true) printJson({ context: name, ...context });
  else
    print(
      `${shownName(address)}${at === undefined ? '' : ` at ${at}`}: stored as context ${name}, which is in use now`,
    );
}

export function register(command: Command): void {
  command
    .argument('<address>', 'your address', addressArgument)
    .option('--name <context>', 'name of the context; default: the address')
    .addOption(
      new Option(
        '--password <where>',
        'where the password is kept; default: in the keyring of the system if there is one, otherwise it is asked for',
      ).choices(PLACES),
    )
    .option('--no-check', 'do not log in to see whether it works')
    .option('--json', 'print the context as JSON');
  withConnection(command).action(login);
  explain(command, {
    about: `Afterwards commands such as imxp send need neither --from nor --relay. The password is that of --password-file, whose
path is stored, or IMXP_PASSWORD, or asked for; the keyring is used by secret-tool (Debian: libsecret-tools). The contexts are in
imxp/contexts.json of the directory for configuration (XDG_CONFIG_HOME, ~/.config), readable by you alone.

What is given on the command line or in the environment (IMXP_FROM, IMXP_RELAY, IMXP_CA) counts more than a context. A context is
not used for another account unless --context names it.`,
    exits: { 0: 'stored', ...ENDPOINT_EXITS, 69: 'the relay, or the keyring that was asked for, cannot be reached' },
    examples: [
      'imxp login fred@example.com --relay tcp://relay.example.com:10913 --ca ca.crt',
      'imxp login fred@example.com --password-file secrets/fred --name work',
      'imxp send barney@rubble.com Hello       # needs no options then',
    ],
    see: ['imxp context', 'imxp send'],
  });
}
