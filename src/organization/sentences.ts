import type { Cause, Part } from './causes.ts';
import type { Difference } from './difference.ts';
import { nanoUsdOf, sumOf, type ExactUsd } from './exact-usd.ts';

/** One cause of the difference for people: what it is worth, and the one thing to do. */
interface Finding {
  readonly cause: Cause;
  readonly units: ExactUsd;
  readonly sentence: string;
}

/** Completes the amount of a cause. `whose` names the keys or models that most of it is of. */
const SENTENCES: Readonly<Record<Cause, (of: Told) => string>> = {
  rounding: () => 'rounding of recorded calls to nano-dollars',
  open: () => 'of days for which the report is not complete',
  discount: ({ percent }) => `discount${percent}`,
  code_execution: () => 'code execution, which no response tells',
  session_time: () => 'session time of Managed Agents',
  other_costs: () => 'other costs, which no response tells',
  no_key: () => 'use without a key: the Console, or logins',
  unwatched_keys: ({ keys }) => `calls by keys that plimsoll does not watch: ${keys}`,
  no_such_key: ({ keys }) =>
    `calls under aliases of no key of this organization: ${keys}. Name their ids in the configuration`,
  priority: () => 'Priority Tier, which is paid as a commitment',
  unpriced: ({ models }) => `models without a price here: ${models}. Update plimsoll, or give it a price file`,
  refusals: ({ calls }) => `${calls} refusals that the report bills otherwise than plimsoll`,
  day_boundary: () => 'calls that the report counts on another day',
  lost: ({ keys }) => `calls while plimsoll is known to have lost what it saw: ${keys}`,
  no_usage: ({ models }) => `answers that never told their usage (lost, cancelled or unreadable): ${models}`,
  cut: ({ models }) => `output of streams that were cut, which plimsoll had to estimate: ${models}`,
  counted: ({ kinds, models }) => `tokens counted otherwise: ${kinds} of ${models}`,
  not_seen: ({ keys }) =>
    `calls not seen on ${keys}: another program uses the key, or telemetry was lost. These two cannot be told apart; give each program its own key`,
  not_in_report: ({ keys }) =>
    `calls that the report has not: ${keys}. Counted twice here, sent elsewhere, or the report is late`,
  inseparable: ({ keys }) =>
    `calls not seen and answers lost or cut in the same places: ${keys}. Only their sum can be told`,
  price: ({ kinds, models }) => `prices that differ from the table: ${kinds} of ${models}`,
  price_band: ({ models }) => `prices of long prompts that differ from the table: ${models}`,
  price_or_discount: () => 'prices or discounts, which the older reports do not tell apart',
  revision: () => 'corrections by the report, without other tokens',
  unexplained: ({ models }) => `amounts that do not follow from tokens: ${models}`,
};

interface Told {
  readonly keys: string;
  readonly models: string;
  readonly kinds: string;
  readonly calls: number;
  readonly percent: string;
}

/** The causes of a difference, the largest first. */
export function findings({ parts, listed, billed }: Difference): readonly Finding[] {
  const byCause = new Map<Cause, Part[]>();
  for (const part of parts) byCause.set(part.cause, [...(byCause.get(part.cause) ?? []), part]);
  const percent = listed === 0n ? '' : ` of ${(Number(((listed - billed) * 100_000n) / listed) / 1_000).toFixed(2)}%`;
  const all = [...byCause].map(([cause, own]): Finding => {
    const told = {
      ...{ percent, calls: own.reduce((sum, part) => sum + part.calls, 0) },
      keys: largest(own, ({ key }) => key),
      models: largest(own, ({ model }) => model),
      kinds: largest(own, ({ kind }) => kind),
    };
    return { cause, units: sumOf(own.map(({ units }) => units)), sentence: SENTENCES[cause](told) };
  });
  return all.filter(({ units }) => units !== 0n).sort((a, b) => (size(b.units) > size(a.units) ? 1 : -1));
}

function size(units: ExactUsd): ExactUsd {
  return units < 0n ? -units : units;
}

const MOST_NAMES = 3;

/** The names with the largest amounts, at most three. */
function largest(parts: readonly Part[], nameOf: (part: Part) => string | null): string {
  const sums = new Map<string, ExactUsd>();
  for (const part of parts) sums.set(nameOf(part) ?? 'none', (sums.get(nameOf(part) ?? 'none') ?? 0n) + part.units);
  const names = [...sums].sort(([, a], [, b]) => (size(b) > size(a) ? 1 : -1)).map(([name]) => name);
  const more = names.length - MOST_NAMES;
  return [...names.slice(0, MOST_NAMES), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

/** `$1,234.57`; with four digits below a dollar, and `under $0.0001` where those show nothing. */
export function dollars(units: ExactUsd): string {
  const usd = Math.abs(Number(nanoUsdOf(units)) / 1e9);
  if (units !== 0n && usd < 0.000_05) return 'under $0.0001';
  const digits = usd >= 1 || units === 0n ? 2 : 4;
  return `$${usd.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** The same with its sign. */
export function signed(units: ExactUsd): string {
  return `${units < 0n ? '−' : '+'} ${dollars(units)}`;
}
