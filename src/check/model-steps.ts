import { nearest } from '../environment/nearest.ts';
import type { Api } from './api.ts';
import { modelUnknown } from './refusal-diagnosis.ts';
import { CheckFailure, type StepStatus } from './report.ts';

/** The names of models that a server gave; `null` where it does not list any. */
type Models = readonly string[] | null;

const NO_LIST = { status: 'skipped', text: 'no list of models here: the prompt will tell', models: null } as const;

/** Asks for the list of models, which costs nothing and needs a key. A server without a list leaves it to the prompt. */
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

/** What the model is looked up in. */
export interface ModelQuestion {
  readonly model: string;
  readonly list: Models;
  readonly nowMs: number;
}

/** Asks for the model by its name, so that an alias is found too. */
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
      text: `${model} is retired${retiresOn === null ? '' : ` since ${retiresOn}`}: calls to it fail.`,
      next: 'Set ANTHROPIC_DEFAULT_MODEL to a newer model of its family; `plimsoll prices` lists them.',
    });
  }
  const named = info['id'] === model || typeof info['id'] !== 'string' ? model : `${model} is ${info['id']}`;
  if (retiresOn === null) return { status: 'ok', text: named };
  return { status: 'warned', text: `${named}, which retires on ${retiresOn}` };
}

/** The list has the dated names only; the short ones are taken too. */
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
