/** A plot of series over time, in the colours of the page. */
import { useEffect, useRef } from 'preact/hooks';
import UPlot from 'uplot';
import type { Series } from './samples.js';

const HEIGHT_PX = 190;
/** As many colours as the style sheet has. */
const COLOURS = 6;
/** Seconds between the times on the axis. */
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

export function Plot({
  series,
  title,
  unit,
}: {
  readonly series: Series;
  readonly title: string;
  readonly unit: string;
}) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | undefined>(undefined);
  const { names, data } = series;
  const key = names.join(' ');
  useEffect(() => {
    const { current } = place;
    if (current === null) return;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new UPlot(optionsFor(current, names), data as UPlot.AlignedData, current);
    };
    draw();
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', draw);
    const sizes = new ResizeObserver(() => plot.current?.setSize({ width: current.clientWidth, height: HEIGHT_PX }));
    sizes.observe(current);
    return () => {
      scheme.removeEventListener('change', draw);
      sizes.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [key]);
  useEffect(() => plot.current?.setData(data as UPlot.AlignedData), [data]);
  const latest = names.map((name, index) => `${name}: ${shown(data[index + 1]?.at(-1))} ${unit}`);
  return (
    <figure class="panel wide">
      <figcaption>
        <h2>{title}</h2>
        <ul class="legend">
          {names.map((name, index) => (
            <li key={name}>
              <span class={`key series-${index % COLOURS}`} aria-hidden="true" />
              {name} <b>{shown(data[index + 1]?.at(-1))}</b> {unit}
            </li>
          ))}
        </ul>
      </figcaption>
      <div class="plot" ref={place} role="img" aria-label={`${title}: ${latest.join(', ')}`} />
    </figure>
  );
}

function optionsFor(place: HTMLElement, names: readonly string[]): UPlot.Options {
  const style = getComputedStyle(place);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  // A canvas needs colours, not what they are computed from: those of the text and the border are.
  const axis = { stroke: style.color, grid: { stroke: style.borderTopColor, width: 1 }, ticks: { show: false } };
  return {
    width: place.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_, __, most) => [0, Math.max(most ?? 0, 1) * 1.1] } },
    axes: [
      { ...axis, incrs: STEPS_S, space: 70, values: (_, times) => times.map(clock) },
      { ...axis, size: 56 },
    ],
    series: [
      {},
      ...names.map((label, index) => ({
        label,
        stroke: colour(`--series-${index % COLOURS}`),
        width: 2,
        points: { show: false },
      })),
    ],
  };
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
}

function shown(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  return value >= 10 ? String(Math.round(value)) : value.toFixed(1);
}
