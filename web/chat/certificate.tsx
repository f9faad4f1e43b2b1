/** The certificate that messages are signed and decrypted with: its import, and what it says. */
import { useState } from 'preact/hooks';
import type { Client } from './client.js';
import { Dialog } from './dialog.js';
import { DialogEnd } from './dialog-end.js';
import { wordsFor } from './session.js';
import type { OwnCertificate } from './types.js';
import { date } from './words.js';

interface CertificateDialogProps {
  readonly client: Client;
  readonly close: () => void;
}

export function CertificateDialog({ client, close }: CertificateDialogProps) {
  const { certificate } = client;
  return (
    <Dialog title="Certificate" close={close}>
      {certificate === undefined ? (
        <Import client={client} close={close} />
      ) : (
        <Facts certificate={certificate} client={client} close={close} />
      )}
    </Dialog>
  );
}

function Import({ client, close }: CertificateDialogProps) {
  const [file, setFile] = useState<File | undefined>();
  const [passphrase, setPassphrase] = useState('');
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  const load = async (): Promise<void> => {
    if (file === undefined) return;
    setBusy(true);
    try {
      await client.importCertificate(file, passphrase);
    } catch (error) {
      setTrouble(wordsFor(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void load();
      }}
    >
      <p>
        With a certificate for {client.account} your messages are signed, and others can encrypt for you (S/MIME). The
        key stays in this browser, which gives it to nobody; keep the file.
      </p>
      <label>
        Certificate with its key (.p12, .pfx or .pem)
        <input
          type="file"
          required
          accept=".p12,.pfx,.pem,.crt,application/x-pkcs12"
          onChange={({ currentTarget }) => setFile(currentTarget.files?.[0])}
        />
      </label>
      <label>
        Passphrase of the file, if it has one
        <input
          type="password"
          autocomplete="off"
          value={passphrase}
          onInput={({ currentTarget }) => setPassphrase(currentTarget.value)}
        />
      </label>
      <DialogEnd trouble={trouble} label={busy ? 'Importing…' : 'Import'} disabled={busy} close={close} />
    </form>
  );
}

function Facts({ certificate, client, close }: CertificateDialogProps & { readonly certificate: OwnCertificate }) {
  const { addresses, until, fingerprint } = certificate;
  const expired = until < Date.now();
  return (
    <div class="facts">
      <dl>
        <dt>For</dt>
        <dd>{addresses.join(', ')}</dd>
        <dt>{expired ? 'Expired' : 'Valid until'}</dt>
        <dd class={expired ? 'bad' : undefined}>{date(until)}</dd>
        <dt>Fingerprint (SHA-256)</dt>
        <dd class="fingerprint">{fingerprint}</dd>
      </dl>
      <div class="buttons">
        <button type="button" class="quiet" onClick={() => void client.removeCertificate()}>
          Remove from this device
        </button>
        <button type="button" class="primary" onClick={close}>
          Close
        </button>
      </div>
    </div>
  );
}
