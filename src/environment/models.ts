import { didYouMean, gotName } from '../errors.ts';
import { dayStartMs, type ListedModel } from '../pricing/price-file.ts';
import type { PriceTable } from '../pricing/prices.ts';
import { approximately } from '../pricing/rate.ts';
import { MODEL_VARIABLES, type Models } from '../routing/models.ts';
import type { Findings } from './credential.ts';

/** A model that retires within this many days gets a notice, which leaves time to try its successor. */
const SOON_DAYS = 120;

const DAY_MS = 86_400_000;

/** The date, prices and life cycles to judge models by. */
interface Judging {
  readonly prices: PriceTable;
  readonly nowMs: number;
}

/** Judges the three models: a retired one is a problem; one that ends soon, or is not the newest, a notice. */
export function modelFindings(models: Models, judging: Judging, findings: Findings): void {
  for (const role of ['default', 'reasoning', 'critical'] as const)
    modelFinding({ variable: MODEL_VARIABLES[role], id: models[role] }, judging, findings);
}

interface Named {
  readonly variable: string;
  readonly id: string;
}

function modelFinding({ variable, id }: Named, judging: Judging, findings: Findings): void {
  const { prices, nowMs } = judging;
  const listed = prices.models.find(({ model }) => model === prices.canonicalModel(id));
  if (listed === undefined) return findings.notice(variable, unknown(id, prices));
  const newer = newest(listed, judging);
  const instead = newer === null ? 'choose another' : `use ${newer.model}`;
  if (listed.status === 'retired' || daysLeft(listed, nowMs) <= 0) {
    const since = listed.eol === null ? '' : ` since ${listed.eol}`;
    return findings.problem({
      kind: 'retired_model',
      field: variable,
      expected: 'the id of a model in service',
      got: `${id}, retired${since}`,
      advice: instead,
    });
  }
  if (daysLeft(listed, nowMs) <= SOON_DAYS)
    return findings.notice(variable, `${id} retires on ${listed.eol}, in ${daysLeft(listed, nowMs)} days: ${instead}`);
  if (listed.status === 'deprecated') return findings.notice(variable, `${id} is deprecated: ${instead}`);
  if (newer !== null) findings.notice(variable, newerOne(listed, newer, judging));
}

function unknown(id: string, prices: PriceTable): string {
  const known = unknownModel(id, prices) ?? '';
  return `${known} Its calls count as unpriced: set its price with PLIMSOLL_PRICES`;
}

/** Says that a model is not in the table, and which one may be meant; `null` if it is. */
export function unknownModel(id: string, prices: PriceTable): string | null {
  if (prices.knownModels.includes(prices.canonicalModel(id))) return null;
  const meant = didYouMean(id, prices.knownModels);
  return `${gotName(id)} is not in the price table${meant === null ? '.' : `, ${meant}`}`;
}

/** Whole days, `Infinity` if no end is known. */
function daysLeft({ eol }: ListedModel, nowMs: number): number {
  return eol === null ? Infinity : Math.ceil(((dayStartMs(eol) ?? 0) - nowMs) / DAY_MS);
}

/** The newest model of the family, if it is newer than this one. */
function newest(listed: ListedModel, { prices, nowMs }: Judging): ListedModel | null {
  const family = prices.models.filter(
    (model) => model.family === listed.family && model.status === 'active' && releasedMs(model) <= nowMs,
  );
  const [last] = family.sort((one, other) => releasedMs(other) - releasedMs(one));
  return last !== undefined && listed.family !== null && releasedMs(last) > releasedMs(listed) ? last : null;
}

/** A model's release is the start of its first price. */
function releasedMs({ prices }: ListedModel): number {
  return Math.min(
    ...prices.map(({ effectiveFrom }) => (effectiveFrom === null ? -Infinity : (dayStartMs(effectiveFrom) ?? 0))),
  );
}

function newerOne(listed: ListedModel, newer: ListedModel, { prices, nowMs }: Judging): string {
  const mayEnd = listed.retiresNotSoonerThan !== null && (dayStartMs(listed.retiresNotSoonerThan) ?? Infinity) <= nowMs;
  const price = (model: string): string | null => {
    const at = prices.priceAt(model, nowMs)?.listed;
    return at === undefined ? null : `${approximately(at.input)}/${approximately(at.output)}`;
  };
  const [now, then] = [price(listed.model), price(newer.model)];
  const costs = now === null || then === null ? '' : ` (${then} instead of ${now} USD per million tokens in/out)`;
  const end = mayEnd ? `; ${listed.model} may be retired at 60 days' notice` : '';
  return `a newer ${listed.family} than ${listed.model} exists: ${newer.model}${costs}${end}`;
}
