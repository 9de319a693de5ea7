import { count, percent, usd, usdOf } from '../figures.ts';
import { TOKEN_KINDS, type Tokens } from '../vocabulary.ts';
import type { Models } from './models.ts';
import type { CeilingDecision } from './routes.ts';

/** The calls of a route on one model, summed up, without their content. */
export interface RouteUsage {
  /** Empty for calls without a route. */
  readonly route: string;
  readonly model: string;
  readonly calls: number;
  readonly tokens: Tokens;
  /** The part of `tokens` that is the prompt: input, cache reads and cache writes. */
  readonly promptTokens: number;
  /** Responses by stop reason. */
  readonly stopReasons: Readonly<Record<string, number>>;
}

/** Calls of a route whose `max_tokens` a ceiling filled in, clamped, rejected or warned about, by decision. */
export interface RouteDecisions {
  readonly route: string;
  readonly decisions: Readonly<Partial<Record<CeilingDecision, number>>>;
}

export interface RouteAdviceBasis {
  readonly usages: readonly RouteUsage[];
  readonly decisions: readonly RouteDecisions[];
  /** The models that the service already uses. */
  readonly models: Models;
  /** The cost of tokens on a model in whole nano-dollars; `null` if no price is known. */
  readonly priceOn: (tokens: Tokens, model: string) => number | null;
}

/**
 * `model_too_dear`: short and simple calls on an expensive model. `answers_cut`: responses that end at `max_tokens`.
 * `above_ceiling`: calls that ask for more tokens than their route allows.
 */
type RouteAdviceKind = 'model_too_dear' | 'answers_cut' | 'above_ceiling';

interface RouteAdvice {
  readonly kind: RouteAdviceKind;
  readonly severity: 'warning' | 'info';
  /** One or two plain sentences. */
  readonly text: string;
  /** The figures behind the advice. Money in USD. */
  readonly evidence: Readonly<Record<string, string | number>>;
}

/** With fewer calls, the shares below are chance. */
const FEWEST_CALLS = 50;

/** The prompt of a short call: a question and a paragraph, with instructions. */
const SHORT_PROMPT_TOKENS = 2_000;

const SHORT_ANSWER_TOKENS = 300;

/** On a simple route, at least this share of responses ends by itself, without a tool. */
const SIMPLE_SHARE = 0.95;

/** A cheaper model that saves less is not worth a trial. */
const LEAST_SAVED = 0.3;

const CUT_SHARE = 0.05;

const ABOVE_SHARE = 0.05;

/**
 * Names the routes whose calls look too simple for their model, whose responses are cut off, or that ask for more
 * tokens than they may: most money first, then most calls. It judges only by size and price; whether the cheaper model
 * answers well enough, only a trial shows.
 */
export function routeAdvice(basis: RouteAdviceBasis): readonly RouteAdvice[] {
  const dear = basis.usages.flatMap((usage) => tooDear(usage, basis));
  const cut = basis.usages.flatMap(answersCut);
  const above = basis.decisions.flatMap((one) => aboveCeiling(one, basis));
  const by = (figure: string) => (one: RouteAdvice, other: RouteAdvice) =>
    Number(other.evidence[figure]) - Number(one.evidence[figure]);
  return [...dear.toSorted(by('savedUsd')), ...cut.toSorted(by('calls')), ...above.toSorted(by('calls'))];
}

function tooDear(usage: RouteUsage, { models, priceOn }: RouteAdviceBasis): readonly RouteAdvice[] {
  const { route, model, calls, tokens, promptTokens } = usage;
  const now = priceOn(tokens, model);
  if (now === null || !isShort(usage) || !isSimple(usage)) return [];
  const others: readonly string[] = [...new Set([models.default, models.reasoning, models.critical])].filter(
    (other) => other !== model,
  );
  const cheapest = others
    .flatMap((other) => {
      const nanoUsd = priceOn(scaled(tokens, tokenFactor(model, other)), other);
      return nanoUsd === null ? [] : [{ other, nanoUsd }];
    })
    .toSorted((one, other) => one.nanoUsd - other.nanoUsd)[0];
  if (cheapest === undefined || cheapest.nanoUsd > now * (1 - LEAST_SAVED)) return [];
  const [prompt, answer] = [Math.round(promptTokens / calls), Math.round(answerTokens(tokens) / calls)];
  const [spentUsd, insteadUsd] = [usdOf(now), usdOf(cheapest.nanoUsd)];
  const factor = tokenFactor(model, cheapest.other);
  const text =
    `${named(route)}: ${count(calls)} calls of ${count(prompt)} tokens in and ${count(answer)} out, without tools, on ` +
    `${model} cost ${usd(spentUsd)}; ${cheapest.other} would have cost about ${usd(insteadUsd)}` +
    `${factor === 1 ? '' : ', although it produces more tokens from the same text'}. Try it on these calls.`;
  const evidence = {
    route,
    model,
    calls,
    promptTokensPerCall: prompt,
    answerTokensPerCall: answer,
    costUsd: spentUsd,
    cheaperModel: cheapest.other,
    cheaperUsd: insteadUsd,
    savedUsd: spentUsd - insteadUsd,
    tokenFactor: factor,
  };
  return [{ kind: 'model_too_dear', severity: 'warning', text, evidence }];
}

function isShort({ calls, tokens, promptTokens }: RouteUsage): boolean {
  return (
    calls >= FEWEST_CALLS &&
    promptTokens <= SHORT_PROMPT_TOKENS * calls &&
    answerTokens(tokens) <= SHORT_ANSWER_TOKENS * calls
  );
}

function isSimple({ stopReasons }: RouteUsage): boolean {
  const { end_turn = 0, stop_sequence = 0 } = stopReasons;
  const answers = sum(stopReasons);
  return answers >= FEWEST_CALLS && end_turn + stop_sequence >= SIMPLE_SHARE * answers;
}

function answersCut({ route, model, stopReasons }: RouteUsage): readonly RouteAdvice[] {
  const answers = sum(stopReasons);
  const { max_tokens: cut = 0 } = stopReasons;
  if (answers < FEWEST_CALLS || cut < CUT_SHARE * answers) return [];
  const share = cut / answers;
  const text =
    `${named(route)}: ${percent(share)} of ${count(answers)} responses of ${model} are cut off at max_tokens. ` +
    "Ask for shorter responses, or raise the route's maxTokens.";
  return [{ kind: 'answers_cut', severity: 'warning', text, evidence: { route, model, calls: answers, cut, share } }];
}

function aboveCeiling({ route, decisions }: RouteDecisions, { usages }: RouteAdviceBasis): readonly RouteAdvice[] {
  const { warned = 0, clamped = 0, rejected = 0 } = decisions;
  const above = warned + clamped + rejected;
  const finished = usages.filter((usage) => usage.route === route).reduce((calls, usage) => calls + usage.calls, 0);
  // Rejected calls have no usage.
  const calls = Math.max(finished, warned + clamped) + rejected;
  if (calls < FEWEST_CALLS || above < ABOVE_SHARE * calls) return [];
  const share = above / calls;
  const outcome = rejected > 0 ? 'and are rejected' : clamped > 0 ? 'and are clamped' : 'and are only counted';
  const text =
    `${named(route)}: ${percent(share)} of ${count(calls)} calls ask for more max_tokens than the route allows, ${outcome}. ` +
    (warned > 0
      ? "Take the max_tokens of route(), or set ceilings: 'clamp'."
      : "Use the max_tokens of route(), or raise the route's maxTokens.");
  return [{ kind: 'above_ceiling', severity: 'info', text, evidence: { route, calls, above, share } }];
}

function answerTokens({ output, output_estimated }: Tokens): number {
  return output + output_estimated;
}

function scaled(tokens: Tokens, factor: number): Tokens {
  return Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, Math.round(tokens[kind] * factor)])) as Tokens;
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, number) => total + number, 0);
}

function named(route: string): string {
  return route === '' ? 'Calls without a route' : `Route ${route}`;
}

/**
 * The first version with the newer tokenizer, which produces more tokens from a text. Source: the API's model pages,
 * August 2026 ("4.7 and later"), and Haiku 5.5's own, October 2026.
 */
const FIRST_NEW = { major: 4, minor: 7 };

/** About 30% more, according to the same pages. */
const MORE_TOKENS = 1.3;

/**
 * Returns the factor by which the tokens of a text grow on another model, at most: 1.3 if only that model has the newer
 * tokenizer, else 1. A model whose id does not tell its version counts as new.
 */
export function tokenFactor(from: string, to: string): number {
  return !hasNewTokenizer(from) && hasNewTokenizer(to) ? MORE_TOKENS : 1;
}

function hasNewTokenizer(model: string): boolean {
  if (/^claude-\d/.test(model)) return false;
  const [, major, minor = '0'] = /^claude-[a-z]+-(\d+)(?:-(\d{1,2}))?(?:-\d{8})?$/.exec(model) ?? [];
  if (major === undefined || Number(major) > FIRST_NEW.major) return true;
  return Number(major) === FIRST_NEW.major && Number(minor) >= FIRST_NEW.minor;
}
