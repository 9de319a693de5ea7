import { RunningRatios } from '../../budget/estimate.ts';
import { systemTimers, type Timers } from '../../clock.ts';
import type { CallSpend, GuardedRequest, SpendGuard } from '../../decisions.ts';
import { CHARACTERS_PER_TOKEN, promptContent } from '../../prompt.ts';
import { MESSAGE_OPERATIONS, type Attempt, type Call } from '../../vocabulary.ts';
import type { LimitAsk, LimitSettlement, LimitStore, Slot, Take } from './limits.ts';
import type { Limits } from './member.ts';
import { RateLimitedError, type LimitKind, type RateLimitHolder } from './rate-limiter.ts';

/** The limits of a client, or of one of its members, on tokens and on requests in progress. */
export interface LimitScope {
  readonly holder: RateLimitHolder;
  /** In the store: of a client or a member. */
  readonly name: string;
  readonly limits: Limits;
}

interface ClientLimitsOptions {
  readonly store: LimitStore;
  /** Called with the error of a store that does not respond while a call ends. */
  readonly onError?: (error: unknown) => void;
  /** A slot of a process that has ended is free after this time. Default: 30 s. */
  readonly leaseMs?: number;
  /** For tests. */
  readonly timers?: Timers;
}

const LEASE_MS = 30_000;

const LEARNING = { startWeight: 2, keep: 0.95, most: 1_000 } as const;

/**
 * Limits tokens a minute and requests in progress. A message takes what calls like it have used from every limit that
 * counts it, all or nothing, before it is sent; what it has really used is settled at its end. Fails as the store does, so
 * that its requests are refused while nobody can count them.
 */
export class ClientLimits {
  readonly #options: ClientLimitsOptions;
  readonly #leaseMs: number;
  readonly #input = new RunningRatios({ ...LEARNING, start: 1 / CHARACTERS_PER_TOKEN, least: 0.001 });
  readonly #output = new RunningRatios({ ...LEARNING, start: 0.5, least: 0.01 });
  /** What is in progress and holds slots. */
  readonly #held = new Map<string, LimitAsk>();
  #isRenewing = false;

  constructor(options: ClientLimitsOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
  }

  /** Makes the guard of a grant; `null` where nothing is limited. */
  guard(group: string, scopes: readonly LimitScope[]): SpendGuard | null {
    const limited = scopes.filter(
      ({ limits }) =>
        limits.inputTokensPerMinute !== null ||
        limits.outputTokensPerMinute !== null ||
        limits.parallelRequests !== null,
    );
    if (limited.length === 0) return null;
    return { started: (call) => new LimitedCall(call, { group, scopes: limited }, this) };
  }

  /** What a message is expected to use: tokens by what calls of the same kind have used. */
  expected(kind: string, { maxTokens }: Call, request: GuardedRequest): Expected {
    const { correction, unseen } = promptContent(request.body ?? {}, 0);
    const length = Math.max(1, request.bodyLength + correction);
    const most = maxTokens ?? 0;
    return {
      length,
      most,
      input: Math.ceil(length * this.#input.ratio(kind) + unseen),
      output: Math.ceil(most * this.#output.ratio(kind)),
    };
  }

  learn(kind: string, { length, most }: Expected, used: Used): void {
    this.#input.learn(kind, used.input, length);
    this.#output.learn(kind, used.output, most);
  }

  /** Rejects, or throws, where something is missing: with a `RateLimitedError`, or the store's own error. */
  async take(ask: Omit<LimitAsk, 'leaseMs'>, kinds: readonly Limited[]): Promise<void> {
    const whole = { ...ask, leaseMs: this.#leaseMs };
    const shortage = await this.#options.store.take(whole);
    const limited = shortage === null ? undefined : kinds[shortage.index];
    if (shortage !== null && limited !== undefined) throw new RateLimitedError({ ...limited, ...shortage });
    if (ask.slots.length === 0) return;
    this.#held.set(ask.lease, whole);
    this.#renew();
  }

  /** Never waits. What the store does not take is lost: a slot until its lease ends, tokens for a minute. */
  settle(settlement: LimitSettlement): void {
    this.#held.delete(settlement.lease);
    this.#quietly(() => this.#options.store.settle(settlement));
  }

  #renew(): void {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    const { timers = systemTimers, store } = this.#options;
    timers.inBackground(this.#leaseMs / 3, () => {
      this.#isRenewing = false;
      for (const ask of this.#held.values()) this.#quietly(() => store.renew(ask));
      if (this.#held.size > 0) this.#renew();
    });
  }

  #quietly(act: () => void | Promise<void>): void {
    const { onError = () => undefined } = this.#options;
    try {
      Promise.resolve(act()).catch(onError);
    } catch (error) {
      onError(error);
    }
  }
}

/** A limit, as a refusal names it. */
interface Limited {
  readonly kind: LimitKind;
  readonly most: number;
  readonly holder: RateLimitHolder;
}

interface Used {
  readonly input: number;
  readonly output: number;
}

/** What a message is expected to use, and what that was made from. */
interface Expected extends Used {
  /** Characters of the prompt. */
  readonly length: number;
  /** `max_tokens`. */
  readonly most: number;
}

interface Bounded {
  readonly group: string;
  readonly scopes: readonly LimitScope[];
}

/** What was taken from a bucket, and of which kind. */
interface Taken extends Take {
  readonly kind: 'input_tokens' | 'output_tokens';
}

/** One call, with what it has taken. */
class LimitedCall implements CallSpend {
  readonly #call: Call;
  readonly #bounded: Bounded;
  readonly #limits: ClientLimits;
  #lease: string | null = null;
  #taken: readonly Taken[] = [];
  #slots: readonly Slot[] = [];
  #expected: Expected | null = null;
  #isAnswered = false;

  constructor(call: Call, bounded: Bounded, limits: ClientLimits) {
    this.#call = call;
    this.#bounded = bounded;
    this.#limits = limits;
  }

  async admit(request: GuardedRequest): Promise<undefined> {
    if (this.#lease !== null) return undefined;
    const { group, scopes } = this.#bounded;
    const isMessage = MESSAGE_OPERATIONS.has(this.#call.operation);
    this.#expected = isMessage ? this.#limits.expected(this.#kind, this.#call, request) : null;
    const takes = scopes.flatMap((scope) => takesOf(scope, this.#expected));
    const slots = scopes.flatMap(slotsOf);
    const lease = crypto.randomUUID();
    const kinds = [...takes, ...slots].map(({ limited }) => limited);
    await this.#limits.take({ group, takes, slots, lease }, kinds);
    [this.#lease, this.#taken, this.#slots] = [lease, takes, slots];
    return undefined;
  }

  /** An attempt that was refused, or never sent, has used nothing. */
  attemptOver(status: Attempt['status'] | 'unsent'): void {
    this.#isAnswered = typeof status === 'number' && status < 400;
    if (status === 'unsent' || (typeof status === 'number' && !this.#isAnswered)) this.#settle({ input: 0, output: 0 });
  }

  /** The attempt before may have been answered: what it took stays taken. */
  retried(): void {
    this.#settle(null);
  }

  finished(): void {
    const used = this.#used();
    if (used !== null && this.#expected !== null && this.#call.outcome === 'ok')
      this.#limits.learn(this.#kind, this.#expected, used);
    this.#settle(used ?? (this.#isAnswered ? null : { input: 0, output: 0 }));
  }

  get #kind(): string {
    return `${this.#bounded.group} ${this.#call.requestedModel ?? ''} ${this.#call.attribution['route'] ?? ''}`;
  }

  /** What was used, by the server's word or as estimated from a stream that was left; `null` if nobody knows. */
  #used(): Used | null {
    const { usage } = this.#call;
    if (usage === null) return null;
    let [input, output] = [0, 0];
    for (const { tokens } of usage.parts) {
      input += tokens.input + tokens.cache_write_5m + tokens.cache_write_1h + tokens.input_estimated;
      output += tokens.output + tokens.output_estimated;
    }
    return { input, output };
  }

  /** Gives back or owes the difference, and leaves the slots. `null`: what was taken was used. */
  #settle(used: Used | null): void {
    const lease = this.#lease;
    if (lease === null) return;
    this.#lease = null;
    const takes = this.#taken.map((taken) => {
      const real = used === null ? taken.amount : taken.kind === 'input_tokens' ? used.input : used.output;
      return { ...taken, amount: real - taken.amount };
    });
    const changed = takes.filter(({ amount }) => amount !== 0);
    this.#limits.settle({ group: this.#bounded.group, lease, takes: changed, slots: this.#slots });
  }
}

function takesOf(
  { holder, name, limits }: LimitScope,
  expected: Expected | null,
): readonly (Taken & { readonly limited: Limited })[] {
  if (expected === null) return [];
  const { inputTokensPerMinute: input, outputTokensPerMinute: output } = limits;
  const take = (kind: Taken['kind'], perMinute: number | null, tokens: number) => {
    if (perMinute === null) return [];
    // A request that is expected to use more than a minute's worth waits for a full bucket.
    const amount = Math.min(tokens, perMinute);
    return [
      { kind, bucket: `${holder}:${name}:${kind}`, perMinute, amount, limited: { kind, most: perMinute, holder } },
    ];
  };
  return [...take('input_tokens', input, expected.input), ...take('output_tokens', output, expected.output)];
}

function slotsOf({
  holder,
  name,
  limits: { parallelRequests: most },
}: LimitScope): readonly (Slot & { readonly limited: Limited })[] {
  if (most === null) return [];
  return [{ name: `${holder}:${name}:parallel`, most, limited: { kind: 'parallel', most, holder } }];
}
