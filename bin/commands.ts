/** The commands of the program, in the order of its help. */
import { register as access } from './access.js';
import { register as account } from './account.js';
import { register as certs } from './certs.js';
import { register as chat } from './chat.js';
import { register as check } from './check.js';
import { register as completion } from './completion.js';
import { register as demo } from './demo.js';
import { register as interop } from './interop.js';
import { register as listen } from './listen.js';
import { register as ping } from './ping.js';
import { register as presence } from './presence.js';
import { register as relay } from './relay.js';
import { register as send } from './send.js';
import { register as status } from './status.js';
import type { Register } from './support/program.js';
import { register as top } from './top.js';
import { register as trace } from './trace.js';
import { register as wire } from './wire.js';

export const COMMANDS: readonly Register[] = [
  relay,
  check,
  status,
  top,
  account,
  certs,
  send,
  listen,
  chat,
  access,
  presence,
  trace,
  ping,
  wire,
  interop,
  demo,
  completion,
];
