import type { ApiRequest } from '../api-request.ts';
import { json, refused, type EndpointResult } from '../exchange.ts';
import type { Checked } from '../messages.ts';
import type { SimulatorState } from '../state.ts';
import { REPORT_KINDS, unitsInCents, dayOf, type BookRow, type ReportKind } from './books.ts';
import { discounted, keyId, refreshedAtMs, reportedModel, workspaceId } from './directory.ts';
import {
  WIDTHS,
  analyticsRange,
  cursorAt,
  floor,
  invalid,
  limitIn,
  listIn,
  positionIn,
  type ReportRange,
} from './report-query.ts';

/** The dimensions of a group in the API's order; each is `null` where it was not asked for or has no value. */
const DIMENSIONS = [
  'api_key_id',
  'context_window',
  'inference_geo',
  'model',
  'product',
  'service_tier',
  'speed',
  'workspace_id',
] as const;

type Dimension = (typeof DIMENSIONS)[number];

/** Dimensions of what the simulator has none of: users, agents, children of an organization. They may be asked for. */
const EMPTY_DIMENSIONS = [
  'actor',
  'actor_type',
  'agent_id',
  'claude_tag_category',
  'claude_tag_user_id',
  'deployment_id',
  'environment_id',
  'organization_id',
  'rbac_group_id',
  'session_id',
  'slack_channel_id',
  'user_profile_id',
] as const;

const EMPTY_GROUP: Group = Object.fromEntries(EMPTY_DIMENSIONS.map((name) => [name, null]));

/** Dimensions of the cost report that do not count towards the five. */
const COST_DIMENSIONS = ['cost_type', 'token_type'] as const;

type Group = Readonly<Record<string, string | null>>;

/** Use of one group in one bucket. */
interface Bucket {
  readonly startMs: number;
  readonly endMs: number;
  readonly group: Group;
  readonly rows: BookRow[];
}

const FILTERS: Readonly<Record<string, Dimension | null>> = {
  ...Object.fromEntries(EMPTY_DIMENSIONS.map((name) => [filterOf(name), null])),
  api_key_ids: 'api_key_id',
  context_windows: 'context_window',
  inference_geos: 'inference_geo',
  models: 'model',
  products: 'product',
  service_tiers: 'service_tier',
  speeds: 'speed',
  workspace_ids: 'workspace_id',
};

function filterOf(dimension: (typeof EMPTY_DIMENSIONS)[number]): string {
  return dimension === 'claude_tag_category' ? 'claude_tag_categories' : `${dimension}s`;
}

/** What rows may be ranked by, besides time. */
type Orders = Readonly<Record<string, (rows: readonly BookRow[]) => bigint>>;

const USAGE_ORDERS: Orders = {
  total_tokens: (rows) => BigInt(totalTokens(rows)),
  uncached_input_tokens: (rows) => sumOf(rows, ({ tokens }) => tokens.input),
  output_tokens: (rows) => sumOf(rows, ({ tokens }) => tokens.output),
  requests: (rows) => sumOf(rows, ({ requests }) => requests),
};

/** The discount is the same for all rows. */
const COST_ORDERS: Orders = { amount: listUnits, list_amount: listUnits };

function sumOf(rows: readonly BookRow[], of: (row: BookRow) => number): bigint {
  return BigInt(rows.reduce((sum, row) => sum + of(row), 0));
}

function listUnits(rows: readonly BookRow[]): bigint {
  return amounts(rows).reduce((sum, { units }) => sum + units, 0n);
}

/** `GET /v1/organizations/analytics/usage`. */
export function analyticsUsage(state: SimulatorState, request: ApiRequest): EndpointResult {
  return report(state, request, {
    ...{ orders: USAGE_ORDERS, usual: 'total_tokens' },
    shown: ({ startMs, endMs, group, rows }) => [{ ...times(startMs, endMs), group, usage: usageOf(rows) }],
  });
}

/** `GET /v1/organizations/analytics/cost`. Groups by cost type and token type share one place of the page. */
export function analyticsCost(state: SimulatorState, request: ApiRequest): EndpointResult {
  const asked = listIn(request.url.searchParams, 'group_by') ?? [];
  const byType = COST_DIMENSIONS.filter((name) => asked.includes(name));
  return report(state, request, {
    ...{ orders: COST_ORDERS, usual: 'amount' },
    shown: ({ startMs, endMs, group, rows }) =>
      byCostType(amounts(rows), byType).map(({ types, units }) => ({
        ...times(startMs, endMs),
        group: { ...group, ...types },
        cost: {
          amount: unitsInCents(discounted(state, units)),
          list_amount: unitsInCents(units),
          currency: 'USD',
          requests: byType.length > 0 ? null : rows.reduce((sum, row) => sum + row.requests, 0),
        },
      })),
  });
}

interface Report {
  readonly orders: Orders;
  /** What rows are ranked by if nothing is asked for. */
  readonly usual: string;
  readonly shown: (bucket: Bucket) => readonly object[];
}

function report(state: SimulatorState, request: ApiRequest, { orders, usual, shown }: Report): EndpointResult {
  const query = request.url.searchParams;
  const nowMs = state.clock.now();
  const range = analyticsRange(query, nowMs);
  if ('refused' in range) return refused(range.refused);
  const groups = groupsIn(query);
  if ('refused' in groups) return refused(groups.refused);
  const order = orderIn(query, { orders, usual });
  if ('refused' in order) return refused(order.refused);
  const limit = limitIn(query, { fallback: 20, most: 1000 });
  if ('refused' in limit) return refused(limit.refused);
  const from = positionIn(query, nowMs, state.options.organization?.cursorMs ?? 600_000);
  if ('refused' in from) return refused(from.refused);
  const refreshedMs = refreshedAtMs(state);
  const buckets = bucketsOf(state, query, { range: range.ok, groups: groups.ok, refreshedMs });
  buckets.sort(order.ok);
  const until = from.ok + limit.ok;
  const more = until < buckets.length;
  return json({
    data: buckets.slice(from.ok, until).flatMap(shown),
    has_more: more,
    next_page: more ? cursorAt(until, query, nowMs) : null,
    data_refreshed_at: refreshedMs === null ? null : new Date(refreshedMs).toISOString(),
  });
}

/**
 * Compares by time where that is asked for and, within a bucket, by what the report is of, the most first; else by that
 * alone; then by name.
 */
function orderIn(
  query: URLSearchParams,
  { orders, usual }: Omit<Report, 'shown'>,
): Checked<(a: Bucket, b: Bucket) => number> {
  const name = query.get('order_by') ?? usual;
  const isByTime = name === 'time';
  const measure = orders[isByTime ? usual : name];
  if (measure === undefined) return invalid(`order_by: ${name} is not an order of this report`);
  if (isByTime && query.get('time_bucket_width') === null) return invalid('order_by: time needs time_bucket_width');
  const direction = query.get('order') ?? 'desc';
  if (direction !== 'asc' && direction !== 'desc') return invalid('order: expected asc or desc');
  const ascending = direction === 'asc' ? 1 : -1;
  return {
    ok: (a, b) => {
      if (isByTime && a.startMs !== b.startMs) return a.startMs > b.startMs ? ascending : -ascending;
      const difference = measure(a.rows) - measure(b.rows);
      const sign = isByTime ? -1 : ascending;
      if (difference !== 0n) return difference > 0n ? sign : -sign;
      return JSON.stringify([a.startMs, a.group]) < JSON.stringify([b.startMs, b.group]) ? -1 : 1;
    },
  };
}

function groupsIn(query: URLSearchParams): Checked<readonly Dimension[]> {
  const asked = listIn(query, 'group_by') ?? [];
  const known: readonly string[] = [...DIMENSIONS, ...EMPTY_DIMENSIONS, ...COST_DIMENSIONS];
  const unknown = asked.find((name) => !known.includes(name));
  if (unknown !== undefined) return invalid(`group_by: ${unknown} is not a dimension`);
  if (query.get('exclude_deleted_users') === 'true' && !asked.includes('actor'))
    return invalid('exclude_deleted_users: needs group_by[]=actor');
  const counted = [...DIMENSIONS, ...EMPTY_DIMENSIONS].filter((name) => asked.includes(name));
  if (counted.length > 5) return invalid('group_by: at most 5 dimensions');
  return { ok: DIMENSIONS.filter((name) => asked.includes(name)) };
}

interface Cut {
  readonly range: ReportRange;
  readonly groups: readonly Dimension[];
  readonly refreshedMs: number | null;
}

/** Buckets and groups without use have no row. */
function bucketsOf(state: SimulatorState, query: URLSearchParams, { range, groups, refreshedMs }: Cut): Bucket[] {
  const buckets = new Map<string, Bucket>();
  if (refreshedMs === null) return [];
  const { fromMs, toMs, width } = range;
  for (const row of state.books.shown(fromMs, Math.min(toMs, refreshedMs))) {
    const values = valuesOf(state, row);
    if (!isAskedFor(query, values)) continue;
    const startMs = width === null ? fromMs : floor(row.minuteMs, WIDTHS[width]);
    const asked = Object.fromEntries(DIMENSIONS.map((name) => [name, groups.includes(name) ? values[name] : null]));
    const group = { ...EMPTY_GROUP, ...asked };
    const id = JSON.stringify([startMs, group]);
    const bucket = buckets.get(id);
    if (bucket !== undefined) bucket.rows.push(row);
    else buckets.set(id, { startMs, endMs: width === null ? toMs : startMs + WIDTHS[width], group, rows: [row] });
  }
  return [...buckets.values()];
}

function valuesOf(
  state: SimulatorState,
  { minuteMs, dimensions }: BookRow,
): Readonly<Record<Dimension, string | null>> {
  const { key, model, service_tier, speed, inference_geo, context_window, product } = dimensions;
  return {
    ...{ service_tier, speed, inference_geo, context_window, product },
    model: model === null ? null : reportedModel(state, model, dayOf(minuteMs)),
    api_key_id: key === null ? null : keyId(state, key),
    workspace_id: workspaceId(state, key),
  };
}

/** An empty text, and `not_available`, ask for what has no value. */
function isAskedFor(query: URLSearchParams, values: Readonly<Record<Dimension, string | null>>): boolean {
  return Object.entries(FILTERS).every(([name, dimension]) => {
    const asked = listIn(query, name);
    const value = dimension === null ? null : values[dimension];
    return (
      asked === null ||
      (value === null ? asked.some((each) => each === '' || each === 'not_available') : asked.includes(value))
    );
  });
}

function times(startMs: number, endMs: number): object {
  return { starting_at: new Date(startMs).toISOString(), ending_at: new Date(endMs).toISOString() };
}

function totalTokens(rows: readonly BookRow[]): number {
  return rows.reduce((sum, { tokens }) => sum + Object.values(tokens).reduce((all, count) => all + count, 0), 0);
}

/** The usage of rows in the API's form. */
export function usageOf(rows: readonly BookRow[]): Readonly<Record<string, unknown>> {
  const sum = (kind: ReportKind): number => rows.reduce((all, row) => all + row.tokens[REPORT_KINDS[kind]], 0);
  return {
    uncached_input_tokens: sum('uncached_input_tokens'),
    cache_read_input_tokens: sum('cache_read_input_tokens'),
    cache_creation: {
      ephemeral_5m_input_tokens: sum('cache_creation.ephemeral_5m_input_tokens'),
      ephemeral_1h_input_tokens: sum('cache_creation.ephemeral_1h_input_tokens'),
    },
    output_tokens: sum('output_tokens'),
    total_tokens: totalTokens(rows),
    server_tool_use: { web_search_requests: rows.reduce((all, row) => all + row.searches, 0) },
    requests: rows.reduce((all, row) => all + row.requests, 0),
  };
}

/** What was charged, by cost type and, for tokens, by their kind. A commitment to the Priority Tier is paid elsewhere. */
export interface Amount {
  readonly cost_type: string;
  readonly token_type: string | null;
  readonly units: bigint;
}

export function amounts(rows: readonly BookRow[]): readonly Amount[] {
  return rows.flatMap(({ list, tokens, searches, dimensions }): readonly Amount[] => {
    const { otherCost, service_tier: tier } = dimensions;
    if (otherCost !== null) return [{ cost_type: otherCost, token_type: null, units: list.other }];
    if (tier === 'priority') return [];
    const kinds = Object.entries(REPORT_KINDS).filter(([, kind]) => tokens[kind] > 0);
    return [
      ...kinds.map(([name, kind]) => ({ cost_type: 'tokens', token_type: name, units: list[kind] })),
      ...(searches > 0 ? [{ cost_type: 'web_search', token_type: null, units: list.web_search }] : []),
    ];
  });
}

interface Typed {
  readonly types: Group;
  readonly units: bigint;
}

function byCostType(all: readonly Amount[], by: readonly (typeof COST_DIMENSIONS)[number][]): readonly Typed[] {
  const sums = new Map<string, Typed>();
  for (const amount of all) {
    const types = {
      cost_type: by.includes('cost_type') ? amount.cost_type : null,
      token_type: by.includes('token_type') ? amount.token_type : null,
    };
    const id = JSON.stringify(types);
    sums.set(id, { types, units: (sums.get(id)?.units ?? 0n) + amount.units });
  }
  return [...sums.values()];
}
