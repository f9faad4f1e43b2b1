/** A conversation: its messages, and where to write the next. */
import { Fragment } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Client } from './client.js';
import { Dialog } from './dialog.js';
import { Icon } from './icons.js';
import { MessageItem } from './message.js';
import { Face, presenceText } from './roster.js';
import { RoundButton } from './round-button.js';
import { day, sameDay } from './words.js';

/** So near to its end, a conversation stays there when a message comes. */
const NEAR_PX = 120;

export function Conversation({ client, peer }: { readonly client: Client; readonly peer: string }) {
  const [asking, setAsking] = useState(false);
  const [dragged, setDragged] = useState(false);
  const presence = client.presence.get(peer);
  const contact = client.contacts.get(peer);
  return (
    <main
      class={dragged ? 'conversation dragged' : 'conversation'}
      onDragOver={(event) => {
        event.preventDefault();
        setDragged(true);
      }}
      onDragLeave={() => setDragged(false)}
      onDrop={(event) => {
        event.preventDefault();
        setDragged(false);
        sendFiles(client, peer, event.dataTransfer?.files);
      }}
    >
      <header>
        <RoundButton icon="back" label="All conversations" more="back" onClick={showList} />
        <Face address={peer} presence={presence} />
        <div class="title">
          <h1>{peer}</h1>
          <p role="status">{contact?.added === true ? presenceText(presence) : 'not in your contacts'}</p>
        </div>
        <RoundButton icon="bin" label="Remove this conversation" onClick={() => setAsking(true)} />
      </header>
      {contact !== undefined && !contact.added ? <Stranger client={client} peer={peer} /> : null}
      <Log client={client} peer={peer} />
      <Composer key={peer} client={client} peer={peer} />
      {asking ? <RemoveDialog client={client} peer={peer} close={() => setAsking(false)} /> : null}
    </main>
  );
}

/** Somebody has written who is no contact. */
function Stranger({ client, peer }: { readonly client: Client; readonly peer: string }) {
  return (
    <div class="stranger">
      <p>{peer} is not in your contacts.</p>
      <button type="button" class="link" onClick={() => void client.add(peer, true)}>
        Add
      </button>
      <button type="button" class="link" onClick={() => void client.forget(peer, true)}>
        Block
      </button>
    </div>
  );
}

function Log({ client, peer }: { readonly client: Client; readonly peer: string }) {
  const log = useRef<HTMLDivElement>(null);
  const stays = useRef(true);
  const { entries } = client;
  const newest = entries.at(-1)?.id;
  const oldest = entries[0]?.id;
  const height = useRef(0);
  useEffect(() => {
    stays.current = true;
  }, [peer]);
  useLayoutEffect(() => {
    const { current } = log;
    if (current === null) return;
    if (stays.current) current.scrollTop = current.scrollHeight;
  }, [newest, peer, entries]);
  useLayoutEffect(() => {
    const { current } = log;
    if (current === null) return;
    // Older messages above push what is being read down.
    if (!stays.current) current.scrollTop += current.scrollHeight - height.current;
    height.current = current.scrollHeight;
  }, [oldest]);
  return (
    <div
      class="log"
      role="log"
      aria-label={`Messages with ${peer}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
      tabIndex={0}
      ref={log}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        stays.current = scrollHeight - scrollTop - clientHeight < NEAR_PX;
        height.current = scrollHeight;
      }}
      // A picture that has been loaded makes the log longer.
      onLoadCapture={({ currentTarget }) => {
        if (stays.current) currentTarget.scrollTop = currentTarget.scrollHeight;
      }}
    >
      {client.earlier && entries.length >= 100 ? (
        <button type="button" class="quiet earlier" onClick={() => void client.showEarlier()}>
          Show earlier messages
        </button>
      ) : null}
      {entries.length === 0 ? <p class="hint">No messages yet.</p> : null}
      <ol>
        {entries.map((entry, index) => {
          const before = entries[index - 1];
          return (
            <Fragment key={entry.id}>
              {before === undefined || !sameDay(before.at, entry.at) ? <li class="day">{day(entry.at)}</li> : null}
              <MessageItem entry={entry} client={client} />
            </Fragment>
          );
        })}
      </ol>
    </div>
  );
}

function Composer({ client, peer }: { readonly client: Client; readonly peer: string }) {
  const [text, setText] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  const files = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // On a phone the keyboard would cover what there is to read.
    if (matchMedia('(hover: hover)').matches) field.current?.focus();
  }, []);
  const send = (): void => {
    if (text.trim() === '') return;
    // What was not kept is not lost either.
    void client.send(peer, text).then((kept) => {
      if (!kept) setText((since) => `${text}${since}`);
    });
    setText('');
    field.current?.focus();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <input
        ref={files}
        type="file"
        multiple
        hidden
        aria-label="Files to send"
        onChange={({ currentTarget }) => {
          sendFiles(client, peer, currentTarget.files);
          currentTarget.value = '';
        }}
      />
      <RoundButton icon="clip" label="Send a file" onClick={() => files.current?.click()} />
      <Protection client={client} peer={peer} />
      <div class="field" data-text={text}>
        <textarea
          ref={field}
          rows={1}
          dir="auto"
          aria-label={`Message to ${peer}`}
          placeholder="Message"
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
          onPaste={(event) => {
            const pasted = event.clipboardData?.files;
            if (pasted === undefined || pasted.length === 0) return;
            event.preventDefault();
            sendFiles(client, peer, pasted);
          }}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            send();
          }}
        />
      </div>
      <button type="submit" class="round send" aria-label="Send" title="Send (Enter)" disabled={text.trim() === ''}>
        <Icon name="send" />
      </button>
    </form>
  );
}

/** Whether messages are signed and encrypted; for those who have a certificate. */
function Protection({ client, peer }: { readonly client: Client; readonly peer: string }) {
  const protect = client.protection(peer);
  if (protect === undefined) return null;
  const { sign, encrypt } = protect;
  return (
    <Fragment>
      <RoundButton
        icon="pen"
        label="Sign messages"
        title={sign ? 'Messages are signed' : 'Messages are not signed'}
        pressed={sign}
        onClick={() => void client.protect(peer, { sign: !sign, encrypt })}
      />
      <RoundButton
        icon="lock"
        label="Encrypt messages"
        title={encrypt ? 'Messages are encrypted' : 'Messages are not encrypted'}
        pressed={encrypt}
        onClick={() => void client.protect(peer, { sign, encrypt: !encrypt })}
      />
    </Fragment>
  );
}

function RemoveDialog({
  client,
  peer,
  close,
}: {
  readonly client: Client;
  readonly peer: string;
  readonly close: () => void;
}) {
  const [block, setBlock] = useState(false);
  const remove = async (): Promise<void> => {
    await client.forget(peer, block);
    showList();
  };
  return (
    <Dialog title="Remove this conversation?" close={close}>
      <p>
        The messages with {peer} are deleted on this device, and what you allowed them beyond strangers, such as to see
        your presence, is taken back. Their certificate is forgotten, if they have one.
      </p>
      <label class="choice">
        <input type="checkbox" checked={block} onChange={({ currentTarget }) => setBlock(currentTarget.checked)} />
        Refuse further messages from them
      </label>
      <div class="buttons">
        <button type="button" class="quiet" onClick={close}>
          Cancel
        </button>
        <button type="button" class="primary" onClick={() => void remove()}>
          Remove
        </button>
      </div>
    </Dialog>
  );
}

function showList(): void {
  location.hash = '';
}

function sendFiles(client: Client, peer: string, files: FileList | null | undefined): void {
  for (const file of files ?? []) void client.sendFile(peer, file);
}
