import cluster, { type Worker } from 'node:cluster';
import { setTimeout as after } from 'node:timers/promises';
import type { WorkerExit, WorkerState } from '../record/metrics/catalogue-gateway.ts';
import type { FileTexts } from '../gateway/configuration/files.ts';
import { Account, type Changes, type Gauges } from '../record/metrics/joined.ts';
import type { Store } from '../record/metrics/store.ts';
import type { StartFields } from './gateway-reload.ts';
import { WORKER_VARIABLE, type WorkerSeat } from './gateway-worker.ts';
import { HandedConnections } from './worker-connections.ts';
import { WorkerChannel } from './worker-channel.ts';
import { HUNG_BEATS, Pulse } from './worker-pulse.ts';
import type { SharedLedgers } from './worker-ledgers.ts';

/** How a worker ended, in words for a log. */
export interface WorkerEnd {
  readonly cause: WorkerExit;
  readonly code: number | null;
  readonly signal: string | null;
}

interface Surroundings {
  /** Gets everything that the worker counts. */
  readonly store: Store;
  readonly ledgers: SharedLedgers;
  readonly startFields: StartFields;
  /** The texts of the files of the configuration in force. */
  readonly texts: () => FileTexts;
  /** Called when its state may have changed. */
  readonly onState: () => void;
  /** Whether another worker can take the connections of this one. */
  readonly isAnotherServing: () => boolean;
}

/** A worker that does not say what its gauges are by then is left out of a scrape. */
const GAUGES_MS = 2_000;

/** A starting worker may take this long to answer: it loads all its code first, perhaps on a busy machine. */
const STARTING_MS = 120_000;

/** What a process told before its end is read within some turns of this length. */
const READ_MS = 5;

/** A worker of a gateway, as the supervising process sees it. */
export class WorkerProcess {
  readonly number: number;
  readonly #worker: Worker;
  readonly #channel: WorkerChannel;
  /** Resolves with the address when the worker serves; rejects if it ends before. */
  readonly ready: Promise<string>;
  /** Resolves when the worker is gone, and everything that it told has been counted. */
  readonly ended: Promise<WorkerEnd>;
  readonly #pulse: Pulse;
  readonly #handed: HandedConnections;
  readonly #onState: () => void;
  readonly #isAnotherServing: () => boolean;
  #phase: Exclude<WorkerState, 'hung'> = 'starting';
  #isReplaced = false;
  #isHung = false;

  constructor(number: number, { store, ledgers, startFields, texts, onState, isAnotherServing }: Surroundings) {
    this.number = number;
    this.#onState = onState;
    const seat: WorkerSeat = { number, ledgerId: ledgers.id, startFields };
    const worker = cluster.fork({ [WORKER_VARIABLE]: JSON.stringify(seat) });
    this.#worker = worker;
    this.#handed = new HandedConnections(worker.process);
    this.#isAnotherServing = isAnotherServing;
    const account = new Account(store);
    let serves = (_url: string): void => undefined;
    const listening = new Promise<string>((resolve) => (serves = resolve));
    this.#channel = new WorkerChannel((message) => worker.isConnected() && worker.send(message), {
      counted: (changes: Changes) => account.add(changes),
      ledger: (question: Parameters<SharedLedgers['answer']>[0]) => ledgers.answer(question),
      files: texts,
      ready: (url: string) => serves(url),
      ended: () => null,
    });
    this.#pulse = new Pulse(() => this.#channel.ask('alive'), onState);
    worker.on('message', (message: unknown) => this.#channel.receive(message));
    // What is sent to a process that has just been killed fails; its end is told all the same.
    worker.on('error', () => undefined);
    this.ended = this.#untilEnded();
    this.ready = Promise.race([listening, this.ended.then(() => Promise.reject(new Error('the worker ended')))]);
    this.ready.then(
      () => this.#enter(this.#phase === 'starting' ? 'ready' : this.#phase),
      () => undefined,
    );
  }

  get state(): WorkerState {
    return this.#phase === 'ready' && this.#pulse.isWeak ? 'hung' : this.#phase;
  }

  /** Whether connections can be handed to it. */
  get isServing(): boolean {
    return this.state === 'ready' && this.#worker.isConnected();
  }

  #enter(phase: Exclude<WorkerState, 'hung'>): void {
    this.#phase = phase;
    this.#onState();
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  /** Its gauges of now; none if it does not answer in time. */
  async gauges(): Promise<Gauges | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), GAUGES_MS)));
    try {
      return await Promise.race([this.#channel.ask<Gauges>('gauges'), late]);
    } catch {
      return null;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets it read its configuration again, from these texts; resolves with what is wrong with that, or with `null`. */
  reload(texts: FileTexts): Promise<string | null> {
    return this.#channel.ask('reload', texts);
  }

  /** Lets it end: with the gateway, or because another worker serves in its place. */
  end(reason: 'stop' | 'replace'): void {
    this.#isReplaced = reason === 'replace';
    this.#enter('leaving');
    this.#channel.tell(reason);
  }

  /** Asks whether it is alive, unless an answer is still due; returns whether that is overdue, so that it must be killed. */
  beat(everyMs: number): boolean {
    const startingBeats = Math.ceil(STARTING_MS / everyMs);
    return this.#pulse.beat() >= (this.#phase === 'starting' ? Math.max(HUNG_BEATS, startingBeats) : HUNG_BEATS);
  }

  /** Tells it how many workers of all can serve. */
  tellReady(ready: readonly [ready: number, all: number]): void {
    this.#channel.tell('workers', ready);
  }

  kill(cause: 'hung' | 'killed'): void {
    this.#isHung = cause === 'hung';
    this.#worker.process.kill('SIGKILL');
  }

  /**
   * A process that was killed may have told things that are still on their way. Node never says `disconnect` of one that died
   * while a connection was being handed to it, and would hand it more of them: so that is said here, once all has been read.
   */
  async #untilEnded(): Promise<WorkerEnd> {
    const { process } = this.#worker;
    // `once()` of node:events would reject at the first error.
    const gone = new Promise<Pick<WorkerEnd, 'code' | 'signal'>>((resolve) => {
      this.#worker.once('exit', (code: number | null, signal: string | null) => resolve({ code, signal }));
      // One that never began has no exit.
      this.#worker.once('error', () => process.pid === undefined && resolve({ code: null, signal: null }));
    });
    let isDisconnected = false;
    this.#worker.once('disconnect', () => (isDisconnected = true));
    const { code, signal } = await gone;
    while (process.connected && process.pid !== undefined) await after(READ_MS);
    await after(0);
    if (!isDisconnected) process.emit('disconnect');
    this.#handed.release(this.#isAnotherServing());
    this.#channel.close();
    if (this.#isHung) return { cause: 'hung', code, signal };
    const cause = this.#isReplaced ? 'replaced' : signal !== null ? 'killed' : code === 0 ? 'left' : 'failed';
    return { cause, code, signal };
  }
}
