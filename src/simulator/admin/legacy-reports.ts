import type { ApiRequest } from '../api-request.ts';
import { refusal } from '../errors.ts';
import { json, refused, type EndpointResult } from '../exchange.ts';
import type { Checked } from '../messages.ts';
import type { SimulatorState } from '../state.ts';
import { amounts, usageOf, type Amount } from './analytics.ts';
import { dayOf, unitsInCents, type BookRow } from './books.ts';
import { discounted, keyId, legacyWorkspaceId, reportedModel } from './directory.ts';
import {
  WIDTHS,
  cursorAt,
  floor,
  invalid,
  limitIn,
  listIn,
  positionIn,
  timeIn,
  widthIn,
  type Width,
} from './report-query.ts';

/** Milliseconds by which the older usage report is late: it has whole buckets only. */
const LAG_MS = 30 * 60_000;

const DAY_MS = WIDTHS['1d'];

const PAGE: Readonly<Record<Width, { readonly fallback: number; readonly most: number }>> = {
  '1d': { fallback: 7, most: 31 },
  '1h': { fallback: 24, most: 168 },
  '1m': { fallback: 60, most: 1440 },
};

const GROUPS = [
  'api_key_id',
  'context_window',
  'inference_geo',
  'model',
  'service_tier',
  'speed',
  'workspace_id',
] as const;

const FAST_MODE_BETA = 'fast-mode-2026-02-01';

/** `GET /v1/organizations/usage_report/messages`: every bucket of the range, oldest first, empty ones too. */
export function legacyUsage(state: SimulatorState, request: ApiRequest): EndpointResult {
  const query = request.url.searchParams;
  const by = listIn(query, 'group_by') ?? [];
  const betas = request.raw.headers.get('anthropic-beta') ?? '';
  if (by.includes('speed') && !betas.includes(FAST_MODE_BETA))
    return refused(refusal('invalid_request', { message: 'group_by: speed needs a beta header' }));
  const width = widthIn(query, 'bucket_width');
  if ('refused' in width) return refused(width.refused);
  const widthName = width.ok ?? '1d';
  const knownUntilMs = floor(state.clock.now() - LAG_MS, WIDTHS[widthName]);
  return buckets(state, request, { width: widthName, knownUntilMs, results: (rows) => usageResults(state, rows, by) });
}

function usageResults(state: SimulatorState, rows: readonly BookRow[], by: readonly string[]): readonly object[] {
  const groups = groupedBy(
    rows.filter(({ dimensions }) => dimensions.otherCost === null),
    (row) => groupOf(state, row, by),
  );
  return groups.map(({ group, rows: own }) => {
    const { total_tokens: _total, requests: _requests, ...usage } = usageOf(own);
    return { ...usage, ...group, account_id: null, service_account_id: null };
  });
}

function groupOf(state: SimulatorState, { minuteMs, dimensions }: BookRow, by: readonly string[]): object {
  const { key, model, inference_geo, service_tier, speed, context_window } = dimensions;
  const values: Readonly<Record<(typeof GROUPS)[number], string | null>> = {
    ...{ service_tier, speed, context_window },
    api_key_id: key === null ? null : keyId(state, key),
    model: model === null ? null : reportedModel(state, model, dayOf(minuteMs)),
    inference_geo: inference_geo ?? 'not_available',
    workspace_id: legacyWorkspaceId(state, key),
  };
  return Object.fromEntries(GROUPS.map((name) => [name, by.includes(name) ? values[name] : null]));
}

/** `GET /v1/organizations/cost_report`: whole UTC days up to the last midnight, without the Priority Tier. */
export function legacyCost(state: SimulatorState, request: ApiRequest): EndpointResult {
  const by = listIn(request.url.searchParams, 'group_by') ?? [];
  const unknown = by.find((name) => name !== 'workspace_id' && name !== 'description');
  if (unknown !== undefined) return refused(invalid(`group_by: ${unknown} is not a dimension`).refused);
  const knownUntilMs = floor(state.clock.now(), DAY_MS);
  return buckets(state, request, { width: '1d', knownUntilMs, results: (rows) => costResults(state, rows, by) });
}

function costResults(state: SimulatorState, rows: readonly BookRow[], by: readonly string[]): readonly object[] {
  const charged = rows.flatMap((row) => amounts([row]).map((amount) => ({ row, amount })));
  const groups = groupedBy(charged, ({ row, amount }) => ({
    workspace_id: by.includes('workspace_id') ? legacyWorkspaceId(state, row.dimensions.key) : null,
    ...(by.includes('description') ? described(state, row, amount) : NOT_DESCRIBED),
  }));
  return groups.map(({ group, rows: own }) => {
    const units = own.reduce((sum, { amount }) => sum + amount.units, 0n);
    return { currency: 'USD', amount: unitsInCents(discounted(state, units)), ...group };
  });
}

const NOT_DESCRIBED = {
  ...{ description: null, model: null, token_type: null, cost_type: null },
  ...{ service_tier: null, context_window: null, inference_geo: null },
};

function described(state: SimulatorState, { minuteMs, dimensions }: BookRow, amount: Amount): object {
  const { model, service_tier, context_window, inference_geo } = dimensions;
  const name = model === null ? null : reportedModel(state, model, dayOf(minuteMs));
  const { cost_type, token_type } = amount;
  return {
    description: `${name ?? 'Other'} Usage - ${token_type ?? cost_type}`,
    ...{ model: name, token_type, cost_type, service_tier, context_window },
    inference_geo: inference_geo ?? 'not_available',
  };
}

interface Buckets {
  readonly width: Width;
  readonly knownUntilMs: number;
  readonly results: (rows: readonly BookRow[]) => readonly object[];
}

function buckets(
  state: SimulatorState,
  request: ApiRequest,
  { width, knownUntilMs, results }: Buckets,
): EndpointResult {
  const query = request.url.searchParams;
  const nowMs = state.clock.now();
  const range = legacyRange(query, knownUntilMs, WIDTHS[width]);
  if ('refused' in range) return refused(range.refused);
  const limit = limitIn(query, PAGE[width]);
  if ('refused' in limit) return refused(limit.refused);
  const from = positionIn(query, nowMs, state.options.organization?.cursorMs ?? 600_000);
  if ('refused' in from) return refused(from.refused);
  const { fromMs, toMs } = range.ok;
  const stepMs = WIDTHS[width];
  const count = Math.max(0, Math.ceil((toMs - fromMs) / stepMs));
  const until = Math.min(count, from.ok + limit.ok);
  const data = Array.from({ length: Math.max(0, until - from.ok) }, (_, index) => {
    const startMs = fromMs + (from.ok + index) * stepMs;
    const rows = [...state.books.shown(startMs, startMs + stepMs)];
    const times = { starting_at: new Date(startMs).toISOString(), ending_at: new Date(startMs + stepMs).toISOString() };
    return { ...times, results: results(rows) };
  });
  const more = until < count;
  return json({ data, has_more: more, next_page: more ? cursorAt(until, query, nowMs) : null });
}

function legacyRange(
  query: URLSearchParams,
  knownUntilMs: number,
  stepMs: number,
): Checked<{ fromMs: number; toMs: number }> {
  const starting = timeIn(query, 'starting_at');
  const ending = timeIn(query, 'ending_at');
  if ('refused' in starting) return starting;
  if ('refused' in ending) return ending;
  if (starting.ok === null) return invalid('starting_at: Field required');
  const toMs = Math.min(knownUntilMs, floor(ending.ok ?? knownUntilMs, stepMs));
  return { ok: { fromMs: floor(starting.ok, stepMs), toMs } };
}

interface Grouped<Row> {
  readonly group: object;
  readonly rows: Row[];
}

function groupedBy<Row>(rows: readonly Row[], groupOfRow: (row: Row) => object): readonly Grouped<Row>[] {
  const groups = new Map<string, Grouped<Row>>();
  for (const row of rows) {
    const group = groupOfRow(row);
    const id = JSON.stringify(group);
    const known = groups.get(id);
    if (known === undefined) groups.set(id, { group, rows: [row] });
    else known.rows.push(row);
  }
  return [...groups.values()];
}
