import { EventStreamScanner } from '../observe/event-stream.ts';
import { estimatedOutputOf, estimatedOutputTokens, withEstimatedOutput } from '../observe/estimate.ts';
import { answeredBy, isJson, mergedUsage, servedModel, usage, type Json } from '../observe/usage.ts';
import { cardName, charge, cost, costOn, modeOf, promptTokens, ratesFor } from '../pricing/cost.ts';
import type { Mode, Pricing } from '../pricing/cost.ts';
import type { Price } from '../pricing/prices.ts';
import { approximately, usdPerMillion, type Rate } from '../pricing/rate.ts';
import type { CostDoubt } from '../answers.ts';
import { TOKEN_KINDS, type TokenKind, type Usage, type UsagePart } from '../vocabulary.ts';
import { printable, type CommandIo } from './command.ts';

const NOT_FOUND = [
  'Expected on standard input a Messages response, its usage object, its event',
  'stream, or the results of a batch; got something else.',
];

/** The options of `explain`. */
interface Asked {
  readonly pricing: Pricing;
  readonly json: boolean;
  /** Another model, to show what the same tokens would have cost on it. */
  readonly on: string | null;
}

/**
 * Prices the usages on standard input line by line. Returns 0 if all of it has a price, 1 if some has none or if there
 * is no usage.
 */
export async function explain({ pricing, json, on }: Asked, io: CommandIo): Promise<number> {
  const found = usagesIn(await textOf(io.stdin));
  if (found === null) {
    NOT_FOUND.forEach((line) => io.err(line));
    return 1;
  }
  const explained = found.map((usage) => explanation(usage, pricing));
  const totalNanoUsd = explained.reduce((sum, one) => sum + one.totalNanoUsd, 0);
  const priced = explained.every((one) => one.priced);
  const elsewhere = on === null ? null : wouldHaveCost(found, on, pricing);
  if (json) {
    io.out(JSON.stringify({ usages: explained, totalNanoUsd, priced, ...(elsewhere && { on: elsewhere }) }, null, 2));
  } else {
    const all = [...explained.flatMap(lines), ...grandTotal(explained, totalNanoUsd)];
    [...all, ...(elsewhere === null ? [] : elsewhereLines(elsewhere, totalNanoUsd))].forEach((line) => io.out(line));
  }
  if (!priced) io.err('Some usage has no price: the total does not include it.');
  return priced ? 0 : 1;
}

/** The same tokens on another model. */
interface Elsewhere {
  readonly model: string;
  readonly totalNanoUsd: number;
  readonly priced: boolean;
}

function wouldHaveCost(found: readonly FoundUsage[], model: string, pricing: Pricing): Elsewhere {
  const costs = found.map(({ usage, batch }) =>
    costOn(usage, model, { ...pricing, batch: batch || pricing.batch === true }),
  );
  return {
    model,
    totalNanoUsd: costs.reduce((sum, one) => sum + one.totalNanoUsd, 0),
    priced: costs.every((one) => one.priced),
  };
}

function elsewhereLines({ model, totalNanoUsd, priced }: Elsewhere, paidNanoUsd: number): readonly string[] {
  if (!priced) return [`on ${shortened(model)}: unpriced`];
  const share = paidNanoUsd === 0 ? '' : `, ${((100 * totalNanoUsd) / paidNanoUsd).toFixed(0)}% of that`;
  return [
    `on ${shortened(model)}: ${usd(totalNanoUsd)} USD${share}`,
    'This compares the same number of tokens, not the same text: models since Opus',
    '4.7, and Haiku 5.5, produce about 30% more tokens from a text than older models.',
  ];
}

async function textOf(stdin: CommandIo['stdin']): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of stdin) text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

/** Shows nano-dollars as dollars, exactly. */
function usd(nanoUsd: number): string {
  const digits = String(nanoUsd).padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

function columns(name: string, amounts: readonly [string, string, string]): string {
  const [count, price, sum] = amounts;
  return (name.padEnd(20) + count.padStart(16) + price.padStart(20) + sum.padStart(20)).trimEnd();
}

function lines({ parts, serverTools, notes, totalNanoUsd }: Explanation): readonly string[] {
  return [
    ...parts.flatMap(partLines),
    ...(serverTools.length > 0 ? [columns('server tool', ['uses', 'USD per 1,000', 'USD'])] : []),
    ...serverTools.map(toolLine),
    columns('total', ['', '', usd(totalNanoUsd)]),
    ...notes,
    '',
  ];
}

function partLines({ model, how, effectiveFrom, verified, lines }: PartExplanation): readonly string[] {
  const since = effectiveFrom === null ? '' : `, price of ${effectiveFrom}`;
  const figures = verified === null ? '' : `, figures ${verified.toLowerCase()}`;
  return [
    shortened(model ?? 'no model') + since + figures,
    `  ${shortened(how)}`,
    ...(lines.length > 0 ? [columns('kind', ['tokens', 'USD per million', 'USD'])] : []),
    ...lines.map(({ kind, tokens, usdPerMillionTokens, nanoUsd }) =>
      columns(kind, [String(tokens), String(usdPerMillionTokens), usd(nanoUsd)]),
    ),
  ];
}

function toolLine({ tool, uses, usdPerThousandUses, nanoUsd }: ToolLine): string {
  const price = usdPerThousandUses === null ? 'unpriced' : String(usdPerThousandUses);
  return columns(shortened(tool).slice(0, 19), [String(uses), price, nanoUsd === null ? '' : usd(nanoUsd)]);
}

/** A name in a response may have any length. */
function shortened(name: string): string {
  const shown = printable(name);
  return shown.length <= 76 ? shown : `${shown.slice(0, 75)}…`;
}

function grandTotal(explained: readonly Explanation[], totalNanoUsd: number): readonly string[] {
  return explained.length === 1 ? [] : [columns(`all ${explained.length} usages`, ['', '', usd(totalNanoUsd)])];
}

/** One kind of tokens of a part, with all multipliers in its price. */
interface KindLine {
  readonly kind: TokenKind;
  readonly tokens: number;
  readonly usdPerMillionTokens: number;
  readonly nanoUsd: number;
}

/** One part of a usage with its price. `how` names the rate and its multipliers, or says why there is no price. */
interface PartExplanation {
  readonly model: string | null;
  readonly priced: boolean;
  readonly how: string;
  readonly effectiveFrom: string | null;
  readonly verified: string | null;
  readonly source: string | null;
  readonly lines: readonly KindLine[];
}

/** The charge for a server tool; the amounts are `null` if no price is known. */
interface ToolLine {
  readonly tool: string;
  readonly uses: number;
  readonly usdPerThousandUses: number | null;
  readonly nanoUsd: number | null;
}

/** A usage priced line by line. The lines add up to the total. */
interface Explanation {
  readonly parts: readonly PartExplanation[];
  readonly serverTools: readonly ToolLine[];
  readonly notes: readonly string[];
  readonly totalNanoUsd: number;
  readonly priced: boolean;
}

/** Prices the usage and explains each line. */
function explanation(found: FoundUsage, pricing: Pricing): Explanation {
  const { usage } = found;
  const batch = found.batch || pricing.batch === true;
  const explained = cost(usage, { ...pricing, batch, model: found.model ?? pricing.model ?? null });
  const { parts, totalNanoUsd, priced } = explained;
  const mode = modeOf(usage, { ...pricing, batch });
  return {
    parts: usage.parts.map((part, index) => {
      const model = parts[index]?.model ?? null;
      const price = model === null ? null : pricing.prices.priceAt(model, pricing.atMs);
      const isFree = parts[index]?.refusalBilling === 'free';
      const isNewer = model !== null && pricing.prices.isNewer(model);
      return partExplanation({ part, usage, model, price, mode, isFree, isNewer });
    }),
    serverTools: toolLines(usage, pricing),
    notes: [...notes(found), ...explained.doubts.map((doubt) => NOTE_OF_DOUBT[doubt])],
    totalNanoUsd,
    priced,
  };
}

interface Priceable {
  readonly part: UsagePart;
  readonly usage: Usage;
  readonly model: string | null;
  readonly price: Price | null;
  readonly mode: Mode | null;
  /** A refusal before any output that is not billed. */
  readonly isFree: boolean;
  /** The model is newer than the price table. */
  readonly isNewer: boolean;
}

function partExplanation(priceable: Priceable): PartExplanation {
  const { part, usage, model, price, mode, isFree } = priceable;
  const rates = price && mode && !usage.malformed ? ratesFor(price, part, mode) : null;
  const listed = price?.listed ?? { effectiveFrom: null, verified: null, source: null };
  const used = TOKEN_KINDS.filter((kind) => part.tokens[kind] !== 0);
  return {
    model,
    priced: rates !== null,
    how: price && mode && rates ? (isFree ? free(part) : how(price, part, mode)) : whyNot(priceable),
    effectiveFrom: listed.effectiveFrom,
    verified: listed.verified,
    source: listed.source,
    lines: rates === null || isFree ? [] : used.map((kind) => kindLine(kind, part.tokens[kind], rates[kind])),
  };
}

function kindLine(kind: TokenKind, tokens: number, rate: Rate): KindLine {
  return { kind, tokens, usdPerMillionTokens: usdPerMillion(rate), nanoUsd: charge(tokens, rate) };
}

function free({ refusal }: UsagePart): string {
  return `free: refused before any output, category ${refusal?.category ?? 'none'}`;
}

function how(price: Price, part: UsagePart, { batch, geo }: Mode): string {
  const name = cardName(price, part) ?? '';
  const listed = price.listed;
  const geoMultiplier = geo === null ? undefined : listed.geoMultipliers.get(geo);
  return [
    `${name} rate`,
    ...(name === 'long_context' ? [`prompt of ${promptTokens(part.tokens)} tokens`] : []),
    ...(batch && listed.batchMultiplier ? [`batch x ${approximately(listed.batchMultiplier)}`] : []),
    ...(geoMultiplier ? [`${geo} x ${approximately(geoMultiplier)}`] : []),
  ].join(', ');
}

function whyNot({ part, usage, model, price, mode, isNewer }: Priceable): string {
  if (usage.malformed) return 'unpriced: the usage has numbers that are not valid counts';
  if (model === null) return 'unpriced: the usage names no model; pass --model';
  if (price === null) {
    return isNewer
      ? 'unpriced: newer than the price table, update plimsoll'
      : 'unpriced: no price is known for that day';
  }
  if (mode === null) return `unpriced: the service tier ${usage.serviceTier} is not known`;
  return `unpriced: not sold at speed ${part.speed ?? 'standard'}${mode.batch ? ' in a batch' : ''}`;
}

function toolLines({ serverToolUses }: Usage, { prices, atMs }: Pricing): readonly ToolLine[] {
  return Object.entries(serverToolUses).map(([tool, uses]) => {
    const price = prices.toolPriceAt(tool, atMs);
    if (price === null) return { tool, uses, usdPerThousandUses: null, nanoUsd: null };
    // Nano-dollars per use are millionths of dollars per thousand uses.
    return { tool, uses, usdPerThousandUses: approximately(price.perUse) / 1e6, nanoUsd: charge(uses, price.perUse) };
  });
}

function notes({ usage, cut }: FoundUsage): readonly string[] {
  return [
    ...(cut ? ['The usage has no final output tokens: the output is estimated.'] : []),
    ...(usage.thinkingTokens > 0 ? [`${usage.thinkingTokens} of the output tokens were thinking.`] : []),
  ];
}

const NOTE_OF_DOUBT: Readonly<Record<CostDoubt, string>> = {
  refusal: 'Unsure: nobody says whether such a refusal is billed. Priced as billed.',
  prompt_band: 'Unsure: the prompt may be that of several steps, each shorter and cheaper.',
  cache_split: 'Unsure: the 5 m / 1 h split does not add up. The rest counts as 5 m.',
  endpoint: 'Unsure: the endpoint may be a global one, which costs less. Priced as a regional one.',
};

/** A usage found in a text, with its context. */
interface FoundUsage {
  /** `null` for a usage object that stands alone. */
  readonly model: string | null;
  readonly usage: Usage;
  /** It belongs to a result of a message batch. */
  readonly batch: boolean;
  /** The stream ended before the server reported its output, so the output is estimated. */
  readonly cut: boolean;
}

/**
 * Finds the usages in a Messages response, a usage object, a Messages event stream, or the results of a batch (one JSON
 * object per line; failed results have no usage). `null` if the text is none of these.
 */
export function usagesIn(text: string): readonly FoundUsage[] | null {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  if (/^(?:event|data|:)/.test(trimmed)) return inEventStream(trimmed);
  const whole = parsed(trimmed);
  if (whole !== null) return inObject(whole);
  const found = trimmed.split('\n').map((line) => {
    const object = parsed(line);
    return object && inObject(object);
  });
  return found.includes(null) ? null : found.flatMap((usages) => usages ?? []);
}

function parsed(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : null;
  } catch {
    return null; // said to the user by the caller
  }
}

function inObject(object: Json): readonly FoundUsage[] | null {
  const result = object['result'];
  if (isJson(result) && typeof result['type'] === 'string') {
    return isJson(result['message']) ? ofMessage(result['message'], true) : [];
  }
  return ofMessage(object, false);
}

function ofMessage(message: Json, batch: boolean): readonly FoundUsage[] | null {
  const raw = isJson(message['usage']) ? message['usage'] : message;
  if (typeof raw['input_tokens'] !== 'number' && typeof raw['output_tokens'] !== 'number') return null;
  const answered = answeredBy(message);
  const reported = usage(raw, answered);
  const cut = !reported.stepsListed && typeof raw['output_tokens'] !== 'number';
  const used = cut ? withEstimatedOutput(reported, estimatedOutputOf(message['content'])) : reported;
  return [{ model: answered.model, usage: used, batch, cut }];
}

function inEventStream(text: string): readonly FoundUsage[] | null {
  const scanner = new EventStreamScanner();
  scanner.feed(Buffer.from(`${text}\n\n`));
  const raw = mergedUsage(scanner.startUsage, scanner.deltaUsage);
  if (raw === null) return null;
  const cut = !scanner.isOutputReported;
  const reported = usage(raw, scanner);
  return [
    {
      model: servedModel(raw, scanner),
      usage: cut
        ? withEstimatedOutput(reported, estimatedOutputTokens(scanner.contentBytes, scanner.toolUses), scanner)
        : reported,
      batch: false,
      cut,
    },
  ];
}
