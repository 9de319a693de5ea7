import type { Clock, Timers } from '../../src/clock.ts';
import { Expectations } from '../../src/pace/expectations.ts';
import { MAX_WAIT_MS } from '../../src/pace/pace.ts';
import type { Amounts, Charge } from '../../src/pace/pace-state.ts';
import type { PaceStore } from '../../src/pace/pace-store.ts';
import type { PaceRefusal, SeenLimit } from '../../src/pace/settle.ts';
import type { TurnEnd } from '../../src/pace/turn.ts';
import { Turns } from '../../src/pace/turns.ts';
import type { TrafficCall } from './traffic.ts';

/** A call in a paced process. */
export interface PacedCall {
  readonly call: TrafficCall;
  charge: Charge | null;
  place: number | null;
  waitedMs: number;
}

interface Surroundings {
  readonly store: PaceStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: () => number;
  /** Of the limits, for a process that knows how many there are. */
  readonly share: number;
}

const CLASS = 'a class';
const NONE: Amounts = [0, 0, 0];

/** One process with the package's own turns, expectations and store, in virtual time. */
export class PacedProcess {
  readonly #surroundings: Surroundings;
  readonly #expectations = new Expectations();
  readonly #turns: Turns;
  #settled = 0;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
    const { store, clock, timers, random, share } = surroundings;
    this.#turns = new Turns({
      clock,
      timers,
      random,
      maxWaiting: 3_000,
      limits: () => NONE,
      ask: (questions) =>
        store.ask(
          CLASS,
          questions.map((question) => ({ ...question, limits: NONE, share, nowMs: clock.epochMs() })),
        ),
      takeBack: () => undefined,
    });
  }

  /** Lets a call wait for its turn. */
  admit(paced: PacedCall, over: (end: TurnEnd['kind']) => void): void {
    const { call } = paced;
    const { amounts, leeway } = this.#expectations.of(expected(call));
    this.#turns.enter({
      lane: call.lane,
      amounts,
      maxTokens: call.maxTokens,
      leeway,
      flow: '',
      weight: 1,
      maxWaitMs: MAX_WAIT_MS[call.lane] - paced.waitedMs,
      storeWaitMs: 250,
      place: paced.place,
      signal: null,
      over: (end) => {
        paced.place = end.place;
        paced.waitedMs += end.waitedMs;
        paced.charge = end.kind === 'go' ? end.charge : null;
        over(end.kind);
      },
    });
  }

  /** The answer has come, with these headers. */
  answered({ call, charge }: PacedCall, seen: readonly [SeenLimit, SeenLimit, SeenLimit], sentAtMs: number): void {
    this.#settle({ charge, seen, sentAtMs, refusal: null, actual: [1, call.inputTokens, call.outputTokens] });
    this.#expectations.learn(expected(call), call.inputTokens, call.outputTokens);
  }

  refused(
    { charge }: PacedCall,
    refusal: PaceRefusal | null,
    { seen, sentAtMs }: { readonly seen: readonly [SeenLimit, SeenLimit, SeenLimit]; readonly sentAtMs: number },
  ): void {
    this.#settle({ charge, seen, sentAtMs, refusal, actual: [0, 0, 0] });
  }

  #settle({
    charge,
    ...known
  }: Pick<PacedCall, 'charge'> &
    Omit<Parameters<PaceStore['settle']>[1], 'charge' | 'isOver' | 'share' | 'nowMs'>): void {
    const { store, clock, share } = this.#surroundings;
    if (charge === null) return;
    void store.settle(
      CLASS,
      { ...known, charge, isOver: true, share, nowMs: clock.epochMs() },
      String(this.#settled++),
    );
    this.#turns.ask();
  }
}

function expected({ lane, promptTokens, maxTokens }: TrafficCall) {
  return { kind: lane, promptTokens, maxTokens };
}
