import type { Eventually } from '../budget/ledger.ts';
import type { Cancel, Clock, Timers } from '../clock.ts';
import { BATCH_PATIENCE_MS, type Answer, type Asked, type PaceCause } from './ask.ts';
import { LANES, type Amounts, type Charge, type Lane } from './pace-state.ts';
import type { Turn, TurnEnding } from './turn.ts';

/** What a line needs of the rest. */
interface TurnsHost {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: () => number;
  /** Most calls that wait in a lane. */
  readonly maxWaiting: number;
  /** The limits as far as this process knows them; 0 for those that it does not. */
  readonly limits: () => Amounts;
  /** Asks the store, which answers up to the first that has to wait. Throws or rejects if it does not answer in time. */
  readonly ask: (questions: readonly Question[]) => Eventually<readonly Answer[]>;
  /** Takes back the charge of a call that is not sent after all. */
  readonly takeBack: (charge: Charge) => void;
}

/** What a call at the head of its lane asks. */
export type Question = Pick<Asked, 'lane' | 'amounts' | 'maxTokens' | 'leeway' | 'ageMs' | 'isFirst'>;

interface Waiting {
  readonly turn: Turn;
  readonly place: number;
  readonly sinceMs: number;
  /** The waits that its lane had been told of when it came. */
  readonly waitsBefore: number;
  /** It has waited as long as it may, and the store has not said yet whether it need have. */
  isDue: boolean;
  cause: PaceCause | null;
  isAvoided: boolean;
  isFirst: boolean;
  askAgainAtMs: number;
  isOver: boolean;
  stop: () => void;
}

/** A store is asked again no later, whatever wait it named: something may have changed. */
const LONGEST_PAUSE_MS = 5_000;

/** A store that fails for less than this is no reason to send calls that were told to wait. */
const BLIP_MS = 1_000;

/** The most calls that ask together: a distant store answers no more than this in a round trip. */
const MOST_TOGETHER = 32;

/** Interactive calls that may pass a batch call that has waited for long. */
const MOST_PASSED = 9;

/** Processes that wait for the same do not ask at the same moment. */
const JITTER_MS = 20;

/** Flows whose last place is remembered; with more, all of them begin anew. */
const MOST_FLOWS = 10_000;

/**
 * The calls of a class that wait in this process: lanes in order of priority, each in order of arrival, or fairly by weight
 * where its calls are of several flows. The first of a lane asks the store, and more ask with it as more are
 * sent. A call that waits reserves nothing.
 */
export class Turns {
  readonly #host: TurnsHost;
  readonly #lanes: Readonly<Record<Lane, Waiting[]>> = { interactive: [], batch: [] };
  readonly #lastPlace: Readonly<Record<Lane, Map<string, number>>> = { interactive: new Map(), batch: new Map() };
  readonly #served: Record<Lane, number> = { interactive: 0, batch: 0 };
  /** How often a lane was told to wait, and what for the last time. */
  readonly #waits: Readonly<Record<Lane, { count: number; cause: PaceCause | null }>> = {
    interactive: { count: 0, cause: null },
    batch: { count: 0, cause: null },
  };
  /** Interactive calls that went since a batch call did. */
  #passed = 0;
  /** How many calls of a lane ask together. */
  readonly #together: Record<Lane, number> = { interactive: 1, batch: 1 };
  /** When the store first failed since its last answer; `null` while it answers. */
  #silentSinceMs: number | null = null;
  #isAsking = false;
  #hasChanged = false;
  #timer: Cancel | null = null;

  constructor(host: TurnsHost) {
    this.#host = host;
  }

  /** The calls that wait in a lane. */
  waiting(lane: Lane): number {
    return this.#lanes[lane].length;
  }

  /** How long the call that has waited longest has waited, in milliseconds; 0 where none waits. */
  longestWaitMs(lane: Lane): number {
    const since = this.#lanes[lane].reduce((least, { sinceMs }) => Math.min(least, sinceMs), Infinity);
    return Math.max(0, this.#host.clock.monotonicMs() - since);
  }

  /** Lets a call wait for its turn, or ends it at once. */
  enter(turn: Turn): void {
    const sinceMs = this.#host.clock.monotonicMs();
    const place = turn.place ?? this.#newPlace(turn);
    const asking = { cause: null, isAvoided: false, isFirst: turn.place === null, askAgainAtMs: 0 };
    const state = { ...asking, waitsBefore: this.#waits[turn.lane].count, isDue: false, isOver: false };
    const waiting: Waiting = { turn, place, sinceMs, ...state, stop: () => undefined };
    const lane = this.#lanes[turn.lane];
    if (turn.signal?.aborted === true) return this.#end(waiting, { kind: 'given_up' });
    if (lane.length >= this.#host.maxWaiting) return this.#end(waiting, { kind: 'queue_full' });
    lane.splice(placeIn(lane, place), 0, waiting);
    if (lane[0] === waiting) this.#ask();
    if (!waiting.isOver) this.#watch(waiting, turn.maxWaitMs);
  }

  /** Asks for the first of each lane again, because something has changed. */
  ask(): void {
    for (const lane of LANES) {
      const head = this.#lanes[lane][0];
      if (head !== undefined) head.askAgainAtMs = 0;
    }
    if (this.#lanes.interactive.length + this.#lanes.batch.length > 0) this.#ask();
  }

  /** Start-time fair queueing: a call comes behind the last of its flow by what it uses, the farther the less weight it has. */
  #newPlace({ lane, flow, weight, amounts }: Turn): number {
    const last = this.#lastPlace[lane];
    const limits = this.#host.limits();
    const share = amounts.reduce((most, amount, at) => Math.max(most, amount / (limits[at] || Infinity)), 1e-6);
    const place = Math.max(this.#served[lane], last.get(flow) ?? 0) + share / weight;
    if (last.size >= MOST_FLOWS) last.clear();
    last.set(flow, place);
    return place;
  }

  #watch(waiting: Waiting, waitMs: number): void {
    waiting.stop();
    const { signal } = waiting.turn;
    const cancel = this.#host.timers.whileWaiting(waitMs, () => this.#tire(waiting));
    const aborted = (): void => this.#leave(waiting, 'given_up');
    signal?.addEventListener('abort', aborted, { once: true });
    waiting.stop = () => {
      cancel();
      signal?.removeEventListener('abort', aborted);
    };
  }

  /** A slow store is no reason to refuse a call or hold it up: it goes if none of its lane was told to wait meanwhile. */
  #tire(waiting: Waiting): void {
    const { turn, waitsBefore, sinceMs } = waiting;
    const isUnanswered = this.#isAsking && this.#waits[turn.lane].count === waitsBefore;
    if (!isUnanswered) return this.#leave(waiting, 'max_wait');
    const leftMs = turn.storeWaitMs - (this.#host.clock.monotonicMs() - sinceMs);
    if (waiting.isDue || leftMs <= 0) return this.#leave(waiting, 'unpaced');
    waiting.isDue = true;
    this.#watch(waiting, leftMs);
  }

  #leave(waiting: Waiting, kind: 'max_wait' | 'given_up' | 'unpaced'): void {
    if (waiting.isOver) return;
    const wasFirst = this.#lanes[waiting.turn.lane][0] === waiting;
    this.#end(waiting, { kind });
    if (wasFirst) this.ask();
  }

  #end(waiting: Waiting, end: TurnEnding): void {
    const { turn, place, isAvoided, sinceMs, waitsBefore } = waiting;
    const waits = this.#waits[turn.lane];
    const cause = waiting.cause ?? (waits.count > waitsBefore ? waits.cause : null);
    const lane = this.#lanes[turn.lane];
    const at = lane[0] === waiting ? 0 : lane.indexOf(waiting);
    if (at !== -1) lane.splice(at, 1);
    waiting.isOver = true;
    waiting.stop();
    if (end.kind === 'go') {
      this.#served[turn.lane] = Math.max(this.#served[turn.lane], place);
      this.#passed = turn.lane === 'batch' ? 0 : this.#passed + 1;
    }
    turn.over({ ...end, waitedMs: this.#host.clock.monotonicMs() - sinceMs, cause, isAvoided, place });
  }

  #ask(): void {
    this.#hasChanged = true;
    if (this.#isAsking) return;
    this.#isAsking = true;
    this.#askFrom(0, Infinity);
  }

  /** Asks for the head of each lane until it has to wait, from the lane at `from` on, and then again when the first of them may go. */
  #askFrom(from: number, pauseMs: number): void {
    let [at, shortestMs] = [from, pauseMs];
    if (from === 0) this.#hasChanged = false;
    for (let lane = LANES[at]; lane !== undefined; lane = LANES[at]) {
      const due = lane === 'interactive' ? this.#dueBatch() : null;
      const head = due ?? this.#lanes[lane][0];
      const answer = head === undefined ? Infinity : this.#answer(head, lane, shortestMs);
      if (answer instanceof Promise) {
        const [here, soFarMs] = [at, shortestMs];
        const goOn = (waitMs: number | null): void =>
          waitMs === null ? this.#askFrom(here, soFarMs) : this.#askFrom(here + 1, Math.min(soFarMs, waitMs));
        answer.then(goOn, () => {
          this.#unanswered();
          this.#askFrom(0, Infinity);
        });
        return;
      }
      if (answer === null) continue;
      shortestMs = Math.min(shortestMs, answer);
      at += 1;
    }
    if (this.#hasChanged) return this.#askFrom(0, Infinity);
    this.#isAsking = false;
    this.#pause(shortestMs);
  }

  /** A batch call that has waited for long takes one of ten turns of interactive calls, so that more of those cannot starve it. */
  #dueBatch(): Waiting | null {
    const [head] = this.#lanes.batch;
    return head !== undefined && this.#passed >= MOST_PASSED && this.#isOld(head) ? head : null;
  }

  #isOld({ sinceMs }: Waiting): boolean {
    return this.#host.clock.monotonicMs() - sinceMs >= BATCH_PATIENCE_MS;
  }

  /** The head and those behind it that ask with it, no more of them than may pass a batch call that waits. */
  #asking(head: Waiting, lane: Lane): readonly Waiting[] {
    const own = this.#lanes[lane];
    if (own[0] !== head) return [head];
    const [batch] = this.#lanes.batch;
    const isHeld = lane === 'interactive' && batch !== undefined && this.#isOld(batch);
    return own.slice(0, isHeld ? Math.max(1, MOST_PASSED - this.#passed) : this.#together[lane]);
  }

  /** The wait of a head, asked as of that lane, in milliseconds; `null` where it has gone. `othersMs`: the wait of those before it. */
  #answer(head: Waiting, lane: Lane, othersMs: number): Eventually<number | null> {
    const nowMs = this.#host.clock.monotonicMs();
    const { sinceMs, askAgainAtMs } = head;
    const ageMs = nowMs - sinceMs;
    if (lane === 'batch' && othersMs < Infinity && ageMs < BATCH_PATIENCE_MS) return BATCH_PATIENCE_MS - ageMs;
    if (nowMs < askAgainAtMs) return askAgainAtMs - nowMs;
    const asking = this.#asking(head, lane);
    try {
      const answers = this.#host.ask(asking.map((each) => questionOf(each, nowMs)));
      return answers instanceof Promise
        ? answers.then((late) => this.#takeAll(asking, late))
        : this.#takeAll(asking, answers);
    } catch {
      this.#unanswered();
      return null;
    }
  }

  /** Lets twice as many ask together as were sent, until one has to wait. */
  #takeAll(asking: readonly Waiting[], answers: readonly Answer[]): number | null {
    if (answers.length === 0) throw new Error('the store of a pace answered nothing');
    this.#silentSinceMs = null;
    let waitMs: number | null = null;
    for (const [index, waiting] of asking.entries()) {
      const answer = answers[index];
      if (answer === undefined) break;
      const { lane } = waiting.turn;
      this.#together[lane] =
        answer.kind === 'wait' ? 1 : Math.min(MOST_TOGETHER, Math.max(this.#together[lane], 2 * (index + 1)));
      waitMs = this.#take(waiting, answer);
    }
    return waitMs;
  }

  #take(head: Waiting, answer: Answer): number | null {
    head.isFirst = false;
    head.isAvoided ||= answer.isAvoided;
    if (head.isOver) {
      if (answer.kind === 'go') this.#host.takeBack(answer.charge);
      return null;
    }
    if (answer.kind === 'never') this.#end(head, { kind: 'never_fits', limit: answer.limit });
    else if (answer.kind === 'go') this.#end(head, { kind: 'go', charge: answer.charge });
    else {
      const waits = this.#waits[head.turn.lane];
      waits.count += 1;
      waits.cause = head.cause = answer.cause;
      for (const due of this.#lanes[head.turn.lane].filter(({ isDue }) => isDue)) this.#end(due, { kind: 'max_wait' });
      if (head.isOver) return null;
      const waitMs = Math.min(answer.waitMs, LONGEST_PAUSE_MS);
      head.askAgainAtMs = this.#host.clock.monotonicMs() + waitMs;
      return waitMs;
    }
    return null;
  }

  #pause(pauseMs: number): void {
    this.#timer?.();
    this.#timer = null;
    if (pauseMs === Infinity) return;
    const { timers, random } = this.#host;
    this.#timer = timers.whileWaiting(Math.ceil(pauseMs) + JITTER_MS * random(), () => {
      this.#timer = null;
      this.#ask();
    });
  }

  /**
   * Sends calls unpaced, because the store does not answer. Those that were told to wait go only when it has been silent for
   * `BLIP_MS`: a brief failure would send all of them into a limit that is known to be used up.
   */
  #unanswered(): void {
    const nowMs = this.#host.clock.monotonicMs();
    this.#silentSinceMs ??= nowMs;
    const againAtMs = this.#silentSinceMs + BLIP_MS;
    for (const lane of LANES) {
      const [head] = this.#lanes[lane];
      if (head !== undefined && head.waitsBefore < this.#waits[lane].count && nowMs < againAtMs)
        head.askAgainAtMs = againAtMs;
      else for (const waiting of this.#lanes[lane].slice()) this.#end(waiting, { kind: 'unpaced' });
    }
  }
}

function questionOf({ turn, sinceMs, isFirst }: Waiting, nowMs: number): Question {
  const { lane, amounts, maxTokens, leeway } = turn;
  return { lane, amounts, maxTokens, leeway, ageMs: nowMs - sinceMs, isFirst };
}

/** Behind all that have the same place. */
function placeIn(lane: readonly Waiting[], place: number): number {
  let [low, high] = [0, lane.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lane[middle]?.place ?? 0) <= place) low = middle + 1;
    else high = middle;
  }
  return low;
}
