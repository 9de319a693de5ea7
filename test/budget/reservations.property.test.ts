import assert from 'node:assert/strict';
import test, { after, describe } from 'node:test';
import fc from 'fast-check';
import { ledgerKinds, NOW_MS, type LedgerHome } from '../../testing/budget/ledgers.ts';
import { aBudget, HOLD_MS, oneProcess, type OneProcess } from '../../testing/budget/one-process.ts';
import { StandingTime } from '../../testing/budget/standing-time.ts';
import { UnreliableLedger, type Fate } from '../../testing/budget/unreliable-ledger.ts';

const PROCESSES = 3;
const LIMIT = 1_000n;
/** Shorter than the deadline, so that answers come in time. */
const STEP_MS = 25;
const LONGEST_RECOVERY_MS = 30_000;

/** A call under way, of the process that made it. */
interface Live {
  readonly process: number;
  readonly heldNanoUsd: bigint;
  readonly atMs: number;
}

/** What happens to processes that share a ledger, and by plain sums what must come of it. */
class Model {
  readonly time = new StandingTime(NOW_MS);
  readonly processes: OneProcess[] = [];
  readonly lines: UnreliableLedger[] = [];
  readonly #home: LedgerHome;
  live: Live[] = [];
  /** Held by processes that are gone, until the ledger forgets it. */
  dead: { readonly heldNanoUsd: bigint; readonly untilMs: number }[] = [];
  spentNanoUsd = 0n;

  constructor(home: LedgerHome) {
    this.#home = home;
    for (let process = 0; process < PROCESSES; process += 1) this.start(process);
  }

  start(process: number): void {
    const line = new UnreliableLedger(this.#home.open());
    this.lines[process] = line;
    this.processes[process] = oneProcess(line, this.time, aBudget({ limitNanoUsd: LIMIT }));
  }

  process(number: number): OneProcess {
    const found = this.processes[number];
    assert.ok(found !== undefined);
    return found;
  }

  async reserve(process: number, nanoUsd: bigint): Promise<string> {
    const atMs = this.time.epochMs();
    const verdict = await this.process(process).account.reserve(nanoUsd, atMs);
    if (verdict.kind !== 'refused') this.live.push({ process, heldNanoUsd: nanoUsd, atMs });
    return verdict.kind;
  }

  /** A call comes back with its cost, or with none where it failed or was cancelled. */
  settle(pick: number, spentNanoUsd: bigint): void {
    const call = this.live[pick % this.live.length];
    if (call === undefined) return;
    this.live = this.live.filter((other) => other !== call);
    this.spentNanoUsd += spentNanoUsd;
    this.process(call.process).account.settle(call.atMs, call.heldNanoUsd, spentNanoUsd);
  }

  /** The process is killed, and another one starts. */
  kill(process: number): void {
    this.process(process).link.close();
    const untilMs = this.time.epochMs() + HOLD_MS;
    const lost = this.live.filter((call) => call.process === process);
    this.live = this.live.filter((call) => call.process !== process);
    this.dead.push(...lost.map(({ heldNanoUsd }) => ({ heldNanoUsd, untilMs })));
    this.start(process);
  }

  get reservedNanoUsd(): bigint {
    const silent = this.dead.filter(({ untilMs }) => untilMs >= this.time.epochMs());
    return [...this.live, ...silent].reduce((sum, { heldNanoUsd }) => sum + heldNanoUsd, 0n);
  }

  async quiet(): Promise<void> {
    for (const { link } of this.processes) {
      if (link.up) assert.equal(await link.drain(1_000), true);
    }
  }

  async check(): Promise<void> {
    await this.quiet();
    const { balance } = await this.process(0).account.refresh();
    const { spentNanoUsd, reservedNanoUsd } = this;
    assert.deepEqual(plain(balance), { spentNanoUsd, reservedNanoUsd });
  }

  /** The lines are mended, and time enough passes for every process to try again. */
  async mend(): Promise<void> {
    for (const line of this.lines) {
      line.usually = 'arrives';
      line.release();
    }
    await Promise.all(this.lines.map((line) => line.caughtUp()));
    for (let triedMs = 0; this.processes.some(({ link }) => !link.up); triedMs += STEP_MS) {
      assert.ok(triedMs < LONGEST_RECOVERY_MS, 'no process stays away from a ledger that answers');
      this.time.pass(STEP_MS);
      await Promise.all(this.lines.map((line) => line.caughtUp()));
    }
  }
}

function plain(balance: { readonly spentNanoUsd: bigint; readonly reservedNanoUsd: bigint } | null): unknown {
  return balance && { spentNanoUsd: balance.spentNanoUsd, reservedNanoUsd: balance.reservedNanoUsd };
}

const process = fc.nat({ max: PROCESSES - 1 });
const nanoUsd = fc.bigInt({ min: 0n, max: 400n });
const reserve = fc.record({ does: fc.constant('reserve' as const), process, nanoUsd });
const settle = fc.record({ does: fc.constant('settle' as const), pick: fc.nat(), nanoUsd });
const fail = fc.record({ does: fc.constant('fail' as const), pick: fc.nat() });
const kill = fc.record({ does: fc.constant('kill' as const), process });
const wait = fc.record({ does: fc.constant('wait' as const), ms: fc.constantFrom(1, 1_000, 25_000, 61_000) });
const fates = fc.constantFrom<Fate>('arrives', 'is lost', 'answer is lost', 'hangs');
const fault = fc.record({ does: fc.constant('fault' as const), process, fate: fates });

const RUNS = { memory: 200, sqlite: 30, redis: 30 } as const;

for (const { kind, skip, home, end } of await ledgerKinds()) {
  after(end);

  const held = async (check: (model: Model) => Promise<void>): Promise<void> => {
    const place = home();
    try {
      await check(new Model(place));
    } finally {
      await place.end();
    }
  };

  describe(`on a ${kind} ledger`, { skip }, () => {
    test('what is spent and held is right after every step, and an ask is granted exactly if it fits', async () => {
      const steps = fc.array(fc.oneof(reserve, reserve, settle, settle, fail, kill, wait), { maxLength: 40 });
      const property = fc.asyncProperty(steps, (sequence) =>
        held(async (model) => {
          for (const step of sequence) {
            if (step.does === 'reserve') {
              const fits = model.spentNanoUsd + model.reservedNanoUsd + step.nanoUsd <= LIMIT;
              assert.equal(await model.reserve(step.process, step.nanoUsd), fits ? 'granted' : 'refused');
            } else if (step.does === 'settle') model.settle(step.pick, step.nanoUsd);
            else if (step.does === 'fail') model.settle(step.pick, 0n);
            else if (step.does === 'kill') model.kill(step.process);
            else model.time.pass(step.ms);
            await model.check();
          }
        }),
      );
      await fc.assert(property, { numRuns: RUNS[kind] });
    });

    test('at rest nothing is held and all that was spent is counted once, whatever got lost on the way', async () => {
      const steps = fc.array(fc.oneof(reserve, reserve, settle, fail, fault, wait), { maxLength: 40 });
      const property = fc.asyncProperty(steps, (sequence) =>
        held(async (model) => {
          const asked: Promise<unknown>[] = [];
          for (const step of sequence) {
            await new Promise((resolve) => setImmediate(resolve));
            if (step.does === 'reserve') asked.push(model.reserve(step.process, step.nanoUsd));
            else if (step.does === 'settle') model.settle(step.pick, step.nanoUsd);
            else if (step.does === 'fail') model.settle(step.pick, 0n);
            else if (step.does === 'fault') {
              const line = model.lines[step.process];
              if (line !== undefined) line.usually = step.fate;
            } else model.time.pass(step.ms);
          }
          model.time.pass(1_000);
          await Promise.all(asked);
          await model.mend();
          await model.check();
          while (model.live.length > 0) model.settle(0, 7n);
          await model.check();
          assert.equal(model.reservedNanoUsd, 0n);
        }),
      );
      await fc.assert(property, { numRuns: RUNS[kind] });
    });
  });
}
