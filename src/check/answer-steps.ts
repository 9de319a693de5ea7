import type { Clock } from '../clock.ts';
import type { Configuration } from '../environment/environment.ts';
import { limiters } from '../observe/limiters.ts';
import { isJson, usage } from '../observe/usage.ts';
import { cost } from '../pricing/cost.ts';
import { modelClass } from '../tier/model-class.ts';
import { tierVerdict } from '../tier/tier-verdict.ts';
import type { Limiter } from '../vocabulary.ts';
import type { Api } from './api.ts';
import type { StepStatus } from './report.ts';

/** As short as an answer can be asked for, and still be one. */
const PROMPT = { max_tokens: 8, messages: [{ role: 'user', content: 'Reply with: ok' }] };

/** What the prompt is sent with. */
export interface PromptQuestion {
  readonly model: string;
  readonly configuration: Pick<Configuration, 'prices'>;
  readonly clock: Clock;
}

/** What the answer to the prompt showed. */
export interface Prompted {
  readonly text: string;
  readonly costNanoUsd: number | null;
  readonly limiters: readonly Limiter[];
  /** Canonical, of the one that answered. */
  readonly model: string;
}

/** Sends the smallest prompt, and prices the answer. */
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
    limiters: limiters(answer.headers),
    model: prices.canonicalModel(answered),
  };
}

/** Nano-dollars to the last digit, without zeros behind it. */
export function usd(nanoUsd: number): string {
  return `${(nanoUsd / 1e9).toFixed(9).replace(/\.?0+$/, '')} USD`;
}

interface TierSeen {
  readonly status: StepStatus;
  readonly text: string;
  readonly tier: string | null;
}

/** The tier that the limits of the answer imply. */
export function tierStep({ limiters: seen, model }: Prompted, atMs: number): TierSeen {
  if (seen.length === 0) return { status: 'skipped', text: 'the answer shows no rate limits', tier: null };
  const limits = seen.flatMap(({ dimension, limit }) =>
    limit === null ? [] : [{ modelClass: modelClass(model), dimension, limit }],
  );
  const { tier } = tierVerdict({ limits, atMs });
  const shown = limits
    .filter(({ dimension }) => dimension !== 'tokens')
    .map(({ dimension, limit }) => `${limit.toLocaleString('en-US')} ${dimension.replace('_', ' ')}`)
    .join(', ');
  return { status: 'ok', text: `${tier ?? 'not known'}, by the limits a minute: ${shown}`, tier };
}

/** The header counts whole seconds, and the way takes time too. */
const TOLERATED_MS = 2_000;

/** Whether this machine's clock is the API's. */
export function clockStep(skewMs: number): { readonly status: StepStatus; readonly text: string } {
  if (Math.abs(skewMs) <= TOLERATED_MS) return { status: 'ok', text: "agrees with the API's within 2 s" };
  const seconds = Math.trunc(Math.abs(skewMs) / 1_000);
  const which = skewMs > 0 ? 'behind' : 'ahead of';
  return {
    status: 'warned',
    text: `this machine is ${seconds} s ${which} the API: budgets' periods shift, set its clock`,
  };
}
