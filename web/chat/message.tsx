/** One message of a conversation, and what became of it. */
import { Fragment } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Client } from './client.js';
import { Icon, type IconName } from './icons.js';
import type { Entry, State } from './types.js';
import { clock, sizeOf } from './words.js';

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
  const { at, text, file, state } = entry;
  const own = state !== 'received';
  return (
    <li class={own ? 'message own' : 'message'}>
      <span class="sr">{own ? 'You' : entry.peer}: </span>
      <div class="bubble">
        {file === undefined ? <p dir="auto">{linked(text)}</p> : <FileView entry={entry} client={client} />}
        <span class="foot">
          <time dateTime={new Date(at).toISOString()}>{clock(at)}</time>
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

/** Text with what begins with https:// made a link. */
function linked(text: string) {
  return text.split(/(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]'])/).map((part, index) =>
    index % 2 === 0 ? (
      part
    ) : (
      <a href={part} target="_blank" rel="noopener noreferrer">
        {part}
      </a>
    ),
  );
}
