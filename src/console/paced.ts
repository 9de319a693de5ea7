import { label, samplesOf, type Sample } from '../advice/samples.ts';
import type { TurnEnd } from '../pace/turn.ts';
import type { PaceView } from './view.ts';

/** Calls that paces held back or refused, by quarters of a minute, for the last hour. */

const STEP_MS = 15_000;

const HOUR_MS = 3_600_000;

/** Lanes and causes of one step: closed sets, unless a page invents them. */
const MOST_WAITS = 500;

/** What happened in one step. Waits go by lane and cause. */
interface PaceStep {
  readonly startMs: number;
  readonly waits: Map<string, { count: number; seconds: number }>;
  neverFits: number;
}

/** Attempts that waited and went, in one lane for one cause. */
interface Waits {
  readonly lane: string;
  readonly cause: string;
  readonly count: number;
  readonly seconds: number;
}

export class Paced {
  #steps: PaceStep[] = [];

  waited({ lane, cause, count, seconds }: Waits, ms: number): void {
    const { waits } = this.#stepAt(ms);
    const id = JSON.stringify([lane, cause]);
    const known = waits.get(id);
    if (known === undefined && waits.size >= MOST_WAITS) return;
    waits.set(id, { count: (known?.count ?? 0) + count, seconds: (known?.seconds ?? 0) + seconds });
  }

  /** Counts the turn of an attempt of this process. */
  ended(lane: string, { kind, cause, waitedMs }: TurnEnd, ms: number): void {
    if (kind === 'never_fits') this.refused(1, ms);
    if (kind === 'go' && cause !== null) this.waited({ lane, cause, count: 1, seconds: waitedMs / 1_000 }, ms);
  }

  /** Counts calls that were refused because they can never fit. */
  refused(count: number, ms: number): void {
    this.#stepAt(ms).neverFits += count;
  }

  /** What happened since a moment: the waits of the most seconds first. */
  since(ms: number): Pick<PaceView, 'waits' | 'neverFits'> {
    const steps = this.#steps.filter(({ startMs }) => startMs + STEP_MS > ms);
    const found = new Map<string, { count: number; seconds: number }>();
    for (const [id, { count, seconds }] of steps.flatMap(({ waits }) => [...waits])) {
      const known = found.get(id) ?? { count: 0, seconds: 0 };
      found.set(id, { count: known.count + count, seconds: known.seconds + seconds });
    }
    const waits = [...found].map(([id, { count, seconds }]) => {
      const [lane = '', cause = ''] = JSON.parse(id) as readonly string[];
      return { lane, cause, count: Math.round(count), seconds };
    });
    return {
      waits: waits.toSorted((one, other) => other.seconds - one.seconds),
      neverFits: steps.reduce((sum, { neverFits }) => sum + neverFits, 0),
    };
  }

  #stepAt(ms: number): PaceStep {
    const startMs = Math.floor(ms / STEP_MS) * STEP_MS;
    const last = this.#steps.at(-1);
    if (last !== undefined && last.startMs >= startMs) return last;
    const step = { startMs, waits: new Map(), neverFits: 0 };
    this.#steps = [...this.#steps.filter((one) => one.startMs + STEP_MS > startMs - HOUR_MS), step];
    return step;
  }
}

/** What paces do now and did since a moment, all together; `null` where nobody paces. */
export function paceOf(samples: readonly Sample[], paced: Paced, sinceMs: number): PaceView | null {
  const waiting = samplesOf(samples, 'anthropic_pace_waiting');
  if (waiting.length === 0) return null;
  const longest = samplesOf(samples, 'anthropic_pace_longest_wait_seconds').map(({ value }) => value);
  const stores = samplesOf(samples, 'anthropic_pace_store_up');
  return {
    waiting: waiting.reduce((sum, { value }) => sum + value, 0),
    longestSeconds: Math.max(0, ...longest),
    isUnpaced: stores.some(({ value }) => value === 0),
    ...paced.since(sinceMs),
  };
}

/** What the growth of a counter of paces adds; other counters add nothing. */
export function countPaced(
  paced: Paced,
  { sample, growth }: { readonly sample: Sample; readonly growth: number },
  ms: number,
): void {
  const { name } = sample;
  const [lane, cause] = [label(sample, 'lane'), label(sample, 'cause')];
  if (name === 'anthropic_pace_wait_seconds_sum') paced.waited({ lane, cause, count: 0, seconds: growth }, ms);
  if (name === 'anthropic_pace_wait_seconds_count') paced.waited({ lane, cause, count: growth, seconds: 0 }, ms);
  if (name === 'anthropic_pace_turns_total' && label(sample, 'end') === 'never_fits') paced.refused(growth, ms);
}
