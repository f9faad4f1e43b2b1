/** Icons, drawn in the colour of the text. They say nothing to a screen reader: what they are beside does. */
const PATHS = {
  send: 'M4 12 20 4l-5.500 16-3-6.500z M11.500 13.500 20 4',
  clip: 'm20 11-8.200 8.200a5 5 0 0 1-7-7L13 4a3.300 3.300 0 0 1 4.700 4.700L9.600 16.800a1.700 1.700 0 0 1-2.400-2.400l7.500-7.400',
  back: 'M15 5l-7 7 7 7',
  plus: 'M12 5v14M5 12h14',
  bin: 'M5 7h14M10 7V4.500h4V7M7 7l.8 12.500h8.400L17 7M10.500 11v5M13.500 11v5',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2',
  check: 'm5 12.500 4.500 4.500L19 7.500',
  inbox: 'M4 13 7 5h10l3 8v6H4zM4 13h5l1 2h4l1-2h5',
  cross: 'M12 8v5M12 16.500v.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z',
  question:
    'M9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.7.4-1 .9-1 1.700M12 16.500v.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z',
  bell: 'M6 16V11a6 6 0 1 1 12 0v5l1.500 2h-15zM10 20.500h4',
  shield: 'M12 3 5 6v5c0 4.500 3 8 7 10 4-2 7-5.500 7-10V6z',
  pen: 'M4 20h4L19 9l-4-4L4 16zM13 7l4 4',
  lock: 'M7 11V8a5 5 0 0 1 10 0v3M5.500 11h13v9h-13z',
  away: 'M9 6V4h11v16H9v-2M15 12H3m4-4-4 4 4 4',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
