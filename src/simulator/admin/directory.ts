import { page } from '../batch-endpoints.ts';
import type { ApiRequest } from '../api-request.ts';
import { ANY_KEY, type AcceptedKey } from '../credentials.ts';
import { refusal } from '../errors.ts';
import { json, refused, type EndpointResult } from '../exchange.ts';
import { modelsByClass, modelNamed } from '../limits.ts';
import type { SimulatorState } from '../state.ts';
import { organizationJson } from './access.ts';
import { centsInUnits } from './books.ts';
import { floor, invalid, listIn } from './report-query.ts';

const HOUR_MS = 3_600_000;

/** The end of the complete data, on the hour; `null` while nothing has landed. */
export function refreshedAtMs({ clock, options, books }: SimulatorState): number | null {
  const atMs = floor(clock.now() - (options.organization?.lagMs ?? 4 * HOUR_MS), HOUR_MS);
  const { firstMs } = books;
  return firstMs === null || firstMs >= atMs ? null : atMs;
}

/** What is left of an amount after the discount. */
export function discounted({ options }: SimulatorState, units: bigint): bigint {
  const percent = centsInUnits(options.organization?.discountPercent ?? '0');
  const whole = centsInUnits('100');
  return (units * (whole - percent)) / whole;
}

export function reportedModel({ options }: SimulatorState, model: string, day: string): string {
  return options.organization?.reportedModel?.(model, day) ?? model;
}

/** The id of an accepted key by its name. */
export function keyId(state: SimulatorState, name: string): string {
  return acceptedKey(state, name)?.id ?? idFrom('apikey_01', name);
}

const DEFAULT_WORKSPACE = 'wrkspc_01DefaultOfTheOrganization';

/** The workspace of a key; `legacy` leaves out the default one. */
export function workspaceId(state: SimulatorState, key: string | null): string {
  return (key === null ? null : acceptedKey(state, key)?.workspace) ?? DEFAULT_WORKSPACE;
}

export function legacyWorkspaceId(state: SimulatorState, key: string | null): string | null {
  const id = workspaceId(state, key);
  return id === DEFAULT_WORKSPACE ? null : id;
}

function acceptedKey({ options }: SimulatorState, name: string): AcceptedKey | undefined {
  return options.keys?.find((key) => key.name === name);
}

/** An id that is the same for the same name. */
function idFrom(prefix: string, name: string): string {
  return prefix + Buffer.from(name).toString('hex').slice(0, 24).padEnd(24, '0');
}

/** `GET /v1/organizations/me`. */
export function me(state: SimulatorState): EndpointResult {
  return json(organizationJson(state));
}

/** `GET /v1/organizations/api_keys`. */
export function listKeys(state: SimulatorState, request: ApiRequest): EndpointResult {
  const query = request.url.searchParams;
  const all = (state.options.keys ?? [ANY_KEY])
    .map((key) => keyJson(state, key, request.raw.headers))
    .filter((key) => query.get('status') === null || key['status'] === query.get('status'));
  return json(page(all, query));
}

function keyJson(state: SimulatorState, key: AcceptedKey, headers: Headers): Readonly<Record<string, unknown>> {
  const { name, key: secret, workspace = null, createdAt = '2026-01-05T09:00:00Z', expiresAt = null, status } = key;
  const isExpired = expiresAt !== null && Date.parse(expiresAt) <= state.clock.now();
  // Until the version of October 2026, `null` was the default workspace or all of them.
  const isOld = (headers.get('anthropic-version') ?? '') < '2026-10-21';
  const scope =
    key.workspace === null ? { type: 'organization' } : { type: 'workspace', workspace_id: workspaceId(state, name) };
  return {
    id: keyId(state, name),
    type: 'api_key',
    name,
    partial_key_hint: hintOf(secret),
    status: isExpired ? 'expired' : (status ?? 'active'),
    created_at: createdAt,
    expires_at: expiresAt,
    created_by: { id: 'user_01Simulated', type: 'user' },
    principal: null,
    ...(isOld ? { workspace_id: workspace } : { scope }),
  };
}

/** The part of a key that the Console shows: `sk-ant-api03-R2D...igAA`. */
function hintOf(secret: string): string {
  const prefix = /^sk-ant-[a-z0-9]+-/.exec(secret)?.[0] ?? '';
  return `${secret.slice(0, prefix.length + 3)}...${secret.slice(-4)}`;
}

/** `GET /v1/organizations/workspaces`. The default one comes only where it is asked for. */
export function listWorkspaces(state: SimulatorState, request: ApiRequest): EndpointResult {
  const query = request.url.searchParams;
  const named = [...new Set((state.options.keys ?? []).map(({ workspace }) => workspace))]
    .filter((id) => typeof id === 'string')
    .map((id) => ({ id, type: 'workspace', name: id.replace(/^wrkspc_/, ''), archived_at: null, tags: {} }));
  const standard = { id: DEFAULT_WORKSPACE, type: 'workspace', name: 'Default', archived_at: null, tags: {} };
  return json(page([...(query.get('include_default') === 'true' ? [standard] : []), ...named], query));
}

/** `GET /v1/organizations/rate_limits`. */
export function rateLimits(state: SimulatorState, request: ApiRequest): EndpointResult {
  const query = request.url.searchParams;
  const model = query.get('model');
  if (model !== null && modelNamed(model) === undefined)
    return refused(refusal('not_found', { message: `model: ${model}` }));
  const isOld = (request.raw.headers.get('anthropic-version') ?? '') < '2026-10-21';
  const named = (type: string, id: string, name?: string): object =>
    isOld
      ? { group_type: type }
      : { group: { type, id: idFrom('rlg_', id), ...(name !== undefined && { display_name: name }) } };
  const groups = [...modelsByClass()].map(([name, models]) => ({
    id: idFrom('rl_', name),
    type: 'rate_limit',
    ...named('model_group', name, name),
    models,
    limits: limitsJson(state.limits.perMinuteOf(name)),
  }));
  const batch = {
    id: idFrom('rl_', 'batch'),
    type: 'rate_limit',
    ...named('batch', 'batch'),
    models: null,
    limits: [{ type: 'enqueued_batch_requests', value: state.limits.batch.queued }],
  };
  return json({
    data: [...groups.filter(({ models }) => model === null || models.includes(model)), batch],
    next_page: null,
  });
}

/** The API's names for limits per minute. */
const LIMITERS = {
  requests: 'requests_per_minute',
  inputTokens: 'input_tokens_per_minute_cache_aware',
  outputTokens: 'output_tokens_per_minute',
} as const;

const LIMITER_NAMES = ['requests', 'inputTokens', 'outputTokens'] as const;

function limitsJson(limits: ReturnType<SimulatorState['limits']['perMinuteOf']>): readonly object[] {
  return LIMITER_NAMES.map((name) => ({ type: LIMITERS[name], value: limits[name] }));
}

/** `GET /v1/organizations/workspaces/{id}/rate_limits`: what is lower there, and with `include_inherited` the rest too. */
export function workspaceRateLimits(state: SimulatorState, request: ApiRequest): EndpointResult {
  const { options, limits } = state;
  const isKnown =
    request.id === DEFAULT_WORKSPACE || (options.keys ?? []).some(({ workspace }) => workspace === request.id);
  if (!isKnown) return refused(refusal('not_found', { message: `workspace: ${request.id}` }));
  const overrides = options.organization?.workspaceLimits?.[request.id] ?? {};
  const isWhole = request.url.searchParams.get('include_inherited') === 'true';
  const data = [...modelsByClass()].flatMap(([name, models]) => {
    const ofOrganization = limits.perMinuteOf(name);
    const own = overrides[name] ?? {};
    const values = LIMITER_NAMES.filter((limiter) => isWhole || own[limiter] !== undefined).map((limiter) => ({
      ...{
        type: LIMITERS[limiter],
        value: own[limiter] ?? ofOrganization[limiter],
        org_limit: ofOrganization[limiter],
      },
      source: { type: own[limiter] === undefined ? 'organization' : 'workspace' },
    }));
    const group = { type: 'model_group', id: idFrom('rlg_', name), display_name: name };
    const ids = { rate_limit_id: idFrom('rl_', name), workspace_id: request.id };
    return values.length === 0 ? [] : [{ ...ids, type: 'workspace_rate_limit', group, models, limits: values }];
  });
  return json({ data, next_page: null });
}

/** Scopes that a Console organization has; those of Claude Enterprise are refused. */
const SPEND_SCOPES: ReadonlySet<string> = new Set(['usage_tier', 'organization', 'workspace']);

/** `GET /v1/organizations/spend_limits`: the cap of the usage tier, in whole cents. */
export function spendLimits(state: SimulatorState, request: ApiRequest): EndpointResult {
  if (state.options.organization?.spendLimits !== true) {
    const message = 'Reading spend limits is in an early access preview.';
    return refused(refusal('permission_denied', { message }));
  }
  const scopes = listIn(request.url.searchParams, 'scope_type');
  const wrong = scopes?.find((scope) => !SPEND_SCOPES.has(scope));
  if (wrong !== undefined) return refused(invalid(`scope_type: ${wrong} is not a scope of this organization`).refused);
  const capUsd = state.limits.monthlyCapUsd;
  const tier = {
    ...{ id: 'spl_01UsageTier', type: 'spend_limit', currency: 'USD', period: 'monthly', is_enabled: true },
    amount: capUsd === null ? null : String(capUsd * 100),
    scope: { type: 'usage_tier' },
    ...{ created_at: '2026-06-26T00:00:00Z', updated_at: '2026-06-26T00:00:00Z' },
  };
  return json({ data: scopes === null || scopes.includes('usage_tier') ? [tier] : [], next_page: null });
}
