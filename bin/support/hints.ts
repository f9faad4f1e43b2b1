/** Hints: what the user can do about an error, by its code and by the reply code of the peer. Prints nothing. */
import { type ErrorCode, ImxpError, RefusedError, type Reply } from '../../lib/errors.js';
import { addressOf } from '../../lib/imxp/address.js';
import { CommandError, isForNow } from './exit.js';

const CHECK_PASSWORD = 'Check the address and the password (--password-file or IMXP_PASSWORD).';
const NO_RELAY_THERE = 'Whatever listens there is not a relay: check the host and port of --relay (or IMXP_RELAY).';
const NAME_RELAY = 'Name the relay with --relay (or IMXP_RELAY); imxp check --dns DOMAIN shows what the DNS says.';
const UNKNOWN_RESULT = 'Whether it was delivered is not known: ask the recipient before you send it again.';
const CHECK_XMPP_SERVER =
  'Check that the XMPP server is running and has the component, and that xmpp.host and xmpp.port name its port for components.';
const TRY_LATER = 'Try again later.';
const HOLD = 'This may pass: try again later, or use imxp send --hold to have the relay keep the message.';
const PROBE_AGAIN = 'This may pass: try again when the recipient is attached.';
const FULL_DEVICE = 'Make room on the device.';

const HINTS: Partial<Record<ErrorCode, string>> = {
  NO_RELAY: NAME_RELAY,
  LOOKUP_FAILED: NAME_RELAY,
  CONNECT_FAILED: 'Check that the relay is running, and that --relay (or IMXP_RELAY) names its host and port.',
  TIMED_OUT: `The peer may be overloaded or out of reach. ${TRY_LATER}`,
  CONNECTION_LOST: TRY_LATER,
  BEEP_UNAVAILABLE: `The relay accepts no sessions now. ${TRY_LATER}`,
  BEEP_HEADER_INVALID: NO_RELAY_THERE,
  BEEP_HEADER_TOO_LONG: NO_RELAY_THERE,
  BEEP_GREETING_INVALID: NO_RELAY_THERE,
  WEBSOCKET_INVALID: 'Check the host, port and path of the URL given as --relay.',
  SASL_REFUSED: CHECK_PASSWORD,
  SASL_NO_MECHANISM:
    'The relay may want TLS first (--tls require) or a certificate (--cert and --key); ask its operator for sasl.mechanisms.',
  SASL_SERVER_UNPROVEN: 'Do not trust this relay: check --relay, and use --tls require with --ca.',
  START_REFUSED: 'The relay may speak another dialect (--dialect), or want TLS first (--tls require).',
  TLS_REQUIRED: 'Use a relay that offers TLS, or give --tls off if you can trust the network.',
  TLS_REFUSED: `${TRY_LATER} If you can trust the network, --tls off does without TLS.`,
  TLS_FAILED:
    '--legacy-tls accepts a relay that supports nothing newer than the TLS of the year 2000, which is insecure.',
  TLS_INJECTED: 'Somebody may be tampering with the connection: use another network, or --tls require.',
  LISTEN_FAILED:
    'It may pass: systemd starts the node again. ss -ltnp shows who listens where, and ip address the addresses of this machine.',
  SMIME_UNREADABLE: 'Give the certificate it was encrypted for: --identity FILE.',
};

/** By OpenSSL's verdict about the peer's certificate. */
const CERTIFICATE_HINTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'The operator of the relay must renew it; check the clock of this machine, too.',
  CERT_NOT_YET_VALID: 'Check the clock of this machine.',
  CERT_REVOKED: 'Do not trust this relay: ask its operator for the reason.',
};
/** The verdicts that a further CA certificate can change. */
const UNKNOWN_CA = /^(?:SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_\w+)$/;

const REPLY_HINTS: Readonly<Record<number, string>> = {
  421: TRY_LATER,
  450: HOLD,
  451: UNKNOWN_RESULT,
  504: 'A relay on the path does not support an option of this message: send it without.',
  530: 'Log in first: give --password-file, or --cert and --key.',
  534: CHECK_PASSWORD,
  535: CHECK_PASSWORD,
  537: 'The owner decides this, with imxp access allow.',
  538: 'Use TLS: --tls require.',
  550: 'Check the address; imxp check --dns DOMAIN shows whether its domain has a relay.',
  553: 'Check the address: it is not in a domain of that relay.',
  554: 'The recipient rejected it: ask them for the reason.',
  555: 'Somebody else changed it at the same time: try again.',
};

/** What to do about anything that a command may throw; undefined when the message says it itself. */
export function hintFor(error: unknown): string | undefined {
  if (error instanceof CommandError)
    return error.hint ?? (error.cause === undefined ? undefined : hintFor(error.cause));
  if (error instanceof RefusedError && error.code === 'REFUSED') return refusalHint(error);
  if (error instanceof ImxpError && isForNow(error) && error.code !== 'BEEP_UNAVAILABLE') return TRY_LATER;
  if (error instanceof ImxpError && error.code === 'STORE_FAILED') return storeHint(error);
  if (error instanceof ImxpError)
    return certificateHint(error) ?? componentHint(error) ?? sentHint(error) ?? HINTS[error.code];
  return fileHint(error);
}

/** Keys in the configuration of a gateway for the options that hints name. */
const GATEWAY_KEYS: Readonly<Record<string, string>> = {
  relay: 'mesh.relay',
  tls: 'mesh.tls',
  ca: 'mesh.ca',
  'password-file': 'mesh.passwordFile',
  cert: 'mesh.certificate',
  key: 'mesh.key',
};

/** As {@link hintFor}, for a gateway, which has a configuration file where other commands have options. */
export function gatewayHintFor(error: unknown): string | undefined {
  const found = hintFor(error);
  if (found === undefined || /--(?:legacy-tls|dialect)/.test(found)) return undefined;
  return found
    .replace(/(--[a-z-]+)(?: \(or IMXP_[A-Z]+\)| or IMXP_[A-Z]+)/g, '$1')
    .replace(/--ca FILE/g, '--ca')
    .replace(/--([a-z-]+)( (?:require|off)\b)?/g, (all, name: string, value = '') =>
      name in GATEWAY_KEYS ? `${GATEWAY_KEYS[name]}${value}` : all,
    );
}

/** What to do about a refusal that is not thrown, such as one of several recipients. */
function replyHint({ code }: Pick<Reply, 'code'>): string | undefined {
  return REPLY_HINTS[code];
}

/** What to do about a probe that was not answered; a relay holds messages, not probes. */
export function probeHint(reply: Pick<Reply, 'code'>): string | undefined {
  return reply.code === 450 ? PROBE_AGAIN : replyHint(reply);
}

/** What to do about the failure of a message; `held` if the relay was asked to keep it. */
export function sendHint(error: unknown, held: boolean): string | undefined {
  const found = hintFor(error);
  return held && found === HOLD ? TRY_LATER : found;
}

/** Said where the relay of a program that only sends refuses subaddresses. */
const NO_SUBADDRESSES = 'takes no program beside it';

function refusalHint({ message, reply }: RefusedError): string | undefined {
  const [, address] = /^cannot attach as (\S+):/.exec(message) ?? [];
  if (address === undefined) return replyHint(reply);
  switch (reply.code) {
    case 554:
      if (message.includes(NO_SUBADDRESSES))
        return 'End the other program first: this relay lets one program attach at a time.';
      return `Use a subaddress such as ${subaddressOf(address)}, or end the other program; imxp listen --override takes its place.`;
    case 537:
      return `The operator of the relay decides this; there, imxp check --identity ${address} shows what is allowed.`;
    case 550:
    case 553:
      return 'Check the address and --relay: this relay does not serve that address.';
    default:
      return replyHint(reply);
  }
}

function subaddressOf(address: string): string {
  const { local = 'you', domain = 'example.com' } = addressOf(address) ?? {};
  return `${local.split('/', 1)[0]}/laptop@${domain}`;
}

/** Whether the peer's certificate is unacceptable because its CA is not known here. */
export function isUnknownCa({ code, fields }: ImxpError): boolean {
  return code === 'TLS_FAILED' && fields['certificate'] === true && UNKNOWN_CA.test(String(fields['reason']));
}

function certificateHint(error: ImxpError): string | undefined {
  if (error.code !== 'TLS_FAILED' || error.fields['certificate'] !== true) return undefined;
  if (isUnknownCa(error)) {
    return 'Give the CA certificate that signed it: --ca FILE (for a CA made by imxp certs: certs/ca.crt).';
  }
  const reason = String(error.fields['reason']);
  return CERTIFICATE_HINTS[reason] ?? 'Check that the address and --relay belong to the same domain.';
}

/** A component's connection to its XMPP server. */
function componentHint({ code, fields, message }: ImxpError): string | undefined {
  if (code !== 'CONNECT_FAILED' || fields['component'] === undefined) return undefined;
  return message.includes('not-authorized') ? undefined : CHECK_XMPP_SERVER;
}

function storeHint({ fields }: ImxpError): string | undefined {
  // In use: the message names the process, and what to do.
  if (fields['pid'] !== undefined) return undefined;
  if (fields['full'] === true) return FULL_DEVICE;
  return 'Run imxp doctor: it says what is wrong with the store (owner, room, a database that does not answer).';
}

function sentHint({ fields }: ImxpError): string | undefined {
  return fields['sent'] === true ? UNKNOWN_RESULT : undefined;
}

function fileHint(error: unknown): string | undefined {
  const code = error instanceof Error && 'syscall' in error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EISDIR':
      return 'Check the path.';
    case 'EACCES':
    case 'EPERM':
      return 'Check the owner and the permissions (ls -l).';
    case 'ENOSPC':
    case 'EDQUOT':
      return FULL_DEVICE;
    default:
      return undefined;
  }
}
