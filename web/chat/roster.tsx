/** The list of conversations, with who is there. */
import { useState } from 'preact/hooks';
import { CertificateDialog } from './certificate.js';
import type { Client } from './client.js';
import { Dialog } from './dialog.js';
import { DialogEnd } from './dialog-end.js';
import { Icon } from './icons.js';
import { RoundButton } from './round-button.js';
import { wordsFor } from './session.js';
import type { Contact, Presence } from './types.js';
import { briefly, hueOf, initialsOf } from './words.js';

/** Colours of pictures; each is in the style sheet. */
const HUES = 8;

const PRESENCE: Readonly<Record<Presence, string>> = {
  open: 'here now',
  closed: 'away',
  hidden: 'does not show their presence',
  unknown: 'presence unknown',
};

export function presenceText(presence: Presence | undefined): string {
  return PRESENCE[presence ?? 'unknown'];
}

export function Face({ address, presence }: { readonly address: string; readonly presence?: Presence | undefined }) {
  return (
    <span class={`face hue-${hueOf(address, HUES)}`} aria-hidden="true">
      {initialsOf(address)}
      {presence === 'open' || presence === 'closed' ? <span class={`dot ${presence}`} /> : null}
    </span>
  );
}

export function Roster({ client }: { readonly client: Client }) {
  const [dialog, setDialog] = useState<'add' | 'certificate' | 'leave' | undefined>();
  const contacts = [...client.contacts.values()].sort(byRecency);
  const close = (): void => setDialog(undefined);
  return (
    <nav class="roster" aria-label="Conversations">
      <header>
        <Face address={client.account} />
        <h1 title={client.account}>{client.account}</h1>
        <RoundButton icon="plus" label="Add somebody" onClick={() => setDialog('add')} />
        <RoundButton icon="shield" label="Certificate" onClick={() => setDialog('certificate')} />
        <RoundButton icon="away" label="Log out" onClick={() => setDialog('leave')} />
      </header>
      <Notifications />
      {contacts.length === 0 ? (
        <div class="empty">
          <p>Nobody is here yet.</p>
          <button type="button" class="primary" onClick={() => setDialog('add')}>
            Add somebody
          </button>
        </div>
      ) : (
        <ul>
          {contacts.map((contact) => (
            <Row key={contact.address} contact={contact} client={client} />
          ))}
        </ul>
      )}
      {dialog === 'add' ? <AddDialog client={client} close={close} /> : null}
      {dialog === 'certificate' ? <CertificateDialog client={client} close={close} /> : null}
      {dialog === 'leave' ? <LeaveDialog client={client} close={close} /> : null}
    </nav>
  );
}

function Row({ contact, client }: { readonly contact: Contact; readonly client: Client }) {
  const { address, last, unread, added } = contact;
  const presence = client.presence.get(address);
  const current = client.peer === address;
  const failed = last?.state === 'failed' || last?.state === 'unknown';
  return (
    <li>
      <a href={`#${encodeURIComponent(address)}`} aria-current={current ? 'page' : undefined}>
        <Face address={address} presence={presence} />
        <span class="who">{address}</span>
        <span class="sr">, {added ? presenceText(presence) : 'not in your contacts'}</span>
        {last === undefined ? null : <time dateTime={new Date(last.at).toISOString()}>{briefly(last.at)}</time>}
        <span class={failed ? 'last failed' : 'last'}>
          {failed ? 'Not delivered: ' : last !== undefined && last.state !== 'received' ? 'You: ' : ''}
          {last?.text ?? presenceText(presence)}
        </span>
        {unread > 0 ? (
          <span class="unread">
            {unread}
            <span class="sr"> unread</span>
          </span>
        ) : null}
      </a>
    </li>
  );
}

function Notifications() {
  // Browsers of phones have none in a page that is not installed.
  const [permission, setPermission] = useState('Notification' in globalThis ? Notification.permission : 'denied');
  if (permission !== 'default') return null;
  return (
    <button
      type="button"
      class="offer"
      onClick={() => void Notification.requestPermission().then((answer) => setPermission(answer))}
    >
      <Icon name="bell" />
      Turn on notifications
    </button>
  );
}

function AddDialog({ client, close }: { readonly client: Client; readonly close: () => void }) {
  const [address, setAddress] = useState('');
  const [show, setShow] = useState(true);
  const [trouble, setTrouble] = useState('');
  const add = async (): Promise<void> => {
    try {
      location.hash = encodeURIComponent(await client.add(address, show));
      close();
    } catch (error) {
      setTrouble(wordsFor(error));
    }
  };
  return (
    <Dialog title="Add somebody" close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void add();
        }}
      >
        <label>
          Their address
          <input
            type="text"
            inputMode="email"
            required
            autocapitalize="none"
            autocomplete="off"
            spellcheck={false}
            placeholder="barney@rubble.com"
            value={address}
            onInput={({ currentTarget }) => setAddress(currentTarget.value)}
          />
        </label>
        <label class="choice">
          <input type="checkbox" checked={show} onChange={({ currentTarget }) => setShow(currentTarget.checked)} />
          Let them see when I am here
        </label>
        <DialogEnd trouble={trouble} label="Add" close={close} />
      </form>
    </Dialog>
  );
}

function LeaveDialog({ client, close }: { readonly client: Client; readonly close: () => void }) {
  const [erase, setErase] = useState(false);
  return (
    <Dialog title="Log out?" close={close}>
      <p>The password is removed from this device, in all tabs.</p>
      <label class="choice">
        <input type="checkbox" checked={erase} onChange={({ currentTarget }) => setErase(currentTarget.checked)} />
        Delete the conversations and the certificate on this device as well
      </label>
      <div class="buttons">
        <button type="button" class="quiet" onClick={close}>
          Cancel
        </button>
        <button type="button" class="primary" onClick={() => void client.leave(erase)}>
          Log out
        </button>
      </div>
    </Dialog>
  );
}

function byRecency(one: Contact, other: Contact): number {
  return (other.last?.at ?? 0) - (one.last?.at ?? 0) || one.address.localeCompare(other.address);
}
