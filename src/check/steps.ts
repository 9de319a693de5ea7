import type { Clock } from '../clock.ts';
import type { Configuration } from '../environment/environment.ts';
import { nearest } from '../errors.ts';
import { usdOf } from '../figures.ts';
import { apiLimiters } from '../observe/limiters.ts';
import { isJson, usage } from '../observe/usage.ts';
import { cost } from '../pricing/cost.ts';
import { modelClass } from '../tier/tiers.ts';
import { tierVerdict } from '../tier/verdict.ts';
import type { Limiter } from '../limiter.ts';
import type { Api } from './api.ts';
import { modelUnknown } from './refusals.ts';
import { CheckFailure, type StepStatus } from './report.ts';

/** The shortest prompt that still gets a response. */
const PROMPT = { max_tokens: 8, messages: [{ role: 'user', content: 'Reply with: ok' }] };

/** The model of the prompt, and the prices for its response. */
interface PromptQuestion {
  readonly model: string;
  readonly configuration: Pick<Configuration, 'prices'>;
  readonly clock: Clock;
}

/** The result of the prompt. */
interface Prompted {
  readonly text: string;
  readonly costNanoUsd: number | null;
  readonly limiters: readonly Limiter[];
  /** The canonical id of the model that answered. */
  readonly model: string;
}

/** Sends the smallest prompt, and prices the response. */
export async function promptStep(server: Api, { model, configuration, clock }: PromptQuestion): Promise<Prompted> {
  const { prices } = configuration;
  const answer = await server.ask('/v1/messages', { model, ...PROMPT });
  const body = isJson(answer.body) ? answer.body : {};
  if (answer.status !== 200 || !isJson(body['usage'])) throw server.failure(answer, model);
  const used = usage(body['usage']);
  const answered = typeof body['model'] === 'string' ? body['model'] : model;
  const { totalNanoUsd, priced } = cost(used, { prices, atMs: clock.epochMs(), model: answered });
  const { input_tokens: input, output_tokens: output } = body['usage'];
  const price = priced ? usd(totalNanoUsd) : 'no price is known';
  return {
    text: `${Number(input)} tokens in, ${Number(output)} out: ${price}`,
    costNanoUsd: priced ? totalNanoUsd : null,
    limiters: apiLimiters(answer.headers),
    model: prices.canonicalModel(answered),
  };
}

/** Shows nano-dollars exactly, without trailing zeros. */
export function usd(nanoUsd: number): string {
  return `${usdOf(nanoUsd)
    .toFixed(9)
    .replace(/\.?0+$/, '')} USD`;
}

interface TierSeen {
  readonly status: StepStatus;
  readonly text: string;
  readonly tier: string | null;
}

/** Infers the tier from the limits in the response. */
export function tierStep({ limiters: seen, model }: Prompted, atMs: number): TierSeen {
  if (seen.length === 0) return { status: 'skipped', text: 'the response shows no rate limits', tier: null };
  const limits = seen.flatMap(({ dimension, limit }) =>
    limit === null ? [] : [{ modelClass: modelClass(model), dimension, limit }],
  );
  const { tier } = tierVerdict({ limits, atMs });
  const shown = limits
    .filter(({ dimension }) => dimension !== 'tokens')
    .map(({ dimension, limit }) => `${limit.toLocaleString('en-US')} ${dimension.replace('_', ' ')}`)
    .join(', ');
  return { status: 'ok', text: `${tier ?? 'not known'}, from the per-minute limits: ${shown}`, tier };
}

/** The header has whole seconds, and the network takes time too. */
const TOLERATED_MS = 2_000;

/** Compares this machine's clock with the API's. */
export function clockStep(skewMs: number): { readonly status: StepStatus; readonly text: string } {
  if (Math.abs(skewMs) <= TOLERATED_MS) return { status: 'ok', text: "agrees with the API's within 2 s" };
  const seconds = Math.trunc(Math.abs(skewMs) / 1_000);
  const which = skewMs > 0 ? 'behind' : 'ahead of';
  return {
    status: 'warned',
    text: `this machine is ${seconds} s ${which} the API: budget periods shift; set the clock`,
  };
}

/** The model names that a server lists; `null` if it lists none. */
type Models = readonly string[] | null;

const NO_LIST = {
  status: 'skipped',
  text: 'this server does not list models; the prompt step decides',
  models: null,
} as const;

/** Requests the list of models, which is free and needs a key. Without such a list, the prompt step decides. */
export async function credentialsStep(
  server: Api,
  model: string,
): Promise<{ readonly status: StepStatus; readonly text: string; readonly models: Models }> {
  const answer = await server.ask('/v1/models?limit=1000');
  if (answer.status === 404 || answer.status === 405) return NO_LIST;
  if (answer.status !== 200 || answer.body === null) throw server.failure(answer, model);
  const models = namesIn(answer.body);
  if (models === null) return NO_LIST;
  const organization = answer.headers.get('anthropic-organization-id');
  const whose = organization === null ? '' : `, organization ${/^[\w-]{1,64}$/.exec(organization)?.[0] ?? '?'}`;
  return { status: 'ok', text: `accepted${whose}`, models };
}

/** The model, and the list to look it up in. */
interface ModelQuestion {
  readonly model: string;
  readonly list: Models;
  readonly nowMs: number;
}

/** Requests the model by its name, so that aliases work too. */
export async function modelStep(
  server: Api,
  { model, list, nowMs }: ModelQuestion,
): Promise<{ readonly status: StepStatus; readonly text: string }> {
  if (list === null) return { status: 'skipped', text: model };
  const answer = await server.ask(`/v1/models/${encodeURIComponent(model)}`);
  if (answer.status === 404)
    throw new CheckFailure('404 not_found_error', modelUnknown(model, nearest(model, withShortNames(list))));
  if (answer.status !== 200) throw server.failure(answer, model);
  const info = objectOf(answer.body);
  const retiresOn = typeof info['retires_at'] === 'string' ? info['retires_at'].slice(0, 10) : null;
  if (info['lifecycle'] === 'retired' || (retiresOn !== null && Date.parse(retiresOn) <= nowMs)) {
    throw new CheckFailure(`retired${retiresOn === null ? '' : ` on ${retiresOn}`}`, {
      cause: 'model_retired',
      text: `${model} was retired${retiresOn === null ? '' : ` on ${retiresOn}`}: calls to it fail.`,
      next: 'Set ANTHROPIC_DEFAULT_MODEL to a newer model of its family; `plimsoll prices` lists the models.',
    });
  }
  const named = info['id'] === model || typeof info['id'] !== 'string' ? model : `${model} is ${info['id']}`;
  if (retiresOn === null) return { status: 'ok', text: named };
  return { status: 'warned', text: `${named}, which retires on ${retiresOn}` };
}

/** The list has only dated names, so the short names are added. */
function withShortNames(names: readonly string[]): readonly string[] {
  return [...names.map((name) => name.replace(/-\d{8}$/, '')), ...names];
}

function namesIn(body: unknown): Models {
  const { data } = objectOf(body);
  if (!Array.isArray(data)) return null;
  return data.map((model: unknown) => objectOf(model)['id']).filter((id) => typeof id === 'string');
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
