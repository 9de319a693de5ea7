import { CONTENT_NAMES, UNBOUNDED_PARTS, type AskedNode, type Unbounded } from './body-names.ts';
import { billsAnother } from '../observe/operation.ts';
import { isJson, type Json } from '../observe/usage.ts';
import { REFUSAL, type Admission, type Guard, type GuardedRequest } from '../decisions.ts';
import type { AuthenticatedToken, ClientRule, ClientRules } from './access/client.ts';
import { MINTED_AT_ONCE, MINTED_BODY_BYTES, UNBOUND } from './access/client.ts';
import { least, rateBuckets } from './access/member-limits.ts';
import { isListedInAll, isWithin } from './access/model-list.ts';
import type { MemberRules } from './access/member.ts';
import { rateGuard, type RateBucket, type RateLimiter } from './access/rate-limiter.ts';
import type { SpendingToken } from './access/token-spend.ts';
import { groupOf, groupsOf, type EndpointGroup } from './endpoints.ts';
import type { ApiError } from './errors.ts';
import type { MaxTokensCeiling, TokenGuard } from './grant.ts';
import { optionProblems, refuseOptions } from '../errors.ts';

/** A client rule, and how the gateway enforces it. */
interface RuleEntry<Rule extends ClientRule> {
  readonly field: Rule;
  /** Reads the bound of a token from its client, and from the terms of its minting; `null` if it has none. */
  read(token: AuthenticatedToken): Bounds[Rule] | null;
  /** Makes the guards of calls. None for a rule that is enforced before there is a call. */
  guard(bound: Bounds[Rule], limiter: RateLimiter): readonly Guard[];
  /** Tells whether its guards read the body: then the gateway reads all of it before it sends anything. */
  readonly needsBody: boolean;
}

/** The bound of each rule for a known token. */
interface Bounds {
  readonly models: readonly (readonly string[])[];
  readonly maxTokens: MaxTokensCeiling;
  readonly endpoints: readonly EndpointGroup[];
  readonly requestsPerMinute: readonly RateBucket[];
  readonly origins: readonly (readonly string[])[];
  readonly mints: MintedBounds;
  readonly bodyBytes: number;
  readonly requestsAtOnce: number;
  readonly billTo: 'self';
  readonly tokenCounts: 'limited' | 'free';
  readonly inputTokensPerMinute: number;
  readonly outputTokensPerMinute: number;
  readonly parallelRequests: number;
  readonly members: MemberRules;
}

/** What bounds a minted token. */
interface MintedBounds {
  /** `null` for one without a limit of its own. */
  readonly spending: SpendingToken | null;
  readonly unbounded: readonly Unbounded[];
}

/** All client rules. Their guards are asked in this order. */
export const CLIENT_RULES: { readonly [Rule in ClientRule]: RuleEntry<Rule> } = {
  models: {
    field: 'models',
    read: allowedModels,
    guard: (models) => [modelGuard(models)],
    needsBody: true,
  },
  maxTokens: {
    field: 'maxTokens',
    read: ({ client }) => client.maxTokens,
    guard: (ceiling) => [ceilingGuard(ceiling)],
    needsBody: true,
  },
  endpoints: {
    field: 'endpoints',
    read: ({ client, record }) => groupsOf(record.minted === null ? client.endpoints : 'messages'),
    guard: (groups) => [endpointsGuard(groups)],
    needsBody: false,
  },
  requestsPerMinute: {
    field: 'requestsPerMinute',
    read: rateBuckets,
    guard: (buckets, limiter) => buckets.map((bucket) => rateGuard(limiter, bucket)),
    needsBody: false,
  },
  // The authenticator enforces it: a token from another origin gets a 401, like an unknown one.
  origins: keptElsewhere('origins', allowedOrigins),
  // The grant has the spend as a spend guard, which also settles the cost of calls.
  mints: {
    field: 'mints',
    read: mintedBounds,
    guard: ({ unbounded }) => [boundGuard(unbounded)],
    needsBody: true,
  },
  // The grant carries these two: they are kept before the body is read, and while it is.
  bodyBytes: keptElsewhere('bodyBytes', ({ client, record }) =>
    least(client.bodyBytes, record.minted && (client.mints?.bodyBytes ?? MINTED_BODY_BYTES)),
  ),
  requestsAtOnce: keptElsewhere('requestsAtOnce', ({ client, record }) =>
    least(client.requestsAtOnce, record.minted && (client.mints?.requestsAtOnce ?? MINTED_AT_ONCE)),
  ),
  billTo: {
    field: 'billTo',
    read: ({ client, record }) =>
      (client.billTo ?? (record.minted === null ? 'any' : 'self')) === 'self' ? 'self' : null,
    guard: () => [SELF_ONLY],
    needsBody: true,
  },
  // The buckets of `requestsPerMinute` go by it.
  tokenCounts: keptElsewhere('tokenCounts', ({ client }) => client.tokenCounts),
  // The grant has what follows as spend guards, which also settle what a call has used.
  inputTokensPerMinute: keptElsewhere('inputTokensPerMinute', ({ client }) => client.inputTokensPerMinute),
  outputTokensPerMinute: keptElsewhere('outputTokensPerMinute', ({ client }) => client.outputTokensPerMinute),
  parallelRequests: keptElsewhere('parallelRequests', ({ client }) => client.parallelRequests),
  members: keptElsewhere('members', ({ client }) => client.members),
};

/** A rule that has no guards: who reads its bound enforces it. */
function keptElsewhere<Rule extends ClientRule>(field: Rule, read: RuleEntry<Rule>['read']): RuleEntry<Rule> {
  return { field, read, guard: () => [], needsBody: false };
}

const ENTRIES: readonly RuleEntry<ClientRule>[] = Object.values(CLIENT_RULES);

/** Makes the guards that enforce the rules of the token's client, and the terms of its minting. */
export function tokenGuards(token: AuthenticatedToken, limiter: RateLimiter): readonly TokenGuard[] {
  return ENTRIES.flatMap((rule) => {
    const bound = rule.read(token);
    return bound === null ? [] : rule.guard(bound, limiter).map((guard) => tokenGuard(guard, rule));
  });
}

/** Makes the guards of a grant, for a program that authenticates its callers itself. */
export function clientGuards(
  rules: Partial<Pick<ClientRules, 'models' | 'maxTokens' | 'endpoints' | 'billTo'>>,
): readonly TokenGuard[] {
  // A slip would leave its limit out.
  refuseOptions(optionProblems(rules, { models: true, maxTokens: true, endpoints: true, billTo: true }));
  const { models, maxTokens, endpoints, billTo } = { ...UNBOUND, ...rules };
  const groups = groupsOf(endpoints);
  return [
    ...(models === null ? [] : [tokenGuard(modelGuard([models]), CLIENT_RULES.models)]),
    ...(maxTokens === null ? [] : [tokenGuard(ceilingGuard(maxTokens), CLIENT_RULES.maxTokens)]),
    ...(groups === null ? [] : [tokenGuard(endpointsGuard(groups), CLIENT_RULES.endpoints)]),
    ...(billTo === 'self' ? [tokenGuard(SELF_ONLY, CLIENT_RULES.billTo)] : []),
  ];
}

function tokenGuard(guard: Guard, { needsBody }: { readonly needsBody: boolean }): TokenGuard {
  return { needsBody, admit: (call, request) => guard.admit(call, request) };
}

/** Every list applies: the client's of now, and those of the token's making. */
function allowedModels({ client, record }: AuthenticatedToken): readonly (readonly string[])[] | null {
  const lists = [client.models, record.member?.models ?? null, record.minted?.models ?? null];
  const set = lists.filter((list) => list !== null);
  return set.length === 0 ? null : set;
}

/** Every list applies: the client's, and the one origin of a minted token. */
function allowedOrigins({ client, record }: AuthenticatedToken): readonly (readonly string[])[] | null {
  const minted = record.minted?.origin ?? null;
  const lists = [...(client.origins === null ? [] : [client.origins]), ...(minted === null ? [] : [[minted]])];
  return lists.length === 0 ? null : lists;
}

function mintedBounds({ client, record }: AuthenticatedToken): MintedBounds | null {
  const { id, minted, expiresAtMs } = record;
  if (minted === null) return null;
  const { spendNanoUsd } = minted;
  const spending = spendNanoUsd === null || expiresAtMs === null ? null : { id, spendNanoUsd, expiresAtMs };
  return { spending, unbounded: client.mints?.unbounded ?? [] };
}

const BRAND = Symbol.for('plimsoll.gateway_client_rule');

/** Refuses a call that a rule of the client does not allow. Nothing was sent. */
class ClientRuleError extends Error {
  readonly code = 'PLIMSOLL_GATEWAY_NOT_ALLOWED';
  /** The rule that refused. */
  readonly field: ClientRule;
  /** The error that the client gets. */
  readonly apiError: ApiError;
  readonly [REFUSAL] = true;
  readonly [BRAND] = true;

  constructor(field: ClientRule, apiError: ApiError) {
    super(apiError.message);
    this.name = 'ClientRuleError';
    this.field = field;
    this.apiError = apiError;
  }
}

/** Tells whether a client rule refused the call, even in another copy of the package. */
export function isClientRuleError(error: unknown): error is ClientRuleError {
  return typeof error === 'object' && error !== null && (error as { [BRAND]?: unknown })[BRAND] === true;
}

/** Operations whose bodies name a model and `max_tokens`. A batch has them in each of its requests. */
const ASKING: ReadonlySet<string> = new Set([
  'messages.create',
  'messages.stream',
  'messages.count_tokens',
  'messages.batches.create',
]);

function modelGuard(models: readonly (readonly string[])[]): Guard {
  return {
    admit({ operation }, request) {
      if (!ASKING.has(operation)) return undefined;
      for (const asked of requestsIn(operation, request, 'models')) checkModels(asked, models);
      return undefined;
    },
  };
}

/** Checks the model of a request, of its fallbacks, and of tools that use another model. */
function checkModels(request: Json, allowed: readonly (readonly string[])[]): void {
  const models = [request['model'], ...settingsWithin(request).flatMap(({ model }) => model ?? [])];
  // The API chooses the models of a chain that is given as a text.
  const isChosenThere = typeof request['fallbacks'] === 'string';
  if (!isChosenThere && models.every((model) => isListedInAll(model, allowed))) return;
  // The last list is the narrowest, and what it has too much the others refuse.
  const shown = (allowed.at(-1) ?? []).filter((entry) => allowed.every((list) => isWithin(entry, list)));
  const message = `This token may only use these models: ${shown.join(', ')}. Change the model of the request.`;
  throw new ClientRuleError('models', { status: 403, type: 'permission_error', message });
}

/** Fields with content of the user's own, and settings of others than the API: a `model` in them names none of its models. */
const CONTENT: ReadonlySet<string> = new Set<string>(CONTENT_NAMES).add('messages');

/** The objects in a request that may name further models, each with the most tokens for it. */
function settingsWithin(request: Json): readonly Json[] {
  return Object.entries(request).flatMap(([name, value]) => objectsWithin(name, value));
}

function objectsWithin(name: string, value: unknown): readonly Json[] {
  if (CONTENT.has(name) || typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item: unknown) => objectsWithin('', item));
  return [value as Json, ...settingsWithin(value as Json)];
}

function ceilingGuard({ tokens, above }: MaxTokensCeiling): Guard {
  return {
    admit({ operation }, request): Admission {
      if (!ASKING.has(operation)) return undefined;
      const asked = requestsIn(operation, request, 'maxTokens');
      // Counting tokens has no `max_tokens`, but its body must be readable too.
      if (operation === 'messages.count_tokens') return undefined;
      const own = mostTokens(asked);
      const further = mostTokens(
        asked.flatMap(settingsWithin).filter(({ max_tokens: given }) => (given ?? null) !== null),
      );
      if (Math.max(own, further) <= tokens) return undefined;
      const isClampable = operation !== 'messages.batches.create' && further <= tokens;
      if (above === 'clamp' && isClampable) return { maxTokens: tokens };
      const message = `max_tokens: this token allows at most ${tokens}. Ask for less.`;
      throw new ClientRuleError('maxTokens', { status: 400, type: 'invalid_request_error', message });
    },
  };
}

const UNBOUNDED_WORDS: Readonly<Record<Unbounded, string>> = {
  server_tools: 'a tool that the API runs',
  mcp_servers: 'mcp_servers',
  compaction: 'compaction',
};

/** Refuses what can cost more than anyone can say before it is sent, but for what the client allows. */
function boundGuard(allowed: readonly Unbounded[]): Guard {
  return {
    admit({ operation }, request) {
      if (!ASKING.has(operation) || operation === 'messages.count_tokens') return undefined;
      for (const asked of requestsIn(operation, request, 'mints') as readonly AskedNode[]) {
        for (const part of asked[UNBOUNDED_PARTS] ?? []) if (!allowed.includes(part)) throw unboundedError(part);
      }
      return undefined;
    },
  };
}

function unboundedError(part: Unbounded): ClientRuleError {
  const message =
    `This token may spend only so much, and nobody can say before what ${UNBOUNDED_WORDS[part]} will cost. Leave it out, ` +
    `or ask the gateway's operator to allow it: mints.unbounded with ${part}.`;
  return new ClientRuleError('mints', { status: 403, type: 'permission_error', message });
}

/** The most that any of them asks for. Throws for one that is no count. */
function mostTokens(asked: readonly Json[]): number {
  let most = 0;
  for (const { max_tokens: given } of asked) {
    if (typeof given !== 'number' || !Number.isSafeInteger(given) || given < 0) throw unreadable('maxTokens');
    most = Math.max(most, given);
  }
  return most;
}

/** The body, or the bodies of a batch. Throws if they cannot be read: then no rule can be kept. */
function requestsIn(operation: string, { body }: GuardedRequest, field: ClientRule): readonly Json[] {
  if (operation !== 'messages.batches.create') return [readable(body, field)];
  const { requests } = readable(body, field);
  if (!Array.isArray(requests)) throw unreadable(field);
  return requests.map((request: unknown) => readable(isJson(request) ? request['params'] : null, field));
}

function readable(value: unknown, field: ClientRule): Json {
  if (!isJson(value)) throw unreadable(field);
  return value;
}

function unreadable(field: ClientRule): ClientRuleError {
  const message = `This token is limited (${field}), so the gateway must read the request: send a JSON object as the API documents it.`;
  return new ClientRuleError(field, { status: 400, type: 'invalid_request_error', message });
}

/**
 * Allows these groups. Files and batches belong to the workspace of the key, where one client can read another's, and the
 * cost of a batch is known only long after the token that started it has expired. What sessions cost is never seen.
 */
function endpointsGuard(groups: readonly EndpointGroup[]): Guard {
  return {
    admit({ operation }) {
      const group = groupOf(operation);
      if (group !== null && groups.includes(group)) return undefined;
      const message =
        `This token may not use ${group ?? 'this endpoint'}, only ${groups.join(', ')}. ` +
        "The gateway's operator can allow it: endpoints of the client.";
      throw new ClientRuleError('endpoints', { status: 403, type: 'permission_error', message });
    },
  };
}

/** What another organization pays is in no budget and no spend limit: nothing but its own limits would bound a thief. */
const SELF_ONLY: Guard = {
  admit({ operation }, request) {
    if (!ASKING.has(operation) || !requestsIn(operation, request, 'billTo').some(billsAnother)) return undefined;
    const message = 'This token may not bill the customer behind a user profile. Leave out billing_policy.';
    throw new ClientRuleError('billTo', { status: 403, type: 'permission_error', message });
  },
};
