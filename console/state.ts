import type { ShownSeconds } from '../src/console/view.ts';

/** What the reader has chosen. It stands in the address, so that a link shows the same. */
export interface Choice {
  /** In seconds; `null` is as much as was observed. */
  range: ShownSeconds | null;
  by: string | null;
  /** By label. */
  filter: Record<string, string>;
  /** The pinned moment; `null` is now. */
  atMs: number | null;
  /** Asks for news. */
  isLive: boolean;
}

const RANGES: readonly ShownSeconds[] = [60, 300, 900, 3_600, 21_600, 86_400];

/** Reads the choice from an address: `#range=900&label.route=chat&at=2026-11-26T14:12:00.000Z`. */
export function choiceIn(hash: string): Choice {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  const range = Number(parameters.get('range'));
  const atMs = Date.parse(parameters.get('at') ?? '');
  return {
    range: RANGES.find((one) => one === range) ?? null,
    by: parameters.get('by'),
    filter: Object.fromEntries(
      [...parameters].filter(([name]) => name.startsWith('label.')).map(([name, value]) => [name.slice(6), value]),
    ),
    atMs: Number.isNaN(atMs) ? null : atMs,
    isLive: true,
  };
}

/** The parameters of the data that is asked for. */
export function queryOf({ range, by, filter, atMs }: Choice): URLSearchParams {
  const parameters = new URLSearchParams();
  if (range !== null) parameters.set('range', String(range));
  if (by !== null) parameters.set('by', by);
  for (const [name, value] of Object.entries(filter)) parameters.set(`label.${name}`, value);
  if (atMs !== null) parameters.set('at', new Date(atMs).toISOString());
  return parameters;
}

export function hashOf(choice: Choice): string {
  return `#${queryOf(choice).toString()}`;
}
