/** Bars of shares, drawn in SVG: its attributes need no style, which the page's policy would refuse. */

const SPACE = 'http://www.w3.org/2000/svg';

export interface Share {
  /** From 0 to 1. */
  readonly from: number;
  readonly to: number;
  /** `value`, `value warning`, `value critical`, `expected`, or `mark` for a line at `from`. */
  readonly kind: string;
}

/** A bar of shares of a whole; `label` says it to those who do not see it. */
export function bar(label: string, shares: readonly Share[]): SVGElement {
  const svg = document.createElementNS(SPACE, 'svg');
  svg.setAttribute('class', 'bar');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', label);
  for (const share of [{ from: 0, to: 1, kind: 'whole' }, ...shares]) svg.append(drawn(share));
  return svg;
}

function drawn({ from, to, kind }: Share): SVGElement {
  const rect = document.createElementNS(SPACE, 'rect');
  const within = (share: number): number => Math.min(1, Math.max(0, share));
  const isMark = kind.startsWith('mark');
  rect.setAttribute('class', kind);
  rect.setAttribute('x', percentOf(isMark ? Math.min(0.995, within(from)) : within(from)));
  rect.setAttribute('width', isMark ? '2' : percentOf(Math.max(0, within(to) - within(from))));
  rect.setAttribute('y', isMark ? '0' : '3');
  rect.setAttribute('height', isMark ? '14' : '8');
  if (!isMark) rect.setAttribute('rx', '4');
  return rect;
}

function percentOf(share: number): string {
  return `${(share * 100).toFixed(2)}%`;
}
