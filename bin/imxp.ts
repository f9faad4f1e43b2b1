#!/usr/bin/env node
/** The command line: one file per command; this one only gathers them. */
import { register as access } from './access.js';
import { register as account } from './account.js';
import { register as certs } from './certs.js';
import { register as chat } from './chat.js';
import { register as check } from './check.js';
import { register as completion } from './completion.js';
import { register as demo } from './demo.js';
import { register as listen } from './listen.js';
import { register as ping } from './ping.js';
import { register as presence } from './presence.js';
import { register as relay } from './relay.js';
import { register as send } from './send.js';
import { register as status } from './status.js';
import { makeProgram, runProgram } from './support/program.js';
import { register as top } from './top.js';
import { register as trace } from './trace.js';
import { register as wire } from './wire.js';

const EXAMPLES = `Examples:
  imxp certs --out certs --domain example.com        an authority and a certificate
  imxp check --config mesh.json                      is the configuration usable?
  imxp account add fred@example.com --config mesh.json
  echo Hello | imxp send --from fred@example.com --to barney@rubble.com
  imxp presence poll fred@example.com --from barney@rubble.com
  imxp demo                                          two domains on this machine, and a message across

Exit codes: 0 done, 1 failed, 64 wrong usage, 69 unavailable, 77 refused, 78 configuration not usable`;

/** In the order of the help. */
const COMMANDS = [
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
  demo,
  completion,
];

await runProgram(makeProgram(COMMANDS, EXAMPLES));
