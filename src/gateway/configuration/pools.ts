import { gotName, type ValueProblem } from '../../errors.ts';
import { FAILOVER_REASONS, type FailoverReason } from '../../record/metrics/catalogue-gateway.ts';
import type { KeyPool } from '../upstreams/pool.ts';
import type { FallbackRule } from '../upstreams/route.ts';
import { isAlias } from './keys.ts';
import { isListed, isModelId } from '../access/model-list.ts';
import type { Reader } from './reader.ts';

const MODEL = { pattern: /^[\w.:@/-]{1,128}$/, expected: 'the id of a model' };

const REASON = {
  pattern: new RegExp(`^(?:${FAILOVER_REASONS.join('|')})$`),
  expected: `one of ${FAILOVER_REASONS.join(', ')}`,
};

const WEIGHT = { least: 1, most: 1_000, expected: 'a whole weight from 1 to 1000' };

const NAME: ValueProblem = {
  kind: 'invalid',
  expected: 'up to 64 letters, digits, ".", "_" and "-", other than the alias of a key',
  got: 'another name',
  advice: 'rename it',
};

/** Reads the field `pools`. `aliases` are the existing keys. */
export function poolsOf(read: Reader, aliases: readonly string[]): ReadonlyMap<string, KeyPool> {
  const pools = read.within('pools', 'names of pools, each with its keys');
  const fit = pools.names().filter((name) => {
    const isFit = isAlias(name) && !aliases.includes(name);
    if (!isFit) pools.note(gotName(name), NAME);
    return isFit;
  });
  return new Map(fit.map((name) => [name, poolIn(pools, name, aliases)]));
}

function poolIn(pools: Reader, name: string, aliases: readonly string[]): KeyPool {
  const pool = pools.within(name, '{ keys: { prod-a-api: 3, prod-b-api: 1 } }');
  pool.only(['keys', 'choose', 'sticky']);
  const keys = pool.within('keys', 'aliases of keys, each with its weight');
  if (keys.names().length === 0)
    pool.problem(
      'keys',
      'aliases of keys, each with its weight',
      'name at least two, as { prod-a-api: 1, prod-b-api: 1 }',
    );
  const weights = keys.names().flatMap((alias) => {
    const weight = keys.integer(alias, WEIGHT);
    if (aliases.includes(alias)) return [[alias, weight ?? 1] as const];
    keys.note('(an alias)', unknownKey('keys', aliases));
    return [];
  });
  const sticky = pool.value('sticky') ?? true;
  if (typeof sticky !== 'boolean') pool.problem('sticky', 'true or false', 'change it');
  return {
    keys: new Map(weights),
    choose: pool.choice('choose', ['weight', 'headroom'] as const) ?? 'weight',
    sticky: sticky === true,
  };
}

function unknownKey(where: string, aliases: readonly string[]): ValueProblem {
  const expected = `one of the aliases in ${where} (${aliases.filter(isAlias).join(', ')})`;
  return { kind: 'invalid', expected, got: 'something else', advice: 'name one of them' };
}

/**
 * Reads the field `fallback` of a client: a list of rules. `names` are those of keys and pools; `models` are those that the
 * client may use, `null` for any.
 */
export function fallbacksOf(
  read: Reader,
  names: readonly string[],
  models: readonly string[] | null,
): readonly FallbackRule[] {
  const given = read.value('fallback');
  if (given === undefined) return [];
  if (!Array.isArray(given) || given.length > MOST_RULES) {
    read.problem('fallback', `a list of at most ${MOST_RULES} rules`, 'write - { on: [overloaded], key: other-key }');
    return [];
  }
  return read.items('fallback', 'a rule').map((rule) => ruleIn(rule, { names, models }));
}

const MOST_RULES = 8;

interface Known {
  readonly names: readonly string[];
  readonly models: readonly string[] | null;
}

function ruleIn(read: Reader, { names, models: allowed }: Known): FallbackRule {
  read.only(['on', 'key', 'models']);
  const key = read.value('key');
  const on = (read.texts('on', REASON) ?? []) as readonly FailoverReason[];
  const models = read.texts('models', MODEL);
  if (read.value('on') === undefined)
    read.problem('on', `some of ${FAILOVER_REASONS.join(', ')}`, 'say after which refusals');
  if (key === undefined && models === undefined) read.problem('key', 'a key, a pool or models to go to', 'name one');
  if (key !== undefined && (typeof key !== 'string' || !names.includes(key)))
    read.note('key', unknownKey('keys or pools', names));
  for (const model of models ?? []) {
    if (!isModelId(model))
      read.note('models', { kind: 'invalid', expected: 'ids of models', got: model, advice: 'name one model' });
    if (allowed === null || isListed(model, allowed)) continue;
    const expected = 'models that the client may use';
    read.note('models', {
      kind: 'conflict',
      expected,
      got: model,
      advice: 'add it to the models of the client, or leave it out',
    });
  }
  return { on, ...(typeof key === 'string' && { key }), ...(models !== undefined && { models }) };
}
