import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { unboundClient } from '../gateway/access/client.ts';
import { hashedOwner, ownerOf, OWNER_EXPECTED } from '../gateway/access/member.ts';
import { tokensInEnvironment, usageInEnvironment } from '../gateway/configuration/environment.ts';
import { DEFAULT_OWNERS } from '../gateway/configuration/owners.ts';
import { tokenSettingsInFile, type TokenPart, type TokenSettings } from '../gateway/configuration/file.ts';
import { ledgerAt } from '../gateway/configuration/places.ts';
import { ConfigurationError, sentenceOf, unfit, type Problem } from '../errors.ts';
import { wrongArguments } from './arguments.ts';
import { printProblems, wrapped, type CommandIo } from './command.ts';

/** The store and the clients of tokens, with the name of the configuration. */
export interface NamedSettings extends TokenSettings {
  /** `gateway.yaml`, or words for the absence of a file. */
  readonly configuration: string;
  /** A file in this folder that looks like a gateway configuration but was not named; `null` if there is none. */
  readonly passedOver: string | null;
}

const NAMES = ['gateway.yaml', 'gateway.yml', 'gateway.json'];

/**
 * Reads the file, or the environment if none is named. Problems of parts that are not in `needs` are only printed. Throws a
 * `ConfigurationError`.
 */
export function settingsOf(config: string | undefined, io: CommandIo, needs: readonly TokenPart[]): NamedSettings {
  if (config !== undefined) return settingsInFile(config, io, needs);
  const { env } = io;
  return {
    tokens: tokensInEnvironment(env, process.cwd()),
    clients: new Map([['default', unboundClient('default', '')]]),
    budgets: [],
    ownerKey: null,
    declaredTokens: new Map(),
    usage: usageInEnvironment(env, process.cwd()),
    usageDays: DEFAULT_OWNERS.usageDays,
    unread: new Map(),
    configuration: 'the environment (no configuration file)',
    passedOver: NAMES.find((name) => existsSync(name)) ?? null,
  };
}

function settingsInFile(config: string, io: CommandIo, needs: readonly TokenPart[]): NamedSettings {
  const settings = readSettings(config, io, needs);
  const { unread } = settings;
  if (unread.size > 0) {
    io.err(`${config} has problems. A gateway would not start with it:`);
    const problems = [...unread.values()].flat();
    printProblems([...new Map(problems.map((problem) => [sentenceOf(problem), problem])).values()], io);
  }
  return { ...settings, configuration: config, passedOver: null };
}

/** Adds the way around a file that does not say where tokens are kept to its problems. */
function readSettings(config: string, { env }: CommandIo, needs: readonly TokenPart[]): TokenSettings {
  try {
    return tokenSettingsInFile(config, env, new Set(needs));
  } catch (error) {
    const isPlaceAlone = needs.includes('tokens') && !needs.includes('clients') && !needs.includes('usage');
    if (!(error instanceof ConfigurationError) || !isPlaceAlone || saysPlace(config, env)) throw error;
    throw new ConfigurationError(error.code, [...error.problems, NO_PLACE]);
  }
}

function saysPlace(config: string, env: CommandIo['env']): boolean {
  try {
    tokenSettingsInFile(config, env, new Set(['tokens']));
    return true;
  } catch {
    // Its problems are those that the caller has.
    return false;
  }
}

const NO_PLACE: Problem = {
  kind: 'unreadable',
  field: '--config',
  expected: 'a file that says where its tokens are kept',
  got: 'another',
  advice: 'mend it, or leave out --config and set PLIMSOLL_TOKENS to the SQLite file or the URL of the Redis',
};

/** Names the configuration: a gateway with another one may know neither the client nor the token. */
export function usedLines({ configuration, tokens, passedOver }: NamedSettings): readonly string[] {
  const used = `Created for a gateway with ${configuration}, which keeps its tokens in ${ledgerAt(tokens).shown}.`;
  return [used, ...passedOverLines(passedOver)].flatMap((line) => wrapped(line, 80));
}

/** Names the file that may have been meant; no line if there is none. */
export function passedOverLines(passedOver: string | null): readonly string[] {
  if (passedOver === null) return [];
  return wrapped(
    `${passedOver} in this folder was not read. For a gateway that uses it, add --config ${passedOver}.`,
    80,
  );
}

/** Returns the owner as it is stored: in one spelling, hashed if the configuration says so. Throws `wrongArguments`. */
export function storedOwner(text: string, { ownerKey }: Pick<TokenSettings, 'ownerKey'>): string {
  const owner = ownerOf(text);
  // The text is not shown: it may be a token.
  if (owner === null) throw wrongArguments({ ...NO_OWNER, got: text === '' ? 'nothing' : 'something else' });
  return ownerKey === null || HASHED.test(owner) ? owner : hashedOwner(owner, ownerKey);
}

const NO_OWNER = { kind: 'invalid', field: '--owner', expected: OWNER_EXPECTED, advice: 'change it' } as const;

/** An owner as lists show it where owners are hashed. */
const HASHED = /^h-[0-9a-f]{20}$/;

/** Services have none of the variables that name a user. */
function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may have a user without a name.
    return 'unknown';
  }
}

/** Who runs the command, for the audit log: `by`, else the user of the operating system, also behind sudo. */
export function actorOf(by: string | undefined, { env }: CommandIo): string {
  if (by !== undefined && !/^[^\p{C}]{1,100}$/u.test(by))
    throw wrongArguments(unfit('--by', by, { expected: 'up to 100 characters in one line' }));
  return (by ?? (env['SUDO_USER'] || env['USER'] || env['LOGNAME'] || systemUser())).slice(0, 100);
}
