/** The mesh as seen from this node: itself in the middle, and around it the neighbours with the state of each link. */
import type { LinkStatus, NodeStatus } from '../../lib/ops/status.js';

const WIDTH = 480;
const HEIGHT = 260;
/** Names beyond this many would overlap; the table has all of them. */
const SHOWN = 14;

/** @param trace traces the way to a neighbour; undefined without a token */
export function MeshMap({
  status,
  trace,
}: {
  readonly status: NodeStatus;
  readonly trace: ((domain: string) => void) | undefined;
}) {
  const links = status.links.slice(0, SHOWN);
  const [own = ''] = status.domains;
  const places = links.map((link, index) => {
    const angle =
      (2 * Math.PI * index) / Math.max(links.length, 1) - Math.PI / 2 + (links.length <= 2 ? Math.PI / 2 : 0);
    return { link, x: WIDTH / 2 + Math.cos(angle) * 165, y: HEIGHT / 2 + Math.sin(angle) * 95 };
  });
  const words = links.map(({ name, state }) => `${name} ${state}`).join(', ');
  return (
    <section class="panel">
      <h2>Mesh from here</h2>
      <svg
        class="map"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role={trace === undefined ? 'img' : 'group'}
        aria-label={`${own}: ${words || 'no links'}`}
      >
        {places.map(({ link, x, y }) => (
          <line key={link.name} class={`link ${kindOf(link.state)}`} x1={WIDTH / 2} y1={HEIGHT / 2} x2={x} y2={y} />
        ))}
        {places.map(({ link, x, y }) => (
          <g key={link.name} {...(trace === undefined ? {} : pressed(link, () => trace(link.name)))}>
            <rect class="target" x={x - 60} y={y - 30} width="120" height="60" />
            <circle class={`node ${kindOf(link.state)}`} cx={x} cy={y} r="9" />
            <text x={x} y={y < HEIGHT / 2 - 1 ? y - 16 : y + 26}>
              {link.name}
            </text>
          </g>
        ))}
        <circle class="node own" cx={WIDTH / 2} cy={HEIGHT / 2} r="14" />
        <text class="own" x={WIDTH / 2} y={HEIGHT / 2 + 32}>
          {own}
        </text>
      </svg>
    </section>
  );
}

/** A neighbour that can be chosen by the mouse and by the keyboard. */
function pressed({ name, state }: LinkStatus, act: () => void) {
  return {
    class: 'choice',
    role: 'button' as const,
    // Names of attributes are as written in SVG.
    tabindex: 0,
    'aria-label': `Trace the way to ${name}, ${state}`,
    onClick: act,
    onKeyDown: (event: KeyboardEvent): void => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      act();
    },
  };
}

/** How a state looks: a link that is up, one that is coming, or one that failed. */
export function kindOf(state: string): 'up' | 'down' | 'idle' {
  if (state === 'ready') return 'up';
  return state === 'backoff' ? 'down' : 'idle';
}
