import { mayHoldSecret, type ValueProblem } from '../errors.ts';

/** The spellings of each environment, under the canonical one. */
const ENVIRONMENTS: Readonly<Record<string, readonly string[]>> = {
  dev: ['dev', 'develop', 'development', 'local'],
  test: ['test', 'testing', 'qa'],
  ci: ['ci', 'build'],
  staging: ['staging', 'stage', 'stg', 'preprod', 'uat'],
  demo: ['demo', 'sandbox'],
  prod: ['prod', 'production', 'live'],
};

const ENVIRONMENT_OF: ReadonlyMap<string, string> = new Map(
  Object.entries(ENVIRONMENTS).flatMap(([shown, spellings]) => spellings.map((spelling) => [spelling, shown] as const)),
);

/**
 * Returns the canonical spelling of an environment (`production` → `prod`), in any case; `null` if the name is not one.
 */
export function keyEnvironment(name: string): string | null {
  return ENVIRONMENT_OF.get(name.trim().toLowerCase()) ?? null;
}

/** The parts of a key's alias of the form `env-service-role`. */
export interface KeyAlias {
  readonly alias: string;
  /** `dev`, `test`, `ci`, `staging`, `demo` or `prod`; `null` if the alias does not begin with one. */
  readonly environment: string | null;
  /** One or more words: `order-history`. `null` if the alias does not say. */
  readonly service: string | null;
  /** The last word; `null` if the alias does not say. */
  readonly role: string | null;
  readonly wellNamed: boolean;
  /** The problem of a badly formed alias, without a secret; `null` for a valid one. */
  readonly problem: ValueProblem | null;
}

/**
 * Reads an alias such as `prod-checkout-api`: an environment, a service of one or more words, a role; lowercase letters
 * and digits, joined by `-`. Reads as much as possible of a badly formed alias. Never throws.
 */
export function keyAlias(alias: string): KeyAlias {
  const problem = problemOf(alias);
  const [first = '', ...rest] = alias.toLowerCase().split('-');
  const known = mayHoldSecret(alias) ? null : keyEnvironment(first);
  const words = known === null ? [] : rest.filter((word) => word !== '');
  const isComplete = words.length >= 2;
  const service = (isComplete ? words.slice(0, -1) : words).join('-');
  return {
    alias,
    environment: known,
    service: service === '' ? null : service,
    role: (isComplete ? words.at(-1) : null) ?? null,
    wellNamed: problem === null,
    problem,
  };
}

const LONGEST_SHOWN = 64;
const WORDS = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

function problemOf(alias: string): ValueProblem | null {
  const expected = 'an alias of the form env-service-role, such as "prod-checkout-api"';
  if (mayHoldSecret(alias))
    return { kind: 'invalid', expected, got: 'something that looks like the key itself', advice: 'give it a name' };
  const got = alias.length > LONGEST_SHOWN ? `${alias.length} characters` : JSON.stringify(alias);
  const advice = adviceOn(alias);
  return advice === null ? null : { kind: 'invalid', expected, got, advice };
}

function adviceOn(alias: string): string | null {
  if (!WORDS.test(alias)) return 'use lowercase letters and digits, joined by "-"';
  const words = alias.split('-');
  if (keyEnvironment(words[0] ?? '') === null) return `begin with one of ${Object.keys(ENVIRONMENTS).join(', ')}`;
  if (words.length < 3) return 'name the environment, the service and the role';
  return /^[a-z]/.test(words.at(-1) ?? '') ? null : 'end with a word for what the key does';
}
