import type { Limiter } from '../../limiter.ts';
import type { FailoverReason, FailoverWay } from '../../record/metrics/catalogue-gateway.ts';
import { LIMITED_BY, type Outcome, type Rejection } from '../../vocabulary.ts';
import type { KeyHealth, KeyStates } from './key-states.ts';
import type { Candidate, KeyChooser, KeyPool } from './pool.ts';

/** A rule of a client: where its requests go after these refusals. */
export interface FallbackRule {
  readonly on: readonly FailoverReason[];
  /** Alias of a key, or name of a pool. Default: what the client has. */
  readonly key?: string;
  /** Models in the order in which they are tried: those after the requested one, or all if that is not among them. */
  readonly models?: readonly string[];
}

/** One way to send a request. */
export interface Way {
  /** Alias of the key. */
  readonly key: string;
  /** In place of the requested model; `null` for that. */
  readonly model: string | null;
  /** The rule that led here, and why; `null` if none did. */
  readonly fallback: Fallback | null;
}

interface Fallback {
  readonly way: RuledWay;
  readonly reason: FailoverReason;
}

type RuledWay = Exclude<FailoverWay, 'pool'>;

/** A request that is to be sent. */
export interface RoutedRequest {
  /** Alias of a key, or name of a pool. */
  readonly name: string;
  readonly rules: readonly FallbackRule[];
  readonly model: string | null;
  /** Only messages and counts are sent another way, because files and batches are in the workspace of one key; only messages to another model. */
  readonly kind: 'message' | 'count' | 'other';
  /** Fingerprint of the conversation. */
  readonly conversation: () => string | null;
  /** The key of the attempt before; `null` for the first. */
  readonly before: string | null;
}

/** What all routes share. */
export interface RouteSurroundings {
  /** By name, and by alias, a pool of that one key. */
  readonly pools: ReadonlyMap<string, KeyPool>;
  readonly keys: ReadonlyMap<string, () => string>;
  readonly states: KeyStates;
  readonly chooser: KeyChooser;
  readonly canonicalModel: (model: string) => string;
  /** Models of one class share their limits. */
  readonly classOf: (model: string) => string;
  /** By alias of a key. */
  readonly apis: ReadonlyMap<string, object>;
  /** A request went another way after a refusal, or a failure to reach the API. */
  readonly onFailover: OnMove;
  /** A request went another way from the start, because its key rests. */
  readonly onDetour: OnMove;
}

type OnMove = (key: string, reason: FailoverReason, way: FailoverWay) => void;

/** Keys for one model, and the rule that leads to them; without one, the client's own. */
interface Stage {
  readonly pool: KeyPool;
  readonly model: string | null;
  readonly rule: { readonly way: RuledWay; readonly on: readonly FailoverReason[] } | null;
}

/** A way, and its place among the stages. */
interface Step extends Way {
  readonly stage: number;
}

/** A request is sent at most so often for one of its client's, whatever pools and rules there are. */
const MOST_SENT = 8;

/**
 * The ways of one request: the keys of its pool, then those of its client's rules. Each is taken once, and a key that rests is
 * left out. Where all rest, the request goes to the key whose rest ends first, and the API answers for itself.
 */
export class Route {
  readonly #shared: RouteSurroundings;
  readonly #request: RoutedRequest;
  readonly #stages: readonly Stage[];
  readonly #tried: string[] = [];
  #health: KeyHealth | null = null;
  /** The request tries a key that rested. */
  #isTrial = false;
  /** Why the next way is another, and why the one that was taken is. */
  #move: Parameters<OnMove> | null = null;
  #taken: Parameters<OnMove> | null = null;
  #step: Step;
  #next: Step | null;

  /** `own`: the pool of the request's name. */
  constructor(shared: RouteSurroundings, request: RoutedRequest, own: KeyPool) {
    this.#shared = shared;
    this.#request = request;
    this.#stages = stagesOf(shared, request, own);
    const [home = ''] = own.keys.keys();
    this.#step = { key: home, model: null, fallback: null, stage: 0 };
    this.#next = this.#isWatched ? this.#first() : this.#step;
  }

  /** Takes the next way, which there must be: for a request that is about to be sent. */
  take(): Way {
    this.#step = this.#next ?? this.#step;
    this.#next = null;
    [this.#taken, this.#move] = [this.#move, null];
    const { key, model } = this.#step;
    this.#tried.push(idOf(key, model));
    if (!this.#isWatched) return this.#step;
    this.#health = this.#healthOf(key);
    this.#isTrial = this.#health.begin(this.#classOf(model));
    return this.#step;
  }

  /** There is a next way. */
  get goesOn(): boolean {
    return this.#next !== null;
  }

  /** There could be a next way: a refusal is read before it goes back. */
  get mayGoOn(): boolean {
    return this.#isWatched;
  }

  /** Notes a success, with the limits that it showed. */
  succeed(limiters: readonly Limiter[]): void {
    if (this.#health === null) return;
    const { stage, model } = this.#step;
    const modelClass = this.#classOf(model);
    this.#isTrial = false;
    this.#health.succeed(modelClass);
    if (this.#stages[stage]?.pool.choose === 'headroom') this.#health.see(modelClass, limiters);
  }

  /** Notes a response that is no success, and goes back. */
  answer(status: number): void {
    if (this.#isTrial) this.#health?.answer(this.#classOf(this.#step.model), status);
    this.#isTrial = false;
  }

  /** Notes that a guard did not let the request go, or that its client gave it up. */
  giveBack(): void {
    if (this.#isTrial) this.#health?.giveBack(this.#classOf(this.#step.model));
    this.#isTrial = false;
  }

  /** Counts that the request went another way, once it did: a guard may refuse that. */
  moved(): void {
    if (this.#taken !== null) this.#shared.onFailover(...this.#taken);
  }

  /** Notes a refusal, and finds the next way. */
  refuse(rejection: Rejection, status: number, retryAfterMs: number | null): boolean {
    const reason = failoverReason(rejection, status);
    if (reason === null) return false;
    const { rateLimitReason } = rejection;
    // Another key may have higher limits, but this one is no worse for other requests.
    const isOfRequest = rateLimitReason !== null && LIMITED_BY[rateLimitReason] === 'request';
    this.answer(status);
    if (!isOfRequest) this.#health?.refuse(this.#classOf(this.#step.model), { reason, retryAfterMs });
    return this.#leave(reason);
  }

  /** Notes that the API could not be reached, and finds the next way. Nothing was sent. */
  miss(): boolean {
    this.#isTrial = false;
    this.#health?.refuse(this.#classOf(this.#step.model), { reason: 'unreachable', retryAfterMs: null });
    return this.#leave('unreachable');
  }

  /** More keys or rules than one. */
  get #isWatched(): boolean {
    const [own, ...others] = this.#stages;
    return this.#request.kind !== 'other' && (others.length > 0 || (own?.pool.keys.size ?? 0) > 1);
  }

  #first(): Step {
    const [own] = this.#stages;
    if (own === undefined) return this.#step;
    const { before } = this.#request;
    const candidates = this.#candidates(own);
    const awake = candidates.filter(({ health }) => health.rest(this.#classOf(null)) === null);
    const isBefore = awake.some(({ alias }) => alias === before);
    const key = isBefore ? before : this.#choose(own, awake);
    if (key !== null) return { ...this.#step, key };
    const rests = candidates.flatMap(({ alias, health }) => {
      const rest = health.rest(this.#classOf(null));
      return rest === null ? [] : [{ alias, ...rest }];
    });
    const [soonest] = rests.toSorted((a, b) => a.untilMs - b.untilMs);
    if (soonest === undefined) return this.#step;
    this.#step = { ...this.#step, key: soonest.alias };
    if (!this.#leave(soonest.reason)) return this.#step;
    if (this.#move !== null) this.#shared.onDetour(...this.#move);
    this.#move = null;
    return this.#next ?? this.#step;
  }

  #leave(reason: FailoverReason): boolean {
    if (this.#tried.length >= MOST_SENT) return false;
    this.#next = this.#find(reason);
    if (this.#next === null) return false;
    const isSamePool = this.#next.stage === this.#step.stage;
    this.#move = [this.#step.key, reason, isSamePool ? 'pool' : (this.#next.fallback?.way ?? 'pool')];
    return true;
  }

  /** Finds another key of the stage, or the first later stage for the reason that has a key. */
  #find(reason: FailoverReason): Step | null {
    const { stage: now, key: last, fallback } = this.#step;
    const { apis } = this.#shared;
    for (let at = now; at < this.#stages.length; at++) {
      const stage = this.#stages[at];
      if (stage === undefined || (at > now && stage.rule?.on.includes(reason) !== true)) continue;
      const { model, rule } = stage;
      const awake = this.#candidates(stage).filter(
        ({ alias, health }) =>
          health.rest(this.#classOf(model)) === null &&
          !this.#tried.includes(idOf(alias, model)) &&
          (reason !== 'unreachable' || apis.get(alias) !== apis.get(last)),
      );
      const key = this.#choose(stage, awake);
      if (key === null) continue;
      return { key, model, stage: at, fallback: at === now || rule === null ? fallback : { way: rule.way, reason } };
    }
    return null;
  }

  #candidates({ pool }: Stage): readonly Candidate[] {
    return [...pool.keys.keys()].map((alias) => ({ alias, health: this.#healthOf(alias) }));
  }

  #choose({ pool, model }: Stage, among: readonly Candidate[]): string | null {
    const [only] = among;
    if (only === undefined || pool.keys.size === 1) return only?.alias ?? null;
    const conversation = pool.sticky && this.#request.kind === 'message' ? this.#request.conversation() : null;
    return this.#shared.chooser.choose(pool, { modelClass: this.#classOf(model), conversation, among });
  }

  #healthOf(alias: string): KeyHealth {
    const { keys, states } = this.#shared;
    return states.of(alias, keys.get(alias)?.() ?? '');
  }

  #classOf(model: string | null): string {
    return this.#shared.classOf(model ?? this.#request.model ?? '');
  }
}

function idOf(key: string, model: string | null): string {
  return `${key} ${model ?? ''}`;
}

function stagesOf(shared: RouteSurroundings, { rules, kind, model, name }: RoutedRequest, own: KeyPool): Stage[] {
  const stages: Stage[] = [{ pool: own, model: null, rule: null }];
  if (kind === 'other') return stages;
  for (const { on, key = name, models } of rules) {
    const pool = shared.pools.get(key);
    if (pool === undefined) continue;
    if (models === undefined) stages.push({ pool, model: null, rule: { way: 'key', on } });
    // What is counted for another model would be no count of this one.
    else if (kind === 'message' && model !== null)
      for (const other of after(model, models, shared)) stages.push({ pool, model: other, rule: { way: 'model', on } });
  }
  return stages;
}

function after(model: string, models: readonly string[], { canonicalModel }: RouteSurroundings): readonly string[] {
  return models.slice(models.findIndex((each) => canonicalModel(each) === canonicalModel(model)) + 1);
}

/** The statuses of refusals after which a request can be sent another way. */
const MOVABLE: ReadonlySet<number> = new Set([400, 401, 402, 429, 529]);

/** Tells before the body of a refusal is read whether the request could be sent another way. */
export function isMovable(status: number): boolean {
  return MOVABLE.has(status);
}

const REASON_OF_OUTCOME: Readonly<Partial<Record<Outcome, FailoverReason>>> = {
  rate_limited: 'rate_limited',
  spend_limited: 'spend_limited',
  out_of_credit: 'spend_limited',
  payment_required: 'spend_limited',
  overloaded: 'overloaded',
};

/** Why a request is sent another way; `null` for what another key would be refused for too. */
function failoverReason({ outcome, spendScope }: Rejection, status: number): FailoverReason | null {
  if (status === 401) return 'unauthorized';
  // The request itself names who is to pay.
  if (spendScope === 'linked_organization') return null;
  return REASON_OF_OUTCOME[outcome] ?? null;
}
