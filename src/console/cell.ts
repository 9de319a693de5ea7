import { RATE_LIMIT_REASONS, TOKEN_KINDS, type RateLimitReason, type TokenKind } from '../vocabulary.ts';
import { join, observe, type Sketch } from './sketch.ts';

/** Labels that calls are counted by. The same object stands for the same labels, so counting compares no text. */
export interface CellLabels {
  readonly operation: string;
  readonly key: string;
  readonly model: string;
  readonly attribution: Readonly<Record<string, string>>;
}

/** Stands for the attribution of what was counted without: it belongs to every value, so no filter by one leaves it out. */
export const EVERY: CellLabels['attribution'] = Object.freeze({});

/** Stands for the attribution of calls that there was no room for: the value of every label is `other`. */
export const OTHER: CellLabels['attribution'] = Object.freeze({});

/** What happened to the calls of one label set in one bin. */
export class Cell {
  ok = 0;
  failed = 0;
  /** Calls that their caller left. Neither answered nor failed. */
  left = 0;
  attempts = 0;
  retries = 0;
  waitSeconds = 0;
  costNanoUsd = 0;
  /** In the order of `TOKEN_KINDS`. */
  readonly tokens: number[] = TOKEN_KINDS.map(() => 0);
  /** 429s, in the order of `RATE_LIMIT_REASONS`; `null` is none. */
  rejected: number[] | null = null;
  duration: Sketch | null = null;
  firstToken: Sketch | null = null;

  get calls(): number {
    return this.ok + this.failed + this.left;
  }

  /** Adds another cell to this one. */
  add(other: Cell): void {
    addCounts(this, other);
    if (other.rejected !== null) addEach((this.rejected ??= RATE_LIMIT_REASONS.map(() => 0)), other.rejected);
    if (other.duration !== null) join((this.duration ??= []), other.duration);
    if (other.firstToken !== null) join((this.firstToken ??= []), other.firstToken);
  }

  reject(reason: RateLimitReason, count = 1): void {
    this.rejected ??= RATE_LIMIT_REASONS.map(() => 0);
    const at = RATE_LIMIT_REASONS.indexOf(reason);
    this.rejected[at] = (this.rejected[at] ?? 0) + count;
  }

  took(seconds: number, count = 1): void {
    observe((this.duration ??= []), seconds, count);
  }

  began(seconds: number, count = 1): void {
    observe((this.firstToken ??= []), seconds, count);
  }

  addTokens(kind: TokenKind, count: number): void {
    const at = TOKEN_KINDS.indexOf(kind);
    this.tokens[at] = (this.tokens[at] ?? 0) + count;
  }
}

/** The counts of any number of cells, without their durations. */
export class Sum {
  ok = 0;
  failed = 0;
  left = 0;
  attempts = 0;
  retries = 0;
  waitSeconds = 0;
  costNanoUsd = 0;
  readonly tokens: number[] = TOKEN_KINDS.map(() => 0);
  readonly rejected: number[] = RATE_LIMIT_REASONS.map(() => 0);

  get calls(): number {
    return this.ok + this.failed + this.left;
  }

  get rateLimited(): number {
    return this.rejected.reduce((sum, count) => sum + count, 0);
  }

  add(other: Cell | Sum): void {
    addCounts(this, other);
    if (other.rejected !== null) addEach(this.rejected, other.rejected);
  }
}

function addCounts(to: Cell | Sum, from: Cell | Sum): void {
  to.ok += from.ok;
  to.failed += from.failed;
  to.left += from.left;
  to.attempts += from.attempts;
  to.retries += from.retries;
  to.waitSeconds += from.waitSeconds;
  to.costNanoUsd += from.costNanoUsd;
  addEach(to.tokens, from.tokens);
}

function addEach(to: number[], from: readonly number[]): void {
  for (let at = 0; at < from.length; at += 1) to[at] = (to[at] ?? 0) + (from[at] ?? 0);
}
