/** A button that is an icon alone; its label is for those who do not see that, and in its tooltip. */
import { Icon, type IconName } from './icons.js';

interface RoundButtonProps {
  readonly icon: IconName;
  readonly label: string;
  /** The tooltip, where it says more than the label. */
  readonly title?: string;
  /** For a button that is on or off. */
  readonly pressed?: boolean;
  readonly more?: string;
  readonly onClick: () => void;
}

export function RoundButton({ icon, label, title = label, pressed, more = '', onClick }: RoundButtonProps) {
  return (
    <button
      type="button"
      class={`round ${more}`}
      aria-label={label}
      aria-pressed={pressed}
      title={title}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}
