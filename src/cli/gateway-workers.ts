import cluster from 'node:cluster';
import { Registry } from 'prom-client';
import { consoleOf, viewOfReplicas } from '../console/handler.ts';
import type { GatewayConfiguration } from '../gateway/configuration/configuration.ts';
import type { FileTexts } from '../gateway/configuration/files.ts';
import { listen, type Serving } from '../http/listen.ts';
import { recordBuild } from '../record/facts.ts';
import { CONFIGURATION_LOADS, WORKER_EXITS, WORKER_STATES } from '../record/metrics/catalogue-gateway.ts';
import { JoinedGauges } from '../record/metrics/joined.ts';
import { metricsHandler } from '../record/metrics/page.ts';
import { storeFor } from '../record/metrics/registry.ts';
import type { Store } from '../record/metrics/store.ts';
import { models } from '../routing/models.ts';
import type { CommandIo } from './command.ts';
import { logLine } from './gateway-log.ts';
import { requireNoRestart, startFields } from './gateway-reload.ts';
import type { RunningGateway } from './gateway-start.ts';
import { serveMetrics } from './metrics-server.ts';
import { ReplicasReading } from './replicas-reading.ts';
import { SharedLedgers } from './worker-ledgers.ts';
import { HUNG_BEATS } from './worker-pulse.ts';
import { WorkerProcess, type WorkerEnd } from './worker-process.ts';

/** The workers could not be started; they have said why. */
export class WorkersFailedError extends Error {
  readonly code = 'PLIMSOLL_GATEWAY_WORKERS';

  constructor() {
    super('The workers of the gateway could not be started.');
    this.name = 'WorkersFailedError';
  }
}

/** What a gateway starts with. */
interface FirstConfiguration {
  readonly configuration: GatewayConfiguration;
  /** The texts that a configuration was read from. */
  readonly textsOf: (configuration: GatewayConfiguration) => FileTexts;
}

/**
 * Starts the workers of a gateway, and serves one metrics page and one live page for all of them. This process serves no
 * request itself. `args` start a worker, but for the port. Rejects with a `PortError`, or a `WorkersFailedError`.
 */
export async function superviseWorkers(
  first: FirstConfiguration,
  args: readonly string[],
  io: CommandIo,
): Promise<RunningGateway> {
  const { configuration } = first;
  const registry = new Registry();
  const gateway = new SupervisedGateway(first, storeFor(registry), io);
  const page = await servePage(registry, gateway, io);
  try {
    const port = await freePort(configuration);
    cluster.setupPrimary({ args: [...args, '--port', String(port)], serialization: 'advanced' });
    const url = await gateway.start();
    return {
      url,
      metricsUrl: `${page.url}/metrics`,
      reload: (next) => gateway.reload(next),
      counted: (outcome) => gateway.counted(outcome),
      async close() {
        await gateway.close();
        await page.close();
      },
    };
  } catch (error) {
    await gateway.close();
    await page.close();
    throw error;
  }
}

/** All workers listen on one port, also one that comes after all others have ended. */
async function freePort({ listen: { host, port } }: GatewayConfiguration): Promise<number> {
  const tried = await listen(() => undefined, { host, port, portOption: '--port' });
  await tried.close(0);
  return tried.port;
}

interface Page extends Pick<Serving, 'url'> {
  readonly close: () => Promise<void>;
}

async function servePage(registry: Registry, gateway: SupervisedGateway, io: CommandIo): Promise<Page> {
  const { metrics, prices } = gateway.configuration;
  const page = metricsHandler({ registry });
  const fresh = async (request: Request): Promise<Response> => {
    await gateway.joinGauges();
    return page(request);
  };
  const address = { ...metrics, onError: () => gateway.store.errors('scrape'), portOption: '--metrics-port' };
  const ofItself = 'http://gateway/metrics';
  const reading = new ReplicasReading([ofItself], io, async (url) => ({
    bytes: Buffer.from(await (await fresh(new Request(url))).arrayBuffer()),
  }));
  const answer = viewOfReplicas({
    ...{ name: 'gateway', replicas: reading.replicas, models: models(io.env), prices, now: () => io.now() },
  });
  const live = consoleOf((query) => reading.fresh().then(() => answer(query)));
  const serving = await serveMetrics(registry, { ...address, joined: { metrics: fresh, live } });
  void reading.fresh();
  return {
    url: serving.url,
    async close() {
      reading.close();
      await serving.close(0);
    },
  };
}

/** The first wait before a worker that ended is replaced, and the longest, if the next ones end early too. */
const RESTART_MS = 100;
const LONGEST_RESTART_MS = 30_000;

/** A worker that has run this long did not end for what ended the one before it. */
const STEADY_MS = 60_000;

/** While hung workers are left alone, the setting is read again this often. */
const IDLE_BEAT_MS = 5_000;

/** Besides the time that the configuration gives to requests in progress. */
const END_MS = 15_000;

class SupervisedGateway {
  configuration: GatewayConfiguration;
  readonly store: Store;
  readonly #io: CommandIo;
  readonly #textsOf: FirstConfiguration['textsOf'];
  /** What every worker reads when it starts. The prices stay those of the gateway's start. */
  #texts: FileTexts;
  readonly #ledgers: SharedLedgers;
  readonly #gauges: JoinedGauges;
  readonly #workers = new Set<WorkerProcess>();
  /** Those that serve or will, by number; not those that leave, and not yet those that are to take the place of one. */
  readonly #seats = new Map<number, WorkerProcess>();
  /** By the number of a worker that is being replaced: whether the next one serves. */
  readonly #successors = new Map<number, Promise<boolean>>();
  /** By the number of a worker: how many of its kind ended early, one after another. */
  readonly #early = new Map<number, number>();
  #isEnding = false;
  #isReplacing = false;
  #beats: NodeJS.Timeout | undefined;

  constructor({ configuration, textsOf }: FirstConfiguration, store: Store, io: CommandIo) {
    this.configuration = configuration;
    this.#textsOf = textsOf;
    this.#texts = textsOf(configuration);
    this.store = store;
    this.#io = io;
    this.#ledgers = new SharedLedgers(() => io.now());
    this.#gauges = new JoinedGauges(store);
    recordBuild(store, () => io.now());
    const { plimsoll_gateway_workers: workers, plimsoll_gateway_worker_exits_total: exits } = store.families;
    for (const cause of WORKER_EXITS) exits.series({ cause }).add(0);
    for (const state of WORKER_STATES)
      workers.series({ state }).computeBy(() => [...this.#workers].filter((each) => each.state === state).length);
    for (const outcome of CONFIGURATION_LOADS) this.#loads.series({ outcome }).add(0);
  }

  get #loads() {
    return this.store.families.plimsoll_gateway_configuration_loads_total;
  }

  /** Resolves with the address when all workers serve. What keeps the first from starting is said once. */
  async start(): Promise<string> {
    const { workers } = this.configuration;
    this.#beat();
    try {
      const url = await this.#readyFirst(1);
      // The first has warned for all of them, and budgets in memory are shared by them.
      cluster.setupPrimary({ execArgv: [...process.execArgv, '--disable-warning=PLIMSOLL_VOLATILE_LEDGER'] });
      const others = Array.from({ length: workers - 1 }, (_, index) => this.#readyFirst(index + 2));
      await Promise.all(others);
      for (const worker of this.#workers) void this.#keep(worker);
      // Windows has no such signal.
      if (process.platform !== 'win32') process.on('SIGUSR2', this.#replaceOnSignal);
      return url;
    } catch {
      throw new WorkersFailedError();
    }
  }

  /** A worker that failed has said why; only this process can say that one was killed. */
  async #readyFirst(number: number): Promise<string> {
    const worker = this.#fork(number);
    try {
      return await worker.ready;
    } catch (error) {
      const end = await worker.ended;
      if (!this.#isEnding && end.cause !== 'failed') this.#count(worker, end);
      throw error;
    }
  }

  /** Sets the gauges of the store to those that the workers have together. */
  async joinGauges(): Promise<void> {
    const serving = [...this.#workers].filter(({ state }) => state === 'ready' || state === 'leaving');
    const all = await Promise.all(serving.map((worker) => worker.gauges()));
    if (all.includes(null)) this.store.errors('scrape');
    this.#gauges.set(all.filter((gauges) => gauges !== null));
  }

  /** A worker in which it fails, although it fits here, is replaced: its successor reads it at its start. */
  reload(next: GatewayConfiguration): void {
    requireNoRestart(this.configuration, next);
    this.configuration = next;
    const { prices = null } = this.#texts;
    this.#texts = { ...this.#textsOf(next), prices };
    for (const worker of this.#workers) {
      if (worker.state === 'leaving') continue;
      worker.reload(this.#texts).then(
        (problem) => problem !== null && void this.#replace(worker),
        // It has ended: another one takes its place.
        () => undefined,
      );
    }
  }

  counted(outcome: (typeof CONFIGURATION_LOADS)[number]): void {
    this.#loads.series({ outcome }).add(1);
  }

  /** Lets all workers end, and ends those that do not in time. */
  async close(): Promise<void> {
    this.#isEnding = true;
    process.off('SIGUSR2', this.#replaceOnSignal);
    const { lameDuckSeconds, drainSeconds } = this.configuration.limits;
    const impatience = setTimeout(
      () => this.#workers.forEach((worker) => worker.kill('killed')),
      (lameDuckSeconds + drainSeconds) * 1_000 + END_MS,
    );
    for (const worker of this.#workers) worker.end('stop');
    await Promise.all([...this.#workers].map((worker) => worker.ended));
    clearTimeout(impatience);
    clearTimeout(this.#beats);
  }

  /**
   * Asks each worker whether it is alive, and kills one that does not answer. One at a time, and none while another starts: where
   * the whole machine is stuck, killing all of them would help nobody.
   */
  #beat(): void {
    const { hungWorkerSeconds } = this.configuration.limits;
    const beatMs = hungWorkerSeconds === 0 ? IDLE_BEAT_MS : (hungWorkerSeconds * 1_000) / HUNG_BEATS;
    this.#beats = setTimeout(() => this.#beat(), beatMs);
    if (hungWorkerSeconds === 0) return;
    const all = [...this.#workers];
    const hung = all.filter((worker) => worker.beat(beatMs));
    const first = hung.find(({ state }) => state === 'starting') ?? hung[0];
    const isAnyStarting = all.some((worker) => worker.state === 'starting' && !hung.includes(worker));
    if (this.#isEnding) for (const worker of hung) worker.kill('hung');
    else if (!isAnyStarting) first?.kill('hung');
  }

  /** Tells the workers that are ready how many can serve, for their `/readyz`. */
  #tellReady(): void {
    const ready = [...this.#workers].filter(({ state }) => state === 'ready');
    for (const worker of ready) worker.tellReady([ready.length, this.configuration.workers]);
  }

  readonly #replaceOnSignal = (): void => void this.#replaceAll();

  /** Replaces one worker after another: the next one ends when the one before it has been replaced. */
  async #replaceAll(): Promise<void> {
    if (this.#isReplacing) return;
    this.#isReplacing = true;
    for (const worker of [...this.#seats.values()]) await this.#replace(worker);
    this.#isReplacing = false;
  }

  /**
   * Starts another worker, and lets this one end as soon as that serves. If it does not, this one goes on. One that has ended, or
   * is being replaced, is left to what comes in its place.
   */
  async #replace(worker: WorkerProcess): Promise<void> {
    const { number } = worker;
    if (this.#isEnding || this.#seats.get(number) !== worker || this.#successors.has(number)) return;
    const next = this.#fork(number);
    const serving = next.ready.then(
      () => true,
      () => false,
    );
    this.#successors.set(number, serving);
    const serves = await serving;
    this.#successors.delete(number);
    if (!serves) return this.#count(next, await next.ended);
    void this.#keep(next);
    worker.end('replace');
    await worker.ended;
  }

  #fork(number: number): WorkerProcess {
    const worker: WorkerProcess = new WorkerProcess(number, {
      store: this.store,
      ledgers: this.#ledgers,
      startFields: startFields(this.configuration),
      texts: () => this.#texts,
      onState: () => this.#tellReady(),
      isAnotherServing: () => [...this.#workers].some((each) => each !== worker && each.isServing),
    });
    this.#workers.add(worker);
    void worker.ended.then(() => {
      this.#workers.delete(worker);
      this.#tellReady();
    });
    return worker;
  }

  /** Waits for the end of a worker, and starts another one if none has its seat by then. */
  async #keep(worker: WorkerProcess): Promise<void> {
    const startedMs = performance.now();
    const { number } = worker;
    this.#seats.set(number, worker);
    const end = await worker.ended;
    if (this.#seats.get(number) === worker) this.#seats.delete(number);
    const early = performance.now() - startedMs > STEADY_MS ? 0 : (this.#early.get(number) ?? 0);
    const waitMs = Math.min(LONGEST_RESTART_MS, RESTART_MS * 2 ** early);
    // A signal to all processes of a group may come here last.
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (this.#isEnding) return;
    this.#count(worker, end);
    await this.#successors.get(number);
    if (this.#isEnding || this.#seats.has(number)) return;
    this.#early.set(number, early + 1);
    void this.#keep(this.#fork(number));
  }

  #count({ number, pid }: WorkerProcess, end: WorkerEnd): void {
    this.store.families.plimsoll_gateway_worker_exits_total.series({ cause: end.cause }).add(1);
    const level = end.cause === 'replaced' ? 'info' : 'error';
    this.#io.err(logLine(this.#io.now(), { level, event: 'worker', worker: number, pid, ...end }));
  }
}
