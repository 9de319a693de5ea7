/** Writes the table of span attributes in `docs/opentelemetry.md`, and fails for one that it does not explain. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

type Meanings = Readonly<Record<string, string>>;

const OF_CALLS: Meanings = {
  'plimsoll.key': 'alias of the API key',
  'plimsoll.attribution.<name>': 'a declared attribution label',
  'plimsoll.attempts': 'number of HTTP requests that the call took',
  'plimsoll.outcome': 'how the call ended, as in the metrics',
  'plimsoll.cost_usd': 'estimated cost; absent if nothing is known about it, or another organization pays',
  'plimsoll.cost_billed_to_others_usd': 'estimated cost that [another organization pays](pricing.md#what-others-pay)',
  'plimsoll.unpriced': '`true` if a model, or a part of the usage, has no known price',
  'plimsoll.cost.doubts': 'why the cost may not be [what is billed](pricing.md#what-is-uncertain)',
  'plimsoll.refusal.categories': 'the category of each model that refused',
  'plimsoll.fallback_from': 'the requested model, if a retry policy went on with another',
  'plimsoll.server_fallback_from': 'the requested model, if the API itself went on with another',
  'plimsoll.cache_miss.reason': 'why the prompt missed the cache, if the request asked for diagnostics',
  'plimsoll.usage.estimated_output_tokens': 'output of a stream that ended before the server reported it',
  'plimsoll.usage.estimated_input_tokens': 'prompts of attempts that were left before the server said what it had read',
  'plimsoll.rate_limited.reasons': "the reasons of the call's 429s",
  'plimsoll.retry.wait_seconds': 'time between attempts; of an attempt, the time before it',
  'plimsoll.retry.denied': 'why a retry policy did not retry',
};

const OF_ATTEMPTS: Meanings = {
  'plimsoll.attempt.outcome': 'how the attempt ended',
  'plimsoll.headers_seconds': 'time until the headers of the response',
  'plimsoll.rate_limited.reason': 'the reason of a 429',
  'plimsoll.spend_limited.scope': 'the spend limit that refused it',
  'plimsoll.retry.reason': 'how the attempt before it ended',
};

/** The table. Throws if the code sets an attribute that it does not have, or has one that nothing sets. */
export function spanAttributes(): string {
  const meanings = { ...OF_CALLS, ...OF_ATTEMPTS };
  const set = attributesInCode();
  const known = Object.keys(meanings).filter((name) => !name.endsWith('<name>'));
  const wrong = [...set.filter((name) => !known.includes(name)), ...known.filter((name) => !set.includes(name))];
  if (wrong.length > 0)
    throw new Error(`scripts/span-attributes.ts and src/record/otel disagree on ${wrong.join(', ')}.`);
  return [
    '| attribute of a call | meaning |',
    '| --- | --- |',
    ...rows(OF_CALLS),
    '',
    '| attribute of an attempt | meaning |',
    '| --- | --- |',
    ...rows(OF_ATTEMPTS),
  ].join('\n');
}

function rows(meanings: Meanings): readonly string[] {
  return Object.entries(meanings).map(([name, meaning]) => `| \`${name}\` | ${meaning} |`);
}

function attributesInCode(): readonly string[] {
  const folder = join(import.meta.dirname, '..', 'src', 'record', 'otel');
  const texts = ['span-attributes.ts', 'spans.ts'].map((file) => readFileSync(join(folder, file), 'utf8'));
  const names = texts.flatMap((text) => [...text.matchAll(/'(plimsoll\.[\w.]*\w)'/g)].map(([, name = '']) => name));
  return [...new Set(names)];
}
