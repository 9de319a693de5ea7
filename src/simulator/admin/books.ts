import { exactBill, type BilledTokens, type Fraction } from '../billing.ts';
import type { SimulatorClock } from '../clock.ts';
import type { BilledUse } from '../truth.ts';
import type { WireUsage } from '../usage.ts';

/** The kinds of tokens by the names that reports give them. */
export const REPORT_KINDS = {
  uncached_input_tokens: 'input',
  cache_read_input_tokens: 'cache_read',
  'cache_creation.ephemeral_5m_input_tokens': 'cache_write_5m',
  'cache_creation.ephemeral_1h_input_tokens': 'cache_write_1h',
  output_tokens: 'output',
} as const satisfies Readonly<Record<string, keyof BilledTokens>>;

export type ReportKind = keyof typeof REPORT_KINDS;

/** The decimals of amounts in the books: units of 1e-18 US dollars. */
const UNITS_PER_USD = 10n ** 18n;

/** Use in one minute, of one kind by every dimension of the reports. */
export interface BookRow {
  readonly minuteMs: number;
  /** The time from which reports show it. */
  readonly landsAtMs: number;
  readonly dimensions: BookDimensions;
  readonly tokens: Record<keyof BilledTokens, number>;
  searches: number;
  requests: number;
  /** Units of 1e-18 US dollars at list price. Session time and code execution stand under `other`. */
  readonly list: Record<keyof BilledTokens | 'web_search' | 'other', bigint>;
}

interface BookDimensions {
  /** The name of the accepted key; `null` for use without a key. */
  readonly key: string | null;
  readonly model: string | null;
  readonly service_tier: string | null;
  readonly speed: string | null;
  readonly inference_geo: string | null;
  readonly context_window: string | null;
  readonly product: string | null;
  /** Set for what is not tokens. */
  readonly otherCost: 'code_execution' | 'session_usage' | null;
}

/** Use of the organization that did not come through the simulator's endpoints: the Console, code execution, sessions. */
export interface OtherUse {
  readonly atMs: number;
  /** The name of an accepted key. Default: `null`, none, as in the Console. */
  readonly key?: string | null;
  readonly product?: string;
  /** Tokens, and the model that they are billed to. */
  readonly used?: { readonly model: string; readonly usage: WireUsage };
  /** Time that is billed without tokens, in cents as a decimal string. */
  readonly charged?: { readonly costType: 'code_execution' | 'session_usage'; readonly cents: string };
}

/** Rules by which the books are shown. */
export interface BookRules {
  /** The time by which a call's UTC day is told: of its request, or of its end. Default `start`. */
  readonly countsBy?: 'start' | 'end';
  /** Use that reports show only from a later time on, by key, model and UTC day. */
  readonly late?: readonly Cell[];
  /** Amounts that are corrected at a later time, without other tokens. */
  readonly revised?: readonly (Cell & { readonly addCents: string })[];
}

/** Use of one key and model on one UTC day, and the time from which something holds for it. */
interface Cell {
  readonly day: string;
  readonly key: string;
  readonly model: string;
  readonly fromMs: number;
}

const MINUTE_MS = 60_000;

/** The organization's books: what the simulator billed, by minute and dimension, exactly. */
export class Books {
  readonly #rows = new Map<string, BookRow>();
  readonly #clock: SimulatorClock;
  readonly #rules: BookRules;

  constructor(clock: SimulatorClock, rules: BookRules) {
    this.#clock = clock;
    this.#rules = rules;
  }

  /** Enters a call that ends now. A call of several models has a row for each, and counts as a request of its own model. */
  enter(entry: BilledUse): void {
    const atMs = this.#rules.countsBy === 'end' ? this.#clock.now() : entry.atMs;
    for (const [index, part] of exactBill(entry).entries()) {
      const row = this.#row(atMs, { ...dimensionsOf(entry), model: part.model, ...windowOf(part.tokens) });
      for (const kind of Object.values(REPORT_KINDS)) {
        row.tokens[kind] += part.tokens[kind];
        if (part.usd !== null) row.list[kind] += unitsOf(part.usd[kind]);
      }
      if (part.usd !== null) row.list.web_search += unitsOf(part.usd.server_tools);
      if (index > 0) continue;
      row.searches += entry.usage.server_tool_use?.web_search_requests ?? 0;
      row.requests += 1;
    }
  }

  /** Enters use that no endpoint saw. */
  enterOther({ atMs, key = null, product = 'claude_console', used, charged }: OtherUse): void {
    if (used !== undefined) this.enter({ ...used, atMs, key, product, betas: [] });
    if (charged === undefined) return;
    const nothing = { model: null, service_tier: null, speed: null, inference_geo: null, context_window: null };
    const row = this.#row(atMs, { ...nothing, key, product, otherCost: charged.costType });
    row.list.other += centsInUnits(charged.cents);
    row.requests += 1;
  }

  /** The rows that reports show at a time, of use in `[fromMs, toMs)`, with the corrections that hold by then. */
  *shown(fromMs: number, toMs: number): Generator<BookRow> {
    const nowMs = this.#clock.now();
    for (const row of this.#rows.values()) {
      if (row.minuteMs < fromMs || row.minuteMs >= toMs || row.landsAtMs > nowMs) continue;
      const addedUnits = this.#revisionOf(row, nowMs);
      yield addedUnits === 0n ? row : { ...row, list: { ...row.list, output: row.list.output + addedUnits } };
    }
  }

  /** The time of the first use; `null` for none. */
  get firstMs(): number | null {
    let first: number | null = null;
    for (const { minuteMs } of this.#rows.values()) if (first === null || minuteMs < first) first = minuteMs;
    return first;
  }

  /** A correction stands on the first row of its day, so that it counts once. */
  #revisionOf(row: BookRow, nowMs: number): bigint {
    let units = 0n;
    for (const cell of this.#rules.revised ?? []) {
      if (cell.fromMs > nowMs || !isOf(row.dimensions, dayOf(row.minuteMs), cell)) continue;
      const first = [...this.#rows.values()].find((each) => isOf(each.dimensions, dayOf(each.minuteMs), cell));
      if (first === row) units += centsInUnits(cell.addCents);
    }
    return units;
  }

  #row(atMs: number, dimensions: BookDimensions): BookRow {
    const minuteMs = Math.floor(atMs / MINUTE_MS) * MINUTE_MS;
    const id = JSON.stringify([minuteMs, dimensions]);
    const known = this.#rows.get(id);
    if (known !== undefined) return known;
    const late = (this.#rules.late ?? []).find((cell) => isOf(dimensions, dayOf(minuteMs), cell));
    const row: BookRow = {
      minuteMs,
      landsAtMs: late?.fromMs ?? -Infinity,
      dimensions,
      tokens: { input: 0, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, output: 0 },
      searches: 0,
      requests: 0,
      list: {
        input: 0n,
        cache_read: 0n,
        cache_write_5m: 0n,
        cache_write_1h: 0n,
        output: 0n,
        web_search: 0n,
        other: 0n,
      },
    };
    this.#rows.set(id, row);
    return row;
  }
}

function isOf({ key, model }: BookDimensions, day: string, cell: Cell): boolean {
  return cell.day === day && cell.key === key && cell.model === model;
}

/** The UTC day of a time. */
export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

function dimensionsOf({ key, product, usage }: BilledUse): Omit<BookDimensions, 'model' | 'context_window'> {
  return {
    key,
    product: usage.service_tier === 'batch' ? 'message_batches_api' : product,
    service_tier: usage.service_tier,
    speed: usage.speed ?? 'standard',
    inference_geo: usage.inference_geo === 'not_available' ? null : usage.inference_geo,
    otherCost: null,
  };
}

/** The reports know two windows. The threshold of Haiku 5.5's prices is inside the first. */
function windowOf({ input, cache_read, cache_write_5m, cache_write_1h }: BilledTokens): { context_window: string } {
  const prompt = input + cache_read + cache_write_5m + cache_write_1h;
  return { context_window: prompt > 200_000 ? '200k-1M' : '0-200k' };
}

function unitsOf({ over, under }: Fraction): bigint {
  return (over * UNITS_PER_USD) / under;
}

/** A decimal string of cents, which may begin with a minus, in units of the books. */
export function centsInUnits(cents: string): bigint {
  const [, sign = '', whole = '0', decimals = ''] = /^(-?)(\d+)(?:\.(\d{1,16}))?$/.exec(cents) ?? [];
  return BigInt(`${sign}${whole}${decimals.padEnd(16, '0')}`);
}

/** Units of the books as the reports write them: cents as a decimal string, as long as it has to be. */
export function unitsInCents(units: bigint): string {
  const digits = (units < 0n ? -units : units).toString().padStart(17, '0');
  const decimals = digits.slice(-16).replace(/0+$/, '');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -16)}${decimals === '' ? '' : `.${decimals}`}`;
}
