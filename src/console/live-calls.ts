import type { TurnEnd } from '../pace/turn.ts';
import type { CallPlace, CallWatcher } from '../record/metrics/store.ts';
import {
  COST_KINDS,
  TOKEN_KINDS,
  type Attempt,
  type Call,
  type Cost,
  type Outcome,
  type Rejection,
  type Tokens,
} from '../vocabulary.ts';
import { modelClass } from '../tier/tiers.ts';
import { Lowest } from './lowest.ts';
import { Paced } from './paced.ts';
import { Problems } from './problems.ts';
import { limitId } from './standing.ts';
import { LastHour } from './timeline.ts';

/** How a call that ended so is counted: `left` is neither answered nor failed. */
export const ENDED: Readonly<Record<Outcome, 'ok' | 'failed' | 'left'>> = {
  ok: 'ok',
  rate_limited: 'failed',
  spend_limited: 'failed',
  overloaded: 'failed',
  server_error: 'failed',
  timeout: 'failed',
  connection_error: 'failed',
  invalid_request: 'failed',
  unauthorized: 'failed',
  not_found: 'failed',
  too_large: 'failed',
  out_of_credit: 'failed',
  payment_required: 'failed',
  cancelled: 'left',
  stream_error: 'failed',
  truncated: 'failed',
  abandoned: 'left',
  blocked: 'failed',
  failed_over: 'left',
};

/** Counts the calls of this process into the last hour, with every label they have. */
export class LiveCalls implements CallWatcher {
  readonly hour: LastHour;
  readonly problems: Problems;
  readonly lowest: Lowest;
  readonly paced: Paced;
  readonly sinceMs: number;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.hour = new LastHour();
    this.problems = new Problems();
    this.lowest = new Lowest();
    this.paced = new Paced();
    this.sinceMs = now();
    this.#now = now;
  }

  attempted(place: CallPlace, attempt: Attempt): void {
    const reason = attempt.rejection?.rateLimitReason ?? null;
    const nowMs = this.#now();
    for (const { dimension, remaining } of attempt.limiters) {
      if (remaining === null) continue;
      this.lowest.see(limitId({ key: place.key, modelClass: modelClass(place.model), dimension }), remaining, nowMs);
    }
    this.hour.count(place, nowMs, (cell) => {
      cell.attempts += 1;
      if (attempt.index > 0) cell.retries += 1;
      cell.waitSeconds += attempt.waitSeconds;
      if (reason !== null) cell.reject(reason);
    });
  }

  bodyError(place: CallPlace, { rateLimitReason }: Rejection): void {
    if (rateLimitReason !== null) this.hour.count(place, this.#now(), (cell) => cell.reject(rateLimitReason));
  }

  finished(place: CallPlace, call: Call): void {
    const { outcome, durationSeconds, firstTokenSeconds } = call;
    if (outcome === null) return;
    const nowMs = this.#now();
    this.hour.count(place, nowMs, (cell) => {
      cell[ENDED[outcome]] += 1;
      if (durationSeconds !== null) cell.took(durationSeconds);
      if (firstTokenSeconds !== null) cell.began(firstTokenSeconds);
    });
    if (ENDED[outcome] === 'failed') this.problems.add(place, call, nowMs);
  }

  used(place: CallPlace, tokens: Tokens): void {
    this.hour.count(place, this.#now(), (cell) => {
      for (const kind of TOKEN_KINDS) if (tokens[kind] !== 0) cell.addTokens(kind, tokens[kind]);
    });
  }

  pacedTurn(lane: string, end: TurnEnd): void {
    this.paced.ended(lane, end, this.#now());
  }

  cost(place: CallPlace, cost: Cost): void {
    let nanoUsd = 0;
    for (const kind of COST_KINDS) nanoUsd += cost[kind];
    this.hour.count(place, this.#now(), (cell) => (cell.costNanoUsd += nanoUsd));
  }
}
