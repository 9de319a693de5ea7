/** The tasks that a route can be for. */
export const TASKS = ['conversation', 'simple', 'code', 'analysis'] as const;
/** What a route does, which decides the model that it gets. */
export type Task = (typeof TASKS)[number];

/** The three models of a service, cheapest first. */
export interface Models {
  readonly default: string;
  readonly reasoning: string;
  readonly critical: string;
}
type ModelRole = keyof Models;

/** The environment variable that names each model. */
export const MODEL_VARIABLES = {
  default: 'ANTHROPIC_DEFAULT_MODEL',
  reasoning: 'ANTHROPIC_REASONING_MODEL',
  critical: 'ANTHROPIC_CRITICAL_MODEL',
} as const satisfies Readonly<Record<ModelRole, string>>;

/** The models of a service whose environment sets none. */
export const DEFAULT_MODELS: Models = {
  default: 'claude-haiku-4-5',
  reasoning: 'claude-sonnet-5-5',
  critical: 'claude-opus-5-5',
};

/** Conversation and simple work go to the default model, code to the reasoning one, analysis to the critical one. */
export const ROLE_OF_TASK: Readonly<Record<Task, ModelRole>> = {
  conversation: 'default',
  simple: 'default',
  code: 'reasoning',
  analysis: 'critical',
};

/** Reads the models from the environment, unchecked and without surrounding blanks. */
export function models(env: Readonly<Record<string, string | undefined>>): Models {
  const named = (role: ModelRole): string => env[MODEL_VARIABLES[role]]?.trim() || DEFAULT_MODELS[role];
  return { default: named('default'), reasoning: named('reasoning'), critical: named('critical') };
}

export const MAX_TOKENS_VARIABLE = 'ANTHROPIC_MAX_TOKENS';
export const DEFAULT_MAX_TOKENS = 1_024;

/** Reads the default `max_tokens` from the environment; `null` if the value is not a count of tokens. */
export function maxTokens(env: Readonly<Record<string, string | undefined>>): number | null {
  const text = env[MAX_TOKENS_VARIABLE]?.trim() ?? '';
  if (text === '') return DEFAULT_MAX_TOKENS;
  return /^[1-9]\d{0,6}$/.test(text) ? Number(text) : null;
}
