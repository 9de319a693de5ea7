import type { Cause, Part } from './causes.ts';
import type { Difference } from './difference.ts';
import { nanoUsdOf, sumOf, type ExactUsd } from './exact-usd.ts';

/** One cause of the difference for people. */
export interface Finding {
  readonly cause: Cause;
  readonly units: ExactUsd;
  readonly sentence: string;
  /** The one thing to do; `null` where there is nothing. */
  readonly advice: string | null;
}

/** Says what an amount is of, and what to do about it. `keys` and `models` are those that most of it is of. */
interface Wording {
  readonly says: (of: Told) => string;
  readonly advice: string | null;
}

const says = (text: string | ((of: Told) => string), advice: string | null = null): Wording => ({
  says: typeof text === 'string' ? () => text : text,
  advice,
});

const WORDINGS: Readonly<Record<Cause, Wording>> = {
  rounding: says('recorded calls, each rounded to nano-dollars'),
  open: says('days for which the report is not complete'),
  discount: says(({ percent }) => `discount${percent}`),
  code_execution: says('code execution, which no response tells'),
  session_time: says('session time of Managed Agents, which no response tells'),
  other_costs: says('other costs, which no response tells'),
  no_key: says('use without a key: the Console, or logins'),
  unwatched_keys: says(
    ({ keys }) => `calls by keys that plimsoll does not watch: ${keys}`,
    'Instrument what uses those keys, or join each with its alias: --key ALIAS=ID.',
  ),
  no_such_key: says(
    ({ keys }) => `calls under aliases of no key of this organization: ${keys}`,
    'Join each alias with the id of its key: --key ALIAS=ID. Keys of another organization or platform are on another bill.',
  ),
  priority: says('Priority Tier, which is paid as a commitment'),
  unpriced: says(({ models }) => `models without a price here: ${models}`, 'Update plimsoll, or give it a price file.'),
  folded: says(
    ({ keys }) => `calls of many models that plimsoll counted together as model other: ${keys}`,
    'plimsoll counts 5,000 lines a day by themselves, and further models as other: use fewer aliases.',
  ),
  refusals: says(({ calls }) => `${calls} refusals that the report bills otherwise than plimsoll`),
  day_boundary: says('calls that the report counts on another day'),
  lost: says(
    ({ keys }) => `calls while plimsoll is known to have lost what it saw: ${keys}`,
    'End processes with close(), which posts their last totals.',
  ),
  no_usage: says(({ models }) => `answers that never told their usage (lost, left or unreadable): ${models}`),
  cut: says(({ models }) => `output of streams that were cut, which plimsoll had to estimate: ${models}`),
  counted: says(({ kinds, models }) => `tokens counted otherwise: ${kinds} of ${models}`),
  not_seen: says(
    ({ keys, calls }) => `${requests(calls)} not seen on ${keys}: another program uses the key, or telemetry was lost`,
    'The reports do not tell another program from lost telemetry: give each program its own key.',
  ),
  not_in_report: says(
    ({ keys }) => `calls that the report has not: ${keys}`,
    'Look for calls that are counted twice, or sent to another platform. If they are of the last days, wait for the report.',
  ),
  inseparable: says(
    ({ keys }) => `calls not seen, and answers lost or cut, in the same places: ${keys}. Only their sum can be told`,
    'Give each program its own key, so that what was not seen stands apart from what was cut.',
  ),
  price: says(
    ({ kinds, models }) => `prices that differ from the table: ${kinds} of ${models}`,
    'Update plimsoll, or correct your price file.',
  ),
  price_band: says(
    ({ models }) => `prices of long prompts that differ from the table: ${models}`,
    'Update plimsoll, or correct your price file.',
  ),
  price_or_discount: says('prices or discounts, which the older reports do not tell apart'),
  revision: says('corrections by the report, without other tokens'),
  unexplained: says(
    ({ models }) => `amounts that do not follow from tokens: ${models}`,
    'Compare again when the report is a day older. What then stays is a question for Anthropic, or a fault of plimsoll.',
  ),
};

function requests(calls: number): string {
  if (calls === 0) return 'calls';
  return `${calls.toLocaleString('en-US')} ${calls === 1 ? 'call' : 'calls'}`;
}

interface Told {
  readonly keys: string;
  readonly models: string;
  readonly kinds: string;
  readonly calls: number;
  readonly percent: string;
}

/** The causes of a difference, the largest first. `nameOf` names keys for people: aliases, and ids of keys. */
export function findings(
  { parts, listed, billed }: Difference,
  nameOf = (key: string | null): string => key ?? 'none',
): readonly Finding[] {
  const byCause = new Map<Cause, Part[]>();
  for (const part of parts) byCause.set(part.cause, [...(byCause.get(part.cause) ?? []), part]);
  const percent = listed === 0n ? '' : ` of ${(Number(((listed - billed) * 100_000n) / listed) / 1_000).toFixed(2)}%`;
  const all = [...byCause].map(([cause, own]): Finding => {
    const told = {
      ...{ percent, calls: callsOf(own) },
      keys: largest(own, ({ key }) => nameOf(key)),
      models: largest(own, ({ model }) => model),
      kinds: largest(own, ({ kind }) => kind?.replaceAll('_', ' ') ?? null),
    };
    const { says, advice } = WORDINGS[cause];
    return { cause, units: sumOf(own.map(({ units }) => units)), sentence: says(told), advice };
  });
  return all.filter(({ units }) => units !== 0n).sort((a, b) => (size(b.units) > size(a.units) ? 1 : -1));
}

/** Each kind of tokens of a cell is about the same calls. */
function callsOf(parts: readonly Part[]): number {
  const byKind = new Map<Part['kind'], number>();
  for (const { kind, calls } of parts) byKind.set(kind, (byKind.get(kind) ?? 0) + calls);
  return Math.max(0, ...byKind.values());
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

/** `$1,234.57`, always with cents; `<$0.01` for what is less than half of one. */
export function dollars(units: ExactUsd): string {
  const usd = Math.abs(Number(nanoUsdOf(units)) / 1e9);
  if (units !== 0n && usd < 0.005) return '<$0.01';
  return `$${usd.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

/** The same with its sign. */
export function signed(units: ExactUsd): string {
  return `${units === 0n ? '' : units < 0n ? '−' : '+'}${dollars(units)}`;
}
