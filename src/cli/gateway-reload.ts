import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { sharedBudgets, type Budgets } from '../budget/budgets.ts';
import type { Ledger } from '../budget/ledger.ts';
import { memoryLedger } from '../budget/memory-ledger.ts';
import { systemTimers } from '../clock.ts';
import { ConfigurationError, sentenceOf, type Problem } from '../errors.ts';
import type { GatewayConfiguration } from '../gateway/configuration/configuration.ts';
import { ledgerAt, type Place } from '../gateway/configuration/places.ts';
import type { OnAvailability } from '../redis-address.ts';
import type { ConfigurationLoad } from '../record/metrics/catalogue-gateway.ts';
import type { CommandIo } from './command.ts';
import { logLine } from './gateway-log.ts';

/** Longer than any call takes: budgets that were replaced settle what was in progress. */
const REPLACED_MS = 3_600_000;

/** The budgets in force, and those that were replaced. */
export class HeldBudgets {
  current: Budgets | null;
  readonly #memory: Ledger;
  readonly #replaced = new Set<Budgets>();
  readonly #onAvailability: OnAvailability;
  #defined: string;

  /** `onAvailability` is told when the Redis of the ledger is away; `memory` keeps the spend where no ledger is named. */
  constructor(configuration: GatewayConfiguration, onAvailability: OnAvailability, memory: Ledger = memoryLedger()) {
    this.#onAvailability = onAvailability;
    this.#memory = memory;
    this.#defined = definitionOf(configuration);
    this.current = this.#open(configuration);
  }

  /** Applies the budgets of a configuration, and returns those that they replace; `null` if they are the same. */
  replace(configuration: GatewayConfiguration, apply: (budgets: Budgets | null) => void): Budgets | null {
    const previous = this.current;
    const defined = definitionOf(configuration);
    const next = defined === this.#defined ? previous : this.#open(configuration);
    apply(next);
    [this.current, this.#defined] = [next, defined];
    if (previous === null || previous === next) return null;
    this.#replaced.add(previous);
    systemTimers.inBackground(REPLACED_MS, () => {
      this.#replaced.delete(previous);
      void previous.close();
    });
    return previous;
  }

  async close(): Promise<void> {
    const all = [...this.#replaced, ...(this.current === null ? [] : [this.current])];
    await Promise.all(all.map((each) => each.close()));
  }

  #open({ budgets, ledger }: GatewayConfiguration): Budgets | null {
    if (budgets.length === 0) return null;
    if (ledger === null) return sharedBudgets(budgets, { ledger: this.#memory });
    return sharedBudgets(budgets, { ledger: ledgerAt(ledger).open({ onAvailability: this.#onAvailability }) });
  }
}

function definitionOf({ budgets }: GatewayConfiguration): string {
  return JSON.stringify(budgets, (_name, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
}

const NEEDS_RESTART = 'PLIMSOLL_GATEWAY_RESTART';

/** Throws a `ConfigurationError` (`PLIMSOLL_GATEWAY_RESTART`) with each field that changes what only a start can change. */
export function requireNoRestart(current: GatewayConfiguration, next: GatewayConfiguration): void {
  requireSame(fixedAtStart(current), fixedAtStart(next));
}

/** What only a start can change, by field, and the processes of a gateway have in common: hashes, because addresses hold passwords. */
export type StartFields = Readonly<Record<string, string>>;

export function startFields(configuration: GatewayConfiguration): StartFields {
  const shared = Object.entries(fixedAtStart(configuration)).filter(([field]) => !OF_ONE_PROCESS.has(field));
  return Object.fromEntries(
    shared.map(([field, text]) => [field, createHash('sha256').update(text).digest('base64url')]),
  );
}

/** A worker is told its port, and serves no metrics page. */
const OF_ONE_PROCESS: ReadonlySet<string> = new Set(['listen', 'metrics']);

/** Throws a `ConfigurationError` (`PLIMSOLL_GATEWAY_RESTART`) where a later process would differ from those that run. */
export function requireStartFields(running: StartFields, configuration: GatewayConfiguration): void {
  requireSame(running, startFields(configuration));
}

function requireSame(fixed: StartFields, changed: StartFields): void {
  const problems = Object.keys(fixed)
    .filter((field) => fixed[field] !== changed[field])
    .map((field): Problem => {
      const expected = 'the value that the gateway was started with';
      return { kind: 'conflict', field, expected, got: 'another', advice: 'restart the gateway to change it' };
    });
  if (problems.length > 0) throw new ConfigurationError(NEEDS_RESTART, problems);
}

/** Limits that apply to the next request. */
const RELOADED_LIMITS: ReadonlySet<string> = new Set<keyof GatewayConfiguration['limits']>([
  'upstreamSilenceSeconds',
  'upstreamConnectSeconds',
  'unreadyUpstreamSeconds',
  'unreadyLedgerSeconds',
  'hungWorkerSeconds',
  'drainSeconds',
  'lameDuckSeconds',
]);

/** Ports, places and limits of the server, each as a text to compare. */
function fixedAtStart(configuration: GatewayConfiguration): Readonly<Record<string, string>> {
  const { listen, metrics, workers, ledger, tokens, limits, organization } = configuration;
  const ofServer = Object.entries(limits).filter(([name]) => !RELOADED_LIMITS.has(name));
  const fixed = { listen, metrics, workers, limits: ofServer, organization };
  return {
    ...Object.fromEntries(Object.entries(fixed).map(([field, value]) => [field, JSON.stringify(value ?? null)])),
    ledger: placeText(ledger),
    tokens: placeText(tokens),
  };
}

function placeText(place: Place | null): string {
  if (place === null) return 'memory';
  return place.kind === 'sqlite' ? place.path : place.url();
}

/** A gateway whose configuration can be replaced while it runs. */
export interface Reloadable {
  /**
   * Applies another configuration from the next request on. Throws a `ConfigurationError` (`PLIMSOLL_GATEWAY_RESTART`) if
   * it changes what only a start can change, and what `gateway()` throws; then nothing has changed.
   */
  reload(configuration: GatewayConfiguration): void;
  /** Counts a reading of the configuration. */
  counted(outcome: ConfigurationLoad): void;
}

/** Reads the configuration again, applies it, and tells of it in one line of JSON. Never throws. */
export function reload(running: Reloadable, read: () => GatewayConfiguration, io: CommandIo): ConfigurationLoad {
  try {
    const configuration = read();
    running.reload(configuration);
    running.counted('loaded');
    const { keys, clients, budgets, notices } = configuration;
    const found = { clients: [...clients.keys()], keys: [...keys.keys()], budgets: budgets.map(({ name }) => name) };
    io.out(line({ level: 'info', outcome: 'loaded', ...found, notices: notices.map(sentenceOf) }, io));
    return 'loaded';
  } catch (error) {
    const problems = error instanceof ConfigurationError ? error.problems.map(sentenceOf) : [];
    const needsRestart = error instanceof ConfigurationError && error.code === NEEDS_RESTART;
    const outcome = needsRestart ? 'needs_restart' : 'invalid';
    running.counted(outcome);
    io.err(line({ level: 'error', outcome, problems }, io));
    return outcome;
  }
}

function line(facts: object, io: CommandIo): string {
  return logLine(io.now(), { event: 'configuration', ...facts });
}

/** A change of the file is seen after at most this time, as with keys. */
const LOOK_MS = 5_000;

/**
 * Calls `changed` when the text of the file has changed, by reading it every few seconds: files of a container are replaced
 * by way of links, which no watcher of one file sees. Returns a function that ends it.
 */
export function watchFile(path: string, changed: () => void, everyMs = LOOK_MS): () => void {
  let seen = textIn(path);
  const looking = setInterval(() => {
    const text = textIn(path);
    // One that cannot be read may be being replaced.
    if (text === null || text === seen) return;
    seen = text;
    changed();
  }, everyMs);
  looking.unref();
  return () => clearInterval(looking);
}

function textIn(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
