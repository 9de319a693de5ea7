import table from './rates.json' with { type: 'json' };
import type { RefusedStep } from './refusals.ts';
import type { WireCacheCreation, WireIteration, WireUsage } from './usage.ts';

/** Tokens by kind; they add up. */
export interface BilledTokens {
  readonly input: number;
  readonly cache_read: number;
  readonly cache_write_5m: number;
  readonly cache_write_1h: number;
  readonly output: number;
}

/** Whole nano-dollars (1 USD = 1,000,000,000) by kind. */
export type BilledNanoUsd = Readonly<Record<keyof BilledTokens | 'server_tools', number>>;

/** Tokens and money billed to one model. */
export interface BilledPart {
  readonly model: string;
  readonly tokens: BilledTokens;
  /** `null` if the table has no price for the model on that day. */
  readonly nanoUsd: BilledNanoUsd | null;
  /** A refusal before any output that costs nothing. */
  readonly isFree: boolean;
}

/** The input of a bill. */
export interface Billable {
  /** The model that answered. */
  readonly model: string;
  readonly usage: WireUsage;
  /** Time of the request. The price of that UTC day applies. */
  readonly atMs: number;
  /** The `anthropic-beta` names of the request; some past prices depended on one. */
  readonly betas: readonly string[];
  /** By step: how its model refused; `null` where it did not. Default: none did. */
  readonly refusals?: readonly (RefusedStep | null)[];
}

type Rates = Readonly<Record<'input' | 'output' | 'cacheWrite5m' | 'cacheWrite1h' | 'cacheRead', string>>;

interface PriceRow {
  readonly models: readonly string[];
  readonly from: string;
  readonly until: string | null;
  readonly usd: Rates;
  readonly usGeo?: string;
  readonly fast?: { readonly until: string | null; readonly usd: Rates };
  readonly longPrompt?: {
    readonly over: number;
    readonly until: string | null;
    readonly beta: string | null;
    readonly usd: Rates;
  };
}

const ROWS: readonly PriceRow[] = table.rates;

const NANO_USD_PER_USD = exact('1000000000');

const NOTHING = exact('0');

/** Rates are for a million tokens. */
const USD_PER_MILLIONTH = exact('0.000001');

/**
 * The API's bill: one part for the message, or one for each iteration if there are any (the top-level counts are then
 * ignored). Each kind of each part is tokens × rate × factors as an exact fraction, rounded half up once. Server tools are
 * on the first part. Fast mode applies to the steps on the message's own model.
 */
export function bill(billable: Billable): readonly BilledPart[] {
  return exactBill(billable).map(({ usd, ...part }) => ({ ...part, nanoUsd: usd && inNanoUsd(usd) }));
}

/** A part of a bill before it is rounded. */
interface ExactPart extends Omit<BilledPart, 'nanoUsd'> {
  /** US dollars by kind; `null` if the table has no price for the model on that day. */
  readonly usd: Readonly<Record<keyof BilledNanoUsd, Fraction>> | null;
}

/** The same bill as exact fractions, as the organization's reports add it up. */
export function exactBill(billable: Billable): readonly ExactPart[] {
  const { usage } = billable;
  const steps: readonly Step[] = usage.iterations ?? [usage];
  const searches = usage.server_tool_use?.web_search_requests ?? 0;
  return steps.map((step, index) => {
    const model = step.model ?? billable.model;
    const fast = usage.speed === 'fast' && model === billable.model;
    const isFree = isFreeRefusal(billable.refusals?.[index] ?? null, dayOf(billable.atMs));
    return billedPart(step, { billable, model, fast, isFree, searches: index === 0 ? searches : 0 });
  });
}

function inNanoUsd(usd: NonNullable<ExactPart['usd']>): BilledNanoUsd {
  const nanoUsd = (kind: keyof BilledNanoUsd): number => roundedHalfUp([usd[kind], NANO_USD_PER_USD]);
  return {
    input: nanoUsd('input'),
    cache_read: nanoUsd('cache_read'),
    cache_write_5m: nanoUsd('cache_write_5m'),
    cache_write_1h: nanoUsd('cache_write_1h'),
    output: nanoUsd('output'),
    server_tools: nanoUsd('server_tools'),
  };
}

/** Sum of all parts and kinds in whole nano-dollars; parts without a price count as 0. */
export function totalNanoUsd(parts: readonly BilledPart[]): number {
  return parts.reduce(
    (total, part) => total + Object.values(part.nanoUsd ?? {}).reduce((sum, nanoUsd) => sum + nanoUsd, 0),
    0,
  );
}

/** Counts that are billed together: those of an iteration, or the top-level ones. */
type Step = Pick<WireIteration, 'model' | 'input_tokens' | 'output_tokens' | 'cache_read_input_tokens'> &
  Pick<WireIteration, 'cache_creation' | 'cache_creation_input_tokens'>;

interface Circumstances {
  readonly billable: Billable;
  readonly model: string;
  readonly fast: boolean;
  readonly isFree: boolean;
  readonly searches: number;
}

/** The days on which refusals before any output cost nothing, and in which categories. */
function isFreeRefusal(refused: RefusedStep | null, day: string): boolean {
  if (refused === null || !refused.wroteNothing) return false;
  const rule = table.freeRefusals.find((each) => each.from <= day && holds(each, day));
  if (rule === undefined) return false;
  const categories: readonly (string | null)[] | undefined = rule.categories;
  return categories === undefined || (refused.category !== undefined && categories.includes(refused.category));
}

function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

function billedPart(step: Step, circumstances: Circumstances): ExactPart {
  const { billable, model, fast, isFree, searches } = circumstances;
  const tokens = billedTokens(step);
  const day = dayOf(billable.atMs);
  const row = ROWS.find((each) => each.models.includes(model) && holds(each, day) && each.from <= day);
  if (row === undefined) return { model, tokens, isFree, usd: null };
  const rates = ratesOf(row, { betas: billable.betas, day, tokens, fast });
  const factors = factorsOf(row, billable.usage);
  const price = (count: number, usdPerMillion: string): Fraction =>
    isFree ? NOTHING : product([exact(String(count)), exact(usdPerMillion), ...factors, USD_PER_MILLIONTH]);
  return {
    model,
    tokens,
    isFree,
    usd: {
      input: price(tokens.input, rates.input),
      cache_read: price(tokens.cache_read, rates.cacheRead),
      cache_write_5m: price(tokens.cache_write_5m, rates.cacheWrite5m),
      cache_write_1h: price(tokens.cache_write_1h, rates.cacheWrite1h),
      output: price(tokens.output, rates.output),
      server_tools: product([exact(String(searches)), exact(table.webSearchUsd)]),
    },
  };
}

function billedTokens(step: Step): BilledTokens {
  const writes = cacheWrites(step.cache_creation, step.cache_creation_input_tokens);
  return {
    input: step.input_tokens,
    cache_read: step.cache_read_input_tokens,
    cache_write_5m: writes.ephemeral_5m_input_tokens,
    cache_write_1h: writes.ephemeral_1h_input_tokens,
    output: step.output_tokens,
  };
}

/** Batches and the place of inference change the price of every token, and multiply. */
function factorsOf(row: PriceRow, usage: WireUsage): readonly Fraction[] {
  return [
    ...(usage.service_tier === 'batch' ? [exact(table.batchFactor)] : []),
    ...(usage.inference_geo === 'us' && row.usGeo !== undefined ? [exact(row.usGeo)] : []),
  ];
}

/** Server tools can add cache writes after the split was made: writes that the split does not explain are 5-minute ones. */
function cacheWrites(split: WireCacheCreation | null, total: number): WireCacheCreation {
  const oneHour = split?.ephemeral_1h_input_tokens ?? 0;
  const fiveMinutes = split?.ephemeral_5m_input_tokens ?? 0;
  return {
    ephemeral_5m_input_tokens: Math.max(fiveMinutes, total - oneHour),
    ephemeral_1h_input_tokens: oneHour,
  };
}

interface Choice {
  readonly betas: readonly string[];
  readonly day: string;
  readonly tokens: BilledTokens;
  readonly fast: boolean;
}

/** The rates of fast mode, else of the long-prompt band, else the standard rates. No model has both of the first two. */
function ratesOf(row: PriceRow, { betas, day, tokens, fast }: Choice): Rates {
  if (fast && row.fast !== undefined && holds(row.fast, day)) return row.fast.usd;
  const { longPrompt } = row;
  if (longPrompt === undefined || !holds(longPrompt, day)) return row.usd;
  if (longPrompt.beta !== null && !betas.includes(longPrompt.beta)) return row.usd;
  const prompt = tokens.input + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h;
  return prompt > longPrompt.over ? longPrompt.usd : row.usd;
}

function holds(rule: { readonly until: string | null }, day: string): boolean {
  return rule.until === null || day < rule.until;
}

/** A number of 0 or more as an exact fraction; `under` is a power of ten. */
export interface Fraction {
  readonly over: bigint;
  readonly under: bigint;
}

/** A decimal string as an exact fraction. */
function exact(decimal: string): Fraction {
  const [whole = '0', decimals = ''] = decimal.split('.');
  return { over: BigInt(whole + decimals), under: 10n ** BigInt(decimals.length) };
}

function product(factors: readonly Fraction[]): Fraction {
  return factors.reduce((left, right) => ({ over: left.over * right.over, under: left.under * right.under }));
}

/** The product of the factors, rounded to the nearest whole number, halves up. */
function roundedHalfUp(factors: readonly Fraction[]): number {
  const { over, under } = product(factors);
  return Number((2n * over + under) / (2n * under));
}

/** Whole nano-dollars billed to each organization in each calendar month, UTC. */
export class MonthlySpend {
  readonly #nanoUsd = new Map<string, number>();
  readonly #firstMonths = new Map<string | null, string>();
  readonly #headStartNanoUsd: number;

  /** `headStartNanoUsd` counts as spent before the first request, for every organization in its first month. */
  constructor(headStartNanoUsd: number) {
    this.#headStartNanoUsd = headStartNanoUsd;
  }

  add(organization: string | null, atMs: number, nanoUsd: number): void {
    const month = `${organization} ${monthOf(atMs)}`;
    this.#nanoUsd.set(month, (this.#nanoUsd.get(month) ?? 0) + nanoUsd);
  }

  spent(organization: string | null, atMs: number): number {
    const month = monthOf(atMs);
    const first = this.#firstMonths.get(organization) ?? month;
    this.#firstMonths.set(organization, first);
    return (this.#nanoUsd.get(`${organization} ${month}`) ?? 0) + (month === first ? this.#headStartNanoUsd : 0);
  }
}

/** The first day of the next month, on which the API restores access. */
export function regainDay(atMs: number): string {
  const at = new Date(atMs);
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1)).toISOString().slice(0, 10);
}

function monthOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 7);
}
