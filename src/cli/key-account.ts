import { environment, keyAlias, type KeyAlias } from '../keys/alias.ts';
import { redacted } from '../keys/secrets.ts';
import type { Sample } from './exposition-samples.ts';

/** What a `/metrics` page says of the calls with one key, since the process that wrote it began. */
export interface KeyUse {
  /** Finished calls, refused ones too. */
  readonly calls: number;
  readonly tokens: number;
  /** Estimated, as the counter has it. */
  readonly costUsd: number;
  /** Calls that the cost leaves out, for want of a price. */
  readonly unpricedCalls: number;
  /** When rate-limit headers were last seen, which the page keeps for an hour; `null` where it has none. */
  readonly lastSeenAtMs: number | null;
}

/** One key of the configuration or of the page. */
export interface KeyAccount extends KeyAlias {
  /** Of ANTHROPIC_ENV, or without an environment of its own; `null` where ANTHROPIC_ENV says nothing. */
  readonly fits: boolean | null;
  /** All that is wrong with it; empty where nothing is. */
  readonly problems: readonly string[];
  /** `null` where no page was read. */
  readonly use: KeyUse | null;
}

/** What keys are accounted for. */
export interface KeyQuestion {
  readonly aliases: readonly string[];
  /** As ANTHROPIC_ENV says; `null` where it says nothing. */
  readonly anthropicEnv: string | null;
  /** `null` where no page was read. */
  readonly samples: readonly Sample[] | null;
}

/** What the label `key` says where nobody gave an alias. */
const NO_ALIAS = 'default';

/** The keys that were named, and those that the page has calls of, each judged and with its use. */
export function keyAccounts({ aliases, anthropicEnv, samples }: KeyQuestion): readonly KeyAccount[] {
  const seen = samples === null ? [] : keysIn(samples);
  return [...new Set([...aliases, ...seen])].map((alias) => {
    const judged = keyAlias(alias);
    const wanted = anthropicEnv === null ? null : environment(anthropicEnv);
    const fits = wanted === null ? null : judged.environment === null || judged.environment === wanted;
    const misplaced = `a key of ${judged.environment} where ANTHROPIC_ENV is ${wanted}: use the key of ${wanted}`;
    const unnamed =
      alias === NO_ALIAS ? 'these calls name no key: set PLIMSOLL_KEY, or the option key' : judged.problem;
    const problems = [unnamed, fits === false ? misplaced : null].filter((problem) => problem !== null);
    return { ...judged, alias: redacted(alias), fits, problems, use: samples === null ? null : useOf(alias, samples) };
  });
}

/** When the page began to count; `null` where it does not say. */
export function countedSinceMs(samples: readonly Sample[]): number | null {
  const starts = samples.filter(({ name }) => name === 'process_start_time_seconds').map(({ value }) => value * 1_000);
  return starts.length === 0 ? null : Math.min(...starts);
}

function keysIn(samples: readonly Sample[]): readonly string[] {
  const keyed = samples.filter(({ name, labels }) => name.startsWith('anthropic_') && labels['key'] !== undefined);
  return [...new Set(keyed.map(({ labels }) => labels['key'] ?? ''))].sort();
}

function useOf(alias: string, samples: readonly Sample[]): KeyUse {
  const of = (name: string): readonly number[] =>
    samples.filter((sample) => sample.name === name && sample.labels['key'] === alias).map(({ value }) => value);
  const sum = (name: string): number => of(name).reduce((total, value) => total + value, 0);
  const seen = of('anthropic_ratelimit_observed_timestamp_seconds');
  return {
    calls: sum('anthropic_requests_total'),
    tokens: sum('anthropic_tokens_total'),
    costUsd: sum('anthropic_cost_usd_total'),
    unpricedCalls: sum('anthropic_unpriced_requests_total'),
    lastSeenAtMs: seen.length === 0 ? null : Math.max(...seen) * 1_000,
  };
}
