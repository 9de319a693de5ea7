import type { Grown } from './growth.ts';

const PANEL = { width: 340, height: 190, left: 46, right: 24, top: 44, bottom: 34 };
const COLUMNS = 2;
const INK = '#1f2328';
const FAINT = '#8c959f';
const LINE = '#0969da';

interface Panel {
  readonly what: string;
  readonly points: readonly { readonly amount: string; readonly micros: number }[];
}

/** The lines of how cost grows as SVG, one panel for each thing that there is more of: medians, from 0 µs up. */
export function growthChart(rows: readonly Grown[]): string {
  const panels = [...new Set(rows.map(({ what }) => what))].map((what): Panel => {
    const own = rows.filter((row) => row.what === what);
    return {
      what,
      points: own.map(({ amount, over }) => ({ amount: amount.toLocaleString('en-US'), micros: over.median })),
    };
  });
  const width = COLUMNS * PANEL.width;
  const height = Math.ceil(panels.length / COLUMNS) * PANEL.height;
  const drawn = panels.map((panel, at) => {
    const place = `${(at % COLUMNS) * PANEL.width} ${Math.floor(at / COLUMNS) * PANEL.height}`;
    return `<g transform="translate(${place})">\n${panelText(panel)}\n</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="${INK}">
<rect width="${width}" height="${height}" fill="#ffffff"/>
${drawn.join('\n')}
</svg>
`;
}

function panelText({ what, points }: Panel): string {
  const most = Math.max(1, ...points.map(({ micros }) => micros)) * 1.15;
  const right = PANEL.width - PANEL.right;
  const floor = PANEL.height - PANEL.bottom;
  const x = (at: number): number =>
    Math.round(PANEL.left + ((at + 0.5) / points.length) * (PANEL.width - PANEL.left - PANEL.right));
  const y = (micros: number): number => Math.round(floor - (Math.max(0, micros) / most) * (floor - PANEL.top));
  const marks = points.map(
    ({ amount, micros }, at) =>
      `<circle cx="${x(at)}" cy="${y(micros)}" r="3" fill="${LINE}"/><text x="${x(at)}" y="${y(micros) - 9}" text-anchor="middle">${micros.toFixed(1)}</text><text x="${x(at)}" y="${floor + 18}" text-anchor="middle" fill="${FAINT}">${amount}</text>`,
  );
  return [
    `<text x="${PANEL.left}" y="20" font-weight="600">${what}</text>`,
    `<text x="${PANEL.left - 8}" y="${PANEL.top + 4}" text-anchor="end" fill="${FAINT}">µs</text>`,
    `<text x="${PANEL.left - 8}" y="${floor + 4}" text-anchor="end" fill="${FAINT}">0</text>`,
    `<path d="M${PANEL.left} ${PANEL.top}V${floor}H${right}" fill="none" stroke="${FAINT}"/>`,
    `<polyline points="${points.map(({ micros }, at) => `${x(at)},${y(micros)}`).join(' ')}" fill="none" stroke="${LINE}" stroke-width="2"/>`,
    ...marks,
  ].join('\n');
}
