/** `imxp wire`: decodes a recorded byte stream frame by frame. */
import { buffer } from 'node:stream/consumers';
import { type Command, InvalidArgumentError } from 'commander';
import { type Connection, connections } from '../kit/decoder/connections.js';
import { RecordingError } from '../kit/decoder/packet.js';
import { isRecording, packets, uncompressed } from '../kit/decoder/recording.js';
import { segments } from '../kit/decoder/segment.js';
import { type Entry, WatchedSession } from '../kit/decoder/session.js';
import { harmless, paint } from '../lib/ops/terminal.js';
import { CommandError, EXIT } from './support/exit.js';
import { readGivenFile } from './support/files.js';
import { explain } from './support/manual.js';
import { note, print, printJson } from './support/output.js';

const RECORD_ANEW = 'Record with tcpdump -s 0 -w FILE, which writes whole packets.';

interface WireOptions {
  readonly port?: number;
  readonly json?: boolean;
}

function portArgument(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('not a port number from 1 to 65535.');
  return port;
}

async function octetsOf(file: string): Promise<Buffer> {
  if (file === '-') {
    if (process.stdin.isTTY) note('Reading octets from the terminal; end with Ctrl-D:');
    return buffer(process.stdin);
  }
  return await readGivenFile(file);
}

function recorded(file: Buffer, port: number | undefined): Connection[] {
  try {
    const octets = uncompressed(file);
    if (isRecording(octets)) return connections(segments(packets(octets)), port);
    const chunks = octets.length === 0 ? [] : [{ side: 'I' as const, octets, time: undefined }];
    return [{ initiator: '', listener: '', chunks, remarks: [] }];
  } catch (error) {
    if (error instanceof RecordingError)
      throw new CommandError(EXIT.FAILED, error.message, { cause: error, hint: RECORD_ANEW });
    throw error;
  }
}

function* entriesOf(connection: Connection): Generator<Entry> {
  const session = new WatchedSession(new Set(connection.chunks.map(({ side }) => side)).size === 2);
  for (const chunk of connection.chunks) yield* session.take(chunk);
  yield* session.finish();
}

/** Formats an entry: offset, time since the first octet, side, header, meaning. */
function text(entry: Entry, start: number | undefined, sided: boolean): string {
  const { frame, meaning, fault, unread, time } = entry;
  const columns = [String(entry.offset).padStart(8)];
  if (start !== undefined) columns.push((time === undefined ? '' : (time - start).toFixed(6)).padStart(11));
  if (sided) columns.push(entry.side);
  const said = meaning === undefined ? '' : `  ${paint('cyan', harmless(meaning.summary).replaceAll(/\s+/g, ' '))}`;
  const lines = [
    `${columns.join('  ')}  ${frame === undefined ? paint('yellow', unread ?? '') : harmless(frame.line).padEnd(26)}${said}`,
  ];
  const indent = ' '.repeat(columns.join('  ').length + 2);
  if (meaning?.refusal !== undefined) {
    lines.push(`${indent}${paint('yellow', 'refusable:')} ${harmless(meaning.refusal)}`);
  }
  if (fault !== undefined) lines.push(`${indent}${paint('red', `fault ${fault.rule}:`)} ${harmless(fault.text)}`);
  return lines.join('\n').trimEnd();
}

function json(entry: Entry, connection: number): object {
  const { side, offset, octets, time, frame, meaning, fault, unread } = entry;
  const header = frame?.header;
  const facts =
    frame === undefined || header === undefined
      ? {}
      : frame.keyword === 'SEQ'
        ? { keyword: 'SEQ', channel: header.channel, ackno: header.seqno, window: header.size }
        : {
            keyword: frame.keyword,
            channel: header.channel,
            msgno: header.msgno,
            more: header.more,
            seqno: header.seqno,
            size: header.size,
            ...(frame.keyword === 'ANS' ? { ansno: header.ansno } : {}),
          };
  return {
    connection,
    side,
    offset,
    octets,
    ...(time === undefined ? {} : { time }),
    ...facts,
    ...(meaning === undefined ? {} : { meaning: meaning.summary }),
    ...(meaning?.refusal === undefined ? {} : { refusal: meaning.refusal }),
    ...(fault === undefined ? {} : { fault }),
    ...(unread === undefined ? {} : { unread }),
  };
}

/** Prints a connection. @returns the number of faults */
function show(connection: Connection, number: number, options: WireOptions): number {
  const { initiator, listener, chunks, remarks } = connection;
  const start = chunks[0]?.time;
  if (options.json !== true && initiator !== '') {
    const begun = start === undefined ? '' : `, ${new Date(start * 1000).toISOString()}`;
    print(paint('bold', `${number > 0 ? '\n' : ''}I ${initiator}  ->  L ${listener}${begun}`));
  }
  for (const remark of remarks) note(`connection ${number}: ${remark}`);
  let faults = 0;
  for (const entry of entriesOf(connection)) {
    if (options.json === true) printJson(json(entry, number));
    else print(text(entry, start, initiator !== ''));
    if (entry.fault !== undefined) faults += 1;
  }
  return faults;
}

async function wire(file = '-', options: WireOptions = {}): Promise<void> {
  const octets = await octetsOf(file);
  let faults = 0;
  for (const [number, connection] of recorded(octets, options.port).entries()) {
    faults += show(connection, number, options);
  }
  if (faults > 0) process.exitCode = EXIT.FAILED;
}

export function register(command: Command): void {
  command
    .argument('[file]', 'octets of one direction, or a pcap or pcapng file, also in gzip; default or -: standard input')
    .option(
      '--port <port>',
      'decode only connections whose listener has this port (recordings of packets)',
      portArgument,
    )
    .option('--json', 'print one JSON object per frame')
    .action((file: string | undefined, options: WireOptions) => wire(file, options));
  explain(command, {
    about: `Shows each frame with its offset and the meaning of its message; in a packet recording also its time and side (I: the
initiator, L: the listener). A fault names the rule of RFC 3080 §2.2.1.1 by number: PF-1 keyword, PF-2 header, PF-3 channel,
PF-4 MSG in use, PF-5 already answered, PF-6 not asked, PF-7 and PF-8 keyword of a continuation, PF-9 another message in
between, PF-10 sequence number, PF-11 NUL, PF-12 trailer; "window" and "SEQ" are rules of RFC 3081. Rules that need both
sides (PF-3 to PF-6, windows) are checked if both are recorded. "refusable" marks what a relay answers with an error.
Octets under TLS cannot be decoded. The contents of messages and of SASL exchanges are not shown.`,
    exits: { 0: 'no faults', 1: 'faults were found', 64: 'invalid command line, or the file cannot be read' },
    examples: [
      'tcpdump -i lo -s 0 -w mesh.pcap port 10913',
      "dumpcap -i lo -f 'tcp port 10913' -w mesh.pcapng",
      'imxp wire mesh.pcap --port 10913',
      'nc relay.example.com 10913 < /dev/null | imxp wire',
      "imxp wire mesh.pcap --json | jq 'select(.fault)'",
    ],
    see: ['imxp trace', 'imxp relay'],
  });
}
