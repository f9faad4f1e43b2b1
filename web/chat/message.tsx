/** One message of a conversation, and what became of it. */
import { Fragment } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Client } from './client.js';
import { Icon, type IconName } from './icons.js';
import type { Entry, State } from './types.js';
import { clock, day, sameDay, sizeOf } from './words.js';

const STATES: Readonly<Record<Exclude<State, 'received'>, readonly [icon: IconName, words: string]>> = {
  waiting: ['clock', 'waits for the connection'],
  sending: ['clock', 'sent, not yet answered'],
  delivered: ['check', 'delivered'],
  held: ['inbox', 'held by their relay until they are there'],
  failed: ['cross', 'not delivered'],
  unknown: ['question', 'perhaps delivered'],
};

/** Types that are shown as pictures; others may contain scripts. */
const PICTURES: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
const PICTURE_OCTETS = 20_000_000;

export function MessageItem({ entry, client }: { readonly entry: Entry; readonly client: Client }) {
  const { at, written = at, text, file, state, reason } = entry;
  const unread = state === 'received' && reason !== undefined;
  const own = state !== 'received';
  return (
    <li class={own ? 'message own' : 'message'}>
      <span class="sr">{own ? 'You' : entry.peer}: </span>
      <div class="bubble">
        {unread ? (
          <p class="unreadable">This message could not be read: {reason}</p>
        ) : file === undefined ? (
          <Text text={text} />
        ) : (
          <FileView entry={entry} client={client} />
        )}
        <ProofMark entry={entry} />
        <span class="foot">
          <time dateTime={new Date(written).toISOString()}>
            {sameDay(written, at) ? clock(written) : `${day(written)}, ${clock(written)}`}
          </time>
          <ProtectMark entry={entry} />
          {state === 'received' ? null : <StateMark state={state} />}
        </span>
      </div>
      {state === 'failed' || state === 'unknown' ? (
        <p class="why">
          {state === 'failed' ? 'Not delivered' : 'Perhaps not delivered'}: {entry.reason}{' '}
          <button type="button" class="link" onClick={() => void client.again(entry)}>
            Send again
          </button>
        </p>
      ) : null}
    </li>
  );
}

/** How an own message was protected. */
function ProtectMark({ entry: { protect } }: { readonly entry: Entry }) {
  if (protect === undefined) return null;
  const words = protect.sign ? (protect.encrypt ? 'signed and encrypted' : 'signed') : 'encrypted';
  return (
    <span class="protected" title={words}>
      {protect.sign ? <Icon name="pen" /> : null}
      {protect.encrypt ? <Icon name="lock" /> : null}
      <span class="sr">{words}</span>
    </span>
  );
}

/** Who signed a message that has come, and whether it was encrypted. */
function ProofMark({ entry: { proof } }: { readonly entry: Entry }) {
  if (proof === undefined) return null;
  const { encrypted, signed } = proof;
  const words = [...(signed === undefined ? [] : [signed.words]), ...(encrypted ? ['encrypted'] : [])].join(', ');
  return (
    <p
      class={signed?.valid === false ? 'proof bad' : 'proof'}
      title={signed?.fingerprint === undefined ? undefined : `Fingerprint (SHA-256): ${signed.fingerprint}`}
    >
      <Icon name={signed === undefined ? 'lock' : signed.valid ? 'shield' : 'cross'} />
      <span>{words}</span>
    </p>
  );
}

function StateMark({ state }: { readonly state: Exclude<State, 'received'> }) {
  const [icon, words] = STATES[state];
  return (
    <span class={`state ${state}`} title={words}>
      <Icon name={icon} />
      <span class="sr">{words}</span>
    </span>
  );
}

function FileView({ entry, client }: { readonly entry: Entry; readonly client: Client }) {
  const { file } = entry;
  const picture = file !== undefined && PICTURES.has(file.type) && file.size <= PICTURE_OCTETS;
  const [url, setUrl] = useState<string | undefined>();
  useEffect(() => {
    let made: string | undefined;
    let gone = false;
    void client.file(entry).then((blob) => {
      if (gone || blob === undefined) return;
      // Opened in a tab of its own, HTML or SVG would be a page of this origin.
      made = URL.createObjectURL(blob.slice(0, blob.size, picture ? file.type : 'application/octet-stream'));
      setUrl(made);
    });
    return () => {
      gone = true;
      if (made !== undefined) URL.revokeObjectURL(made);
    };
  }, [entry.id]);
  if (file === undefined) return null;
  return (
    <Fragment>
      {picture && url !== undefined ? <img class="picture" src={url} alt={file.name} /> : null}
      <a class="file" {...(url === undefined ? {} : { href: url })} download={file.name}>
        <Icon name="file" />
        <span class="name">{file.name}</span>
        <span class="size">{sizeOf(file.size)}</span>
      </a>
    </Fragment>
  );
}

/** So much of a message is shown before somebody asks for all of it. */
const FOLDED_CHARACTERS = 4000;
/** Line breaks count as well: they make a message as long. */
const FOLDED_LINES = 60;

function Text({ text }: { readonly text: string }) {
  const [whole, setWhole] = useState(false);
  const readable = withoutOverrides(text);
  const part = readable.split('\n', FOLDED_LINES).join('\n').slice(0, FOLDED_CHARACTERS);
  const folded = !whole && part.length < readable.length;
  return (
    <Fragment>
      <p dir="auto">{linked(folded ? `${part}…` : readable)}</p>
      {folded ? (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          Show all {readable.length.toLocaleString()} characters
        </button>
      ) : null}
    </Fragment>
  );
}

/** Without what turns the direction of letters (U+202D, U+202E): nobody writes so, and words would read as others. */
function withoutOverrides(text: string): string {
  return text.replace(/[\u202d\u202e]/g, '');
}

/** Text with what begins with https:// made a link; a link has no characters that are not seen. */
function linked(text: string) {
  return text.split(/(https?:\/\/[^\s\p{C}<>"]+[^\s\p{C}<>".,;:!?)\]'])/u).map((part, index) =>
    index % 2 === 0 ? (
      part
    ) : (
      <a href={part} target="_blank" rel="noopener noreferrer">
        {part}
      </a>
    ),
  );
}
