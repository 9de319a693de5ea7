import { resolve } from 'node:path';
import { Findings } from '../../environment/findings.ts';
import { nearest } from '../../environment/nearest.ts';
import { pricesOf } from '../../environment/named-files.ts';
import { baseUrlOf } from '../../environment/settings.ts';
import type { PriceTable } from '../../pricing/prices.ts';
import { tierProblems, type TierOption } from '../../tier/tier-option.ts';
import type { GatewayClient } from '../access/client.ts';
import { API_URL } from './gateway-configuration.ts';
import { isObject, type Reader } from './reader.ts';
import type { SecretSources } from './secret-source.ts';

const PATH = { pattern: /^[^\0]{1,4096}$/, expected: 'the path of a file' };

/** Findings of the environment's, told as those of a field. */
function told(read: Reader, { problems, notices }: Findings, told: Telling): void {
  const sentence = (finding: string): string => finding.replace(`${told.variable}: `, '');
  for (const problem of problems) read.note(told.field, sentence(problem));
  told.notices.push(...notices.map((notice) => `${told.field}: ${sentence(notice)}`));
}

interface Telling {
  readonly variable: string;
  readonly field: string;
  readonly notices: string[];
}

/** Of the field `baseUrl`, else of `ANTHROPIC_BASE_URL`, else the API's own. */
export function upstreamOf(read: Reader, { env }: SecretSources, notices: string[]): string {
  const variable = 'ANTHROPIC_BASE_URL';
  const given = read.value('baseUrl');
  if (given !== undefined && typeof given !== 'string') read.problem('baseUrl', 'the address of an API', 'quote it');
  const findings = new Findings();
  const url = baseUrlOf({ [variable]: typeof given === 'string' ? given : env[variable] }, findings);
  told(read, findings, { variable, field: given === undefined ? variable : 'baseUrl', notices });
  return url?.replace(/\/+$/, '') ?? API_URL;
}

/** Of the file that the field `prices` names, else of `PLIMSOLL_PRICES`, else the table that comes with the package. */
export function priceTableOf(read: Reader, { env, folder }: SecretSources): PriceTable {
  const variable = 'PLIMSOLL_PRICES';
  const path = read.text('prices', PATH);
  const findings = new Findings();
  const prices = pricesOf({ [variable]: path === undefined ? env[variable] : resolve(folder, path) }, findings);
  told(read, findings, { variable, field: path === undefined ? variable : 'prices', notices: [] });
  return prices;
}

/** The name of a tier, or `{ name, organization }`. */
export function tierOf(read: Reader, nowMs: number): TierOption | undefined {
  const given = read.value('tier');
  const option = typeof given === 'string' ? { name: given } : given;
  if (isObject(given)) read.within('tier', '').only(['name', 'organization']);
  for (const problem of tierProblems(option, nowMs)) {
    const [, place = 'tier', sentence = problem] = /^(tier\S*): (.*)$/s.exec(problem) ?? [];
    read.note(place, sentence);
  }
  return option as TierOption | undefined;
}

/** A misspelt model would be refused to its client, and nobody would know why. */
export function modelNotices(clients: readonly GatewayClient[], prices: PriceTable): readonly string[] {
  return clients.flatMap(({ name, models }) =>
    (models ?? []).flatMap((model) => {
      if (prices.knownModels.includes(prices.canonicalModel(model))) return [];
      const near = nearest(model, prices.knownModels);
      const meant = near === null ? '' : `, did you mean ${near}?`;
      return [`clients.${name}.models: ${model} is not in the price table${meant}`];
    }),
  );
}
