import { percent, usd, usdOf } from '../figures.ts';
import { promptTokens } from '../pricing/cost.ts';
import { MESSAGE_OPERATIONS, TOKEN_KINDS, type TokenKind, type Tokens } from '../vocabulary.ts';
import type { AdviceItem } from './item.ts';
import { standardCost, type RouteJudging } from './routes.ts';
import { label, samplesOf, type Sample } from './samples.ts';

/** What a client of a gateway has used of one model. */
interface ClientUsage {
  readonly client: string;
  readonly model: string;
  calls: number;
  readonly tokens: Record<TokenKind, number>;
}

/** Fewer tokens or calls say little. */
const FEWEST_TOKENS = 100_000;
const FEWEST_CALLS = 100;

/** No model caches a shorter prompt than some do: 4,096 tokens is the highest minimum (Claude Code 2.1.332, 2026-11-24). */
const SURELY_CACHEABLE = 4_096;

/** Advises on the prompt cache of each client of a gateway, by model. Pages without a label `client` get none. */
export function cacheItems(samples: readonly Sample[], judging: Omit<RouteJudging, 'models'>): readonly AdviceItem[] {
  return usagesOf(samples).flatMap((usage) => {
    const { tokens } = usage;
    const written = tokens.cache_write_5m + tokens.cache_write_1h;
    if (written + tokens.cache_read === 0) return unused(usage);
    return written + tokens.cache_read < FEWEST_TOKENS ? [] : used(usage, written, judging);
  });
}

/** Messages calls alone: batches read a cache only by luck. */
function usagesOf(samples: readonly Sample[]): readonly ClientUsage[] {
  const found = new Map<string, ClientUsage>();
  const usageOf = (sample: Sample): ClientUsage | null => {
    const [client, model] = [label(sample, 'client'), label(sample, 'model')];
    if (client === '' || model === '' || !MESSAGE_OPERATIONS.has(label(sample, 'operation'))) return null;
    const key = JSON.stringify([client, model]);
    const usage = found.get(key) ?? { client, model, calls: 0, tokens: noTokens() };
    found.set(key, usage);
    return usage;
  };
  for (const sample of samplesOf(samples, 'anthropic_requests_total')) {
    const usage = label(sample, 'outcome') === 'ok' ? usageOf(sample) : null;
    if (usage !== null) usage.calls += sample.value;
  }
  for (const sample of samplesOf(samples, 'anthropic_tokens_total')) {
    const kind = TOKEN_KINDS.find((each) => each === label(sample, 'kind'));
    const usage = kind === undefined ? null : usageOf(sample);
    if (kind !== undefined && usage !== null) usage.tokens[kind] += sample.value;
  }
  return [...found.values()];
}

function noTokens(): Record<TokenKind, number> {
  return Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, 0])) as Record<TokenKind, number>;
}

function unused({ client, model, calls, tokens }: ClientUsage): readonly AdviceItem[] {
  const average = Math.round(promptTokens(tokens) / calls);
  if (calls < FEWEST_CALLS || average < SURELY_CACHEABLE) return [];
  const text =
    `Client ${client}: ${calls.toLocaleString('en-US')} prompts of ${average.toLocaleString('en-US')} tokens on average to ` +
    `${model}, and none is cached. If they begin alike, mark the end of what they share with cache_control.`;
  const evidence = { client, model, calls, promptTokens: promptTokens(tokens), hitRate: 0 };
  return [{ about: 'cache', kind: 'cache_unused', severity: 'info', text, evidence }];
}

function used(
  { client, model, tokens }: ClientUsage,
  written: number,
  judging: Omit<RouteJudging, 'models'>,
): readonly AdviceItem[] {
  const read = tokens.cache_read;
  const hitRate = read / promptTokens(tokens);
  const saved = savedNanoUsd(tokens, model, judging);
  const neverRead = Math.max(0, written - read);
  const savedUsd = saved === null ? null : usdOf(saved);
  const evidence = { client, model, written, read, neverRead, hitRate, savedUsd };
  const rate = `Client ${client} reads ${percent(hitRate)} of its prompts to ${model} from the cache`;
  if (saved === null || saved >= 0) {
    const text = saved === null ? `${rate}.` : `${rate}, which saved ${usd(usdOf(saved))}.`;
    return [{ about: 'cache', kind: 'cache_hit_rate', severity: 'info', text, evidence }];
  }
  // A token that was read once is counted once on either side: what was written beyond all reads was never read.
  const text =
    `${rate}, which cost ${usd(usdOf(-saved))} more than no cache: of ${written.toLocaleString('en-US')} tokens written, ` +
    `at least ${neverRead.toLocaleString('en-US')} were never read. Mark with cache_control only what later requests repeat, ` +
    `and nothing before it that changes; where they come after more than 5 minutes, with a ttl of 1h.`;
  return [{ about: 'cache', kind: 'cache_unread', severity: 'warning', text, evidence }];
}

/** What the cache has saved, at list price; below 0 where it cost more than it saved. `null` without a price. */
function savedNanoUsd(tokens: Tokens, model: string, judging: Omit<RouteJudging, 'models'>): number | null {
  const { cache_read, cache_write_5m, cache_write_1h } = tokens;
  const cached = standardCost({ ...noTokens(), cache_read, cache_write_5m, cache_write_1h }, model, judging);
  const input = cache_read + cache_write_5m + cache_write_1h;
  const plain = standardCost({ ...noTokens(), input }, model, judging);
  return cached === null || plain === null ? null : plain - cached;
}
