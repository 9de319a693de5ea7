import type { PriceTable } from '../pricing/prices.ts';
import { MalformedReportError } from './admin-client.ts';
import { exactUsdOfCents, type ExactUsd } from './exact-usd.ts';
import { NOTHING, byKind, type ByKind, type Mode, type OtherCost, type ReportCell, type ReportKind } from './report.ts';

type Row = Readonly<Record<string, unknown>>;

/** An object of the report; anything else is an error of the wire. */
export function rowIn(value: unknown, what: string): Row {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Row;
  throw new MalformedReportError(`no object as ${what}`);
}

export function textIn(row: Row, name: string): string | null {
  const value = row[name];
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value;
  throw new MalformedReportError(`no text as ${name}`);
}

/** A count; absent and null are 0. */
export function countIn(row: Row, name: string): bigint {
  const value = row[name] ?? 0;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw new MalformedReportError(`no count as ${name}`);
}

/** An amount in cents, exact. */
export function centsIn(row: Row, name: string): ExactUsd {
  const amount = exactUsdOfCents(row[name]);
  if (amount === null) throw new MalformedReportError(`no amount of cents as ${name}`);
  if ((row['currency'] ?? 'USD') !== 'USD') throw new MalformedReportError('another currency than USD');
  return amount;
}

/** The names that reports give to kinds of tokens: the paths of the counts in a usage. */
const KIND_OF_TYPE: ReadonlyMap<string, ReportKind> = new Map([
  ['uncached_input_tokens', 'input'],
  ['cache_read_input_tokens', 'cache_read'],
  ['cache_creation.ephemeral_5m_input_tokens', 'cache_write_5m'],
  ['cache_creation.ephemeral_1h_input_tokens', 'cache_write_1h'],
  ['output_tokens', 'output'],
]);

/** The tokens of a usage. The writes stand one level down, by how long they last. */
export function tokensOf(usage: Row): ByKind {
  const writes = rowIn(usage['cache_creation'] ?? {}, 'cache_creation');
  return {
    input: countIn(usage, 'uncached_input_tokens'),
    cache_read: countIn(usage, 'cache_read_input_tokens'),
    cache_write_5m: countIn(writes, 'ephemeral_5m_input_tokens'),
    cache_write_1h: countIn(writes, 'ephemeral_1h_input_tokens'),
    output: countIn(usage, 'output_tokens'),
  };
}

function searchesOf(usage: Row): bigint {
  return countIn(rowIn(usage['server_tool_use'] ?? {}, 'server_tool_use'), 'web_search_requests');
}

/** The sum over all kinds. */
export function totalOf(tokens: ByKind): bigint {
  return Object.values(tokens).reduce((sum, count) => sum + count, 0n);
}

/** A cell while its rows are added up. */
interface Sums extends Mode {
  readonly keyId: string | null;
  tokens: ByKind;
  searches: bigint;
  requests: bigint;
  list: ByKind<ExactUsd>;
  listSearches: ExactUsd;
  billed: ExactUsd;
}

/** Adds up the rows of one UTC day by key and mode. */
export class DayRows {
  readonly others: OtherCost[] = [];
  readonly #cells = new Map<string, Sums>();
  readonly #prices: PriceTable;

  constructor(prices: PriceTable) {
    this.#prices = prices;
  }

  get cells(): readonly (ReportCell & { readonly requests: bigint; readonly list: ByKind<ExactUsd> })[] {
    return [...this.#cells.values()];
  }

  addUsage(group: Row, usage: Row): void {
    const cell = this.#cell(group);
    const tokens = tokensOf(usage);
    cell.tokens = byKind((kind) => cell.tokens[kind] + tokens[kind]);
    cell.searches += searchesOf(usage);
    cell.requests += countIn(usage, 'requests');
  }

  addCost(group: Row, cost: Row): void {
    const [list, billed] = [centsIn(cost, 'list_amount'), centsIn(cost, 'amount')];
    const costType = textIn(group, 'cost_type') ?? 'unknown';
    const kind = KIND_OF_TYPE.get(textIn(group, 'token_type') ?? '');
    if (costType === 'web_search') {
      const cell = this.#cell(group);
      cell.listSearches += list;
      cell.billed += billed;
    } else if (costType === 'tokens' && kind !== undefined) {
      const cell = this.#cell(group);
      cell.list = { ...cell.list, [kind]: cell.list[kind] + list };
      cell.billed += billed;
    } else {
      this.others.push({ costType, keyId: textIn(group, 'api_key_id'), list, billed });
    }
  }

  /** The cell of a group. Names of models, dated or not, are the table's; what was not set is what it means. */
  #cell(group: Row): Sums {
    const id = textIn(group, 'model') ?? 'unknown';
    const geo = textIn(group, 'inference_geo') ?? 'global';
    const mode = {
      keyId: textIn(group, 'api_key_id'),
      model: this.#prices.canonicalModel(id),
      tier: textIn(group, 'service_tier') ?? 'standard',
      speed: textIn(group, 'speed') ?? 'standard',
      geo: geo === 'not_available' ? 'global' : geo,
    };
    const name = JSON.stringify(mode);
    const known = this.#cells.get(name);
    if (known !== undefined) return known;
    const nothing = { tokens: NOTHING, list: NOTHING, searches: 0n, requests: 0n, listSearches: 0n, billed: 0n };
    const made: Sums = { ...mode, ...nothing };
    this.#cells.set(name, made);
    return made;
  }
}
