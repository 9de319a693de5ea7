import { unfit } from '../errors.ts';
import { exactUsd } from '../gateway/access/member.ts';
import {
  USAGE_COUNTS,
  addUsage,
  noUsage,
  type UsageCell,
  type UsageCount,
  type UsageRow,
} from '../gateway/access/usage.ts';
import { openUsage } from '../gateway/configuration/places.ts';
import { dayAfter, dayStartMs, utcDay } from '../totals/day-totals.ts';
import { wrongArguments } from './arguments.ts';
import { defineCommand, fail, print } from './command.ts';
import { settingsOf, storedOwner } from './gateway-settings.ts';

const USAGE = [
  'plimsoll gateway usage [options]      tokens and cost of the clients and owners',
  '  --by PARTS          owner (default), client, key, model, day; several with',
  '                      commas between them: client,owner,model',
  '  --since TIME        from this UTC day on: 2026-11-01, 7d, month (the month',
  '                      so far, the default)',
  '  --until DAY         to before this UTC day',
  '  --owner NAME        only this owner',
  '  --client NAME       only this client',
  '  --json, --csv       for programs: exact amounts, as texts',
  "  --config FILE       the gateway's configuration",
  '',
  'Amounts are exact, at list price; the gateway may be running.',
];

const OPTIONS = {
  by: { type: 'string', default: 'owner' },
  since: { type: 'string', default: 'month' },
  until: { type: 'string' },
  owner: { type: 'string' },
  client: { type: 'string' },
  json: { type: 'boolean', default: false },
  csv: { type: 'boolean', default: false },
  config: { type: 'string' },
} as const;

/** `plimsoll gateway usage`. Changes nothing. */
export const command = defineCommand({
  name: 'gateway usage',
  usage: USAGE,
  options: OPTIONS,
  async run({ values }, io) {
    const settings = settingsOf(values.config, io, ['usage', 'owners']);
    const parts = partsIn(values.by);
    const owner = values.owner === undefined ? null : storedOwner(values.owner, settings);
    const until = values.until === undefined ? dayAfter(utcDay(io.now())) : dayIn('--until', values.until, io.now());
    const since = dayIn('--since', values.since, io.now());
    const store = openUsage(settings.usage, settings.usageDays, 'existing');
    try {
      const rows = (await store.read(since, until)).filter(
        ({ cell }) => (owner ?? cell.owner) === cell.owner && (values.client ?? cell.client) === cell.client,
      );
      const lines = summed(rows, parts);
      if (values.json) return print([asJson(lines, { parts, since, until })], io);
      return print(values.csv ? asCsv(lines, parts) : asTable(lines, { parts, since, until }), io);
    } catch {
      return fail(['The store of usage does not respond.'], io);
    } finally {
      await store.close();
    }
  },
});

const PARTS = ['day', 'client', 'owner', 'key', 'model'] as const;

type Part = (typeof PARTS)[number];

function partsIn(text: string): readonly Part[] {
  const asked = new Set(text.split(','));
  const found = PARTS.filter((part) => asked.delete(part));
  if (asked.size > 0)
    throw wrongArguments(unfit('--by', text, { expected: `${PARTS.join(', ')}, or several of them` }));
  return found;
}

const DAY_MS = 86_400_000;

/** A UTC day: named, so many days ago, or the first of the month. */
function dayIn(option: string, text: string, nowMs: number): string {
  if (text === 'month') return `${utcDay(nowMs).slice(0, 7)}-01`;
  const [, days] = /^([1-9]\d{0,3})d$/.exec(text) ?? [];
  if (days !== undefined) return utcDay(nowMs - (Number(days) - 1) * DAY_MS);
  if (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(dayStartMs(text))) return text;
  throw wrongArguments(unfit(option, text, { expected: 'a UTC day such as 2026-11-01, 7d or month' }));
}

/** A line of the sums. */
interface Line {
  readonly named: Readonly<Record<Part, string>>;
  readonly counts: Readonly<Record<UsageCount, bigint>>;
}

/** Adds up the rows that agree in all parts, the dearest first; by day, the days in order. */
function summed(rows: readonly UsageRow[], parts: readonly Part[]): readonly Line[] {
  const lines = new Map<string, { readonly named: Line['named']; readonly counts: Record<UsageCount, bigint> }>();
  for (const { day, cell, counts } of rows) {
    const named = { day, ...cell } satisfies Record<Part, string> & UsageCell;
    const id = JSON.stringify(parts.map((part) => named[part]));
    const line = lines.get(id) ?? { named, counts: noUsage() };
    addUsage(line.counts, counts);
    lines.set(id, line);
  }
  return [...lines.values()].sort((a, b) => {
    if (parts.includes('day') && a.named.day !== b.named.day) return a.named.day < b.named.day ? -1 : 1;
    const [left, right] = [a.counts.cost_nano_usd, b.counts.cost_nano_usd];
    return left === right ? (JSON.stringify(a.named) < JSON.stringify(b.named) ? -1 : 1) : left > right ? -1 : 1;
  });
}

interface Shown {
  readonly parts: readonly Part[];
  readonly since: string;
  readonly until: string;
}

function totalOf(lines: readonly Line[]): Record<UsageCount, bigint> {
  const total = noUsage();
  for (const { counts } of lines) addUsage(total, counts);
  return total;
}

/** Counts as numbers, and the cost as exact texts, in dollars and nano-dollars. */
function asJson(lines: readonly Line[], { parts, since, until }: Shown): string {
  const figures = (counts: Line['counts']): object => ({
    ...Object.fromEntries(USAGE_COUNTS.slice(0, -1).map((name) => [name, Number(counts[name])])),
    costUsd: exactUsd(counts.cost_nano_usd),
    costNanoUsd: counts.cost_nano_usd.toString(),
  });
  const rows = lines.map(({ named, counts }) => ({
    ...Object.fromEntries(parts.map((part) => [part, named[part]])),
    ...figures(counts),
  }));
  return JSON.stringify({ since, until, rows, total: figures(totalOf(lines)) }, null, 2);
}

/** A header, and a line for each row. No value begins with a sign that a table would take for a formula. */
function asCsv(lines: readonly Line[], parts: readonly Part[]): readonly string[] {
  const rows = lines.map(({ named, counts }) => [
    ...parts.map((part) => named[part]),
    ...USAGE_COUNTS.map((name) => counts[name].toString()),
    exactUsd(counts.cost_nano_usd),
  ]);
  return [[...parts, ...USAGE_COUNTS, 'cost_usd'], ...rows].map((cells) => cells.map(csvCell).join(','));
}

function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const NAME_WIDTH = 20;

const INPUTS = ['input', 'cache_read', 'cache_write_5m', 'cache_write_1h', 'input_estimated'] as const;

function asTable(lines: readonly Line[], { parts, since, until }: Shown): readonly string[] {
  const title = `Usage from ${since} to before ${until}, UTC`;
  if (lines.length === 0) return [`${title}: none.`];
  const head = [...parts, 'calls', 'refused', 'input', 'output', 'cost in $'];
  const total = { named: { day: '', client: '', owner: '', key: '', model: '' }, counts: totalOf(lines) };
  const rows = [...lines.map((line) => cellsOf(line, parts)), cellsOf(total, parts).with(0, 'total')];
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((cells) => cells[column]?.length ?? 0)));
  const shown = [head, ...rows].map((cells) =>
    cells
      .map((cell, column) =>
        column < parts.length ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  const unpriced =
    total.counts.unpriced === 0n ? [] : [`${total.counts.unpriced} calls have no known price: their cost is missing.`];
  return [title, '', ...shown, ...unpriced];
}

function cellsOf({ named, counts }: Line, parts: readonly Part[]): string[] {
  const input = INPUTS.reduce((sum, kind) => sum + counts[kind], 0n);
  const output = counts.output + counts.output_estimated;
  return [
    ...parts.map((part) => fitted(named[part] === '' ? '-' : named[part])),
    ...[counts.calls, counts.refused, input, output].map(String),
    exactUsd(counts.cost_nano_usd),
  ];
}

function fitted(text: string): string {
  return text.length <= NAME_WIDTH ? text : `${text.slice(0, NAME_WIDTH - 1)}…`;
}
