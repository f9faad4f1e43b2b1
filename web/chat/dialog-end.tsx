/** End of a form in a dialog: what was wrong with it, and the buttons. */

interface DialogEndProps {
  /** Why it could not be done; empty where nothing is wrong. */
  readonly trouble: string;
  /** What the form does. */
  readonly label: string;
  readonly disabled?: boolean;
  readonly close: () => void;
}

export function DialogEnd({ trouble, label, disabled = false, close }: DialogEndProps) {
  return (
    <>
      <p class="trouble" role="alert">
        {trouble}
      </p>
      <div class="buttons">
        <button type="button" class="quiet" onClick={close}>
          Cancel
        </button>
        <button type="submit" class="primary" disabled={disabled}>
          {label}
        </button>
      </div>
    </>
  );
}
