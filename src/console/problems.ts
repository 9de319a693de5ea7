import type { CallPlace } from '../record/metrics/store.ts';
import type { Call } from '../vocabulary.ts';
import { labelOf } from './counted.ts';
import type { ProblemView, Query } from './view.ts';

/** Problems that are kept. */
const MOST = 200;

/** Problems that are shown, once equal ones are folded. */
const SHOWN = 20;

interface Problem extends Omit<ProblemView, 'count'> {
  readonly place: CallPlace;
}

/** The last calls that did not end well. Nothing of their content is kept. */
export class Problems {
  readonly #kept: Problem[] = [];

  add(place: CallPlace, call: Call, atMs: number): void {
    const { rejection } = call;
    this.#kept.push({
      place,
      atMs,
      model: place.model,
      operation: place.operation,
      outcome: call.outcome ?? '',
      reason: rejection?.rateLimitReason ?? rejection?.spendScope ?? null,
      retries: Math.max(0, call.attempts - 1),
      requestId: call.requestId,
    });
    if (this.#kept.length > MOST) this.#kept.shift();
  }

  /** Those in range that the filter lets through, newest first. Equal ones are one, with their count and the newest's time. */
  view(
    { filter, rangeSeconds }: Required<Pick<Query, 'rangeSeconds' | 'filter'>>,
    nowMs: number,
  ): readonly ProblemView[] {
    const folded = new Map<string, ProblemView>();
    for (const { place, ...problem } of this.#kept.toReversed()) {
      if (problem.atMs < nowMs - rangeSeconds * 1_000) break;
      if (!Object.entries(filter).every(([name, value]) => labelOf(place, name) === value)) continue;
      const id = JSON.stringify([problem.model, problem.operation, problem.outcome, problem.reason, problem.retries]);
      const known = folded.get(id);
      folded.set(id, known === undefined ? { ...problem, count: 1 } : { ...known, count: known.count + 1 });
    }
    return [...folded.values()].slice(0, SHOWN);
  }
}
