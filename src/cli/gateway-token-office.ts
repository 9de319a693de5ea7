import { existsSync } from 'node:fs';
import type { TokenRecord } from '../gateway/access/token-store.ts';
import { tokensInEnvironment } from '../gateway/configuration/environment.ts';
import { tokenOfficeInFile, type TokenOffice } from '../gateway/configuration/file.ts';
import { ledgerAt } from '../gateway/configuration/places.ts';
import type { CommandIo } from './command.ts';
import { wrapped } from './wrapped.ts';

/** Where tokens are made, and by which configuration, which stands in what is said of them. */
export interface NamedOffice extends TokenOffice {
  /** `gateway.yaml`, or that there is no file. */
  readonly configuration: string;
  /** A file of the folder that is a gateway's by its name, and was not asked for; `null` where there is none. */
  readonly passedOver: string | null;
}

const NAMES = ['gateway.yaml', 'gateway.yml', 'gateway.json'];

/** Of the file, or of the environment where none is named. Throws a `ConfigurationError`. */
export function officeOf(config: string | undefined, { env }: CommandIo): NamedOffice {
  if (config !== undefined) return { ...tokenOfficeInFile(config, env), configuration: config, passedOver: null };
  return {
    tokens: tokensInEnvironment(env, process.cwd()),
    clients: ['default'],
    configuration: 'the environment alone',
    passedOver: NAMES.find((name) => existsSync(name)) ?? null,
  };
}

/** Which configuration it was: a gateway that runs with another one knows neither the client nor, maybe, the token. */
export function usedLines({ configuration, tokens, passedOver }: NamedOffice): readonly string[] {
  const used = `Made for a gateway with ${configuration}, whose tokens are in ${ledgerAt(tokens).shown}.`;
  return [used, ...passedOverLines(passedOver)].flatMap((line) => wrapped(line, 80));
}

/** What may have been meant; nothing where there is no such file. */
export function passedOverLines(passedOver: string | null): readonly string[] {
  if (passedOver === null) return [];
  return wrapped(`${passedOver} of this folder was not read: for a gateway with it, add --config ${passedOver}.`, 80);
}

/** Of tokens that hold while no client of theirs is there: the gateway refuses them. */
export function strangerLines(tokens: readonly TokenRecord[], office: NamedOffice, nowMs: number): readonly string[] {
  const holding = tokens.filter(
    ({ revokedAtMs, expiresAtMs }) => revokedAtMs === null && (expiresAtMs === null || expiresAtMs > nowMs),
  );
  const strangers = [...new Set(holding.map(({ client }) => client))].filter((name) => !office.clients.includes(name));
  if (strangers.length === 0) return [];
  const which = `No client of ${office.configuration}: ${strangers.join(', ')}.`;
  const lines = [`${which} A gateway with that configuration refuses such tokens.`];
  return [...lines.flatMap((line) => wrapped(line, 80)), ...passedOverLines(office.passedOver)];
}
