import { cardName, isReported } from '../pricing/cost.ts';
import type { PriceTable } from '../pricing/prices.ts';
import {
  TOKEN_KINDS,
  MESSAGE_OPERATIONS,
  type Attempt,
  type BatchResult,
  type Call,
  type CallCost,
  type CallRecorder,
  type Cost,
  type Recorder,
  type Usage,
  type UsagePart,
} from '../vocabulary.ts';
import {
  addCounts,
  cellText,
  noCounts,
  utcDay,
  type TotalsCell,
  type TotalsCounts,
  type TotalsRow,
} from './day-totals.ts';

/** Lines of a day that a process keeps apart; those of further models are one line, `other`. */
const MOST_CELLS_A_DAY = 5_000;

/** The model of lines beyond the cap. */
const OTHER = 'other';

interface Surroundings {
  readonly prices: PriceTable;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/** What a line of a call is counted under, besides its own part. */
interface Place {
  readonly key: string;
  readonly day: string;
  readonly toDay: string;
  readonly atMs: number;
  readonly model: string | null;
}

/** Adds up calls by UTC day and cell, until the sums are taken away to be stored. */
export class TotalsRecorder implements Recorder {
  readonly #surroundings: Surroundings;
  #rows = new Map<string, { readonly row: TotalsRow; readonly counts: Record<keyof TotalsCounts, number> }>();
  readonly #cellsOfDay = new Map<string, Set<string>>();

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  started(call: Call): CallRecorder {
    let isAnswered = false;
    return {
      attempted: (attempt) => {
        isAnswered = attempt.status === 200;
        this.#attempted(call, attempt);
      },
      batchResult: (result) => this.#batchResult(call, result),
      finished: () => this.#finished(call, isAnswered),
    };
  }

  /** The sums since the last time, which the caller then keeps. */
  take(): readonly TotalsRow[] {
    const rows = [...this.#rows.values()].map(({ row }) => row);
    this.#rows = new Map();
    const [latest] = [...this.#cellsOfDay.keys()].sort().reverse();
    for (const day of this.#cellsOfDay.keys()) if (day !== latest) this.#cellsOfDay.delete(day);
    return rows;
  }

  /** An attempt that ended without a response may have been answered, and billed, all the same. */
  #attempted(call: Call, { status, model: asked, startedAtMs }: Attempt): void {
    if (typeof status === 'number' || !isOwn(call)) return;
    const model = asked ?? call.model ?? call.requestedModel;
    const day = utcDay(startedAtMs);
    this.#add({ key: call.key, day, toDay: day, atMs: startedAtMs, model }, UNKNOWN_CELL, { no_usage: 1 });
  }

  /** A call that was answered, and never told its usage, is billed all the same. */
  #finished(call: Call, isAnswered: boolean): void {
    const { usage, cost, startedAtMs, durationSeconds } = call;
    if (!isOwn(call)) return;
    const endedAtMs = startedAtMs + (durationSeconds ?? 0) * 1000;
    const place = {
      ...{ key: call.key, atMs: startedAtMs, model: call.model ?? call.requestedModel },
      ...{ day: utcDay(startedAtMs), toDay: utcDay(endedAtMs) },
    };
    if (usage !== null && isReported(usage)) return this.#addUsage(place, usage, { cost, maxTokens: call.maxTokens });
    if (isAnswered) this.#add(place, UNKNOWN_CELL, { no_usage: 1 });
  }

  #batchResult(call: Call, { model, usage, cost }: BatchResult): void {
    if (usage === null) return;
    const atMs = this.#surroundings.now();
    const day = utcDay(atMs);
    this.#addUsage(
      { key: call.key, day, toDay: day, atMs, model },
      { ...usage, serviceTier: 'batch' },
      { cost, maxTokens: null },
    );
  }

  /**
   * A call counts once, with the part that comes first; each part's tokens count with its own model. What was left is in
   * `no_usage`: an estimate cannot agree with a report to the token.
   */
  #addUsage(
    place: Place,
    usage: Usage,
    told: { readonly cost: CallCost | null; readonly maxTokens: number | null },
  ): void {
    for (const [index, part] of usage.parts.entries()) {
      if (part.role === 'left') continue;
      const cost = told.cost?.parts[index]?.cost ?? null;
      const isFirst = index === 0;
      const isCut = part.tokens.output_estimated > 0;
      const counts: Partial<TotalsCounts> = {
        ...part.tokens,
        calls: isFirst ? 1 : 0,
        searches: isFirst ? (usage.serverToolUses['web_search'] ?? 0) : 0,
        cut: isCut ? 1 : 0,
        cut_most_tokens: isCut ? (told.maxTokens ?? 0) : 0,
        unpriced: cost === null ? 1 : 0,
        recorded_nano_usd: cost === null ? 0 : sumOf(cost),
      };
      this.#add({ ...place, model: part.model ?? place.model }, this.#modeOf(place, usage, part), counts);
    }
  }

  #modeOf({ atMs, model }: Place, usage: Usage, part: UsagePart): Omit<TotalsCell, 'key' | 'model'> {
    const id = part.model ?? model;
    const price = id === null ? null : this.#surroundings.prices.priceAt(id, atMs);
    return {
      tier: usage.serviceTier ?? 'standard',
      speed: part.speed ?? 'standard',
      geo: usage.inferenceGeo === null || usage.inferenceGeo === 'not_available' ? 'global' : usage.inferenceGeo,
      band: price !== null && cardName(price, part) === 'long_context' ? 'long' : 'usual',
      refused: part.refusal?.beforeOutput === true ? part.refusal.category : null,
    };
  }

  #add(
    { key, day, toDay, model: id }: Place,
    mode: Omit<TotalsCell, 'key' | 'model'>,
    more: Partial<TotalsCounts>,
  ): void {
    const model = id === null ? OTHER : this.#surroundings.prices.canonicalModel(id);
    const cell = this.#capped(day, { key, model, ...mode });
    const name = `${day} ${toDay} ${cellText(cell)}`;
    const known = this.#rows.get(name);
    if (known !== undefined) return addCounts(known.counts, { ...noCounts(), ...more });
    const counts = { ...noCounts(), ...more };
    this.#rows.set(name, { row: { day, toDay, cell, counts }, counts });
  }

  #capped(day: string, cell: TotalsCell): TotalsCell {
    const cells = this.#cellsOfDay.get(day) ?? new Set();
    this.#cellsOfDay.set(day, cells);
    const name = cellText(cell);
    if (cells.size >= MOST_CELLS_A_DAY && !cells.has(name)) return { ...cell, model: OTHER };
    cells.add(name);
    return cell;
  }
}

/** Tells whether the call is in the reports of the organization that made it: they have nothing that another pays. */
function isOwn({ operation, isBilledToAnother }: Call): boolean {
  return MESSAGE_OPERATIONS.has(operation) && !isBilledToAnother;
}

/** The mode of a call whose usage is not known: the usual one. */
const UNKNOWN_CELL: Omit<TotalsCell, 'key' | 'model'> = {
  ...{ tier: 'standard', speed: 'standard', geo: 'global', band: 'usual', refused: null },
};

function sumOf(cost: Cost): number {
  return TOKEN_KINDS.reduce((sum, kind) => sum + cost[kind], cost.server_tools);
}
