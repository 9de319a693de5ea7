import { costOn, type Pricing } from '../pricing/cost.ts';
import type { CommandIo } from './command.ts';
import { type Explanation, explanation, type PartExplanation, type ToolLine } from './price-explanation.ts';
import { usagesIn, type FoundUsage } from './usage-input.ts';

const NOT_FOUND = [
  'Expected on standard input a Messages response, its usage object, its event',
  'stream or the results of a batch, got something else.',
];

/** What `explain` is asked for. */
export interface Asked {
  readonly pricing: Pricing;
  readonly json: boolean;
  /** Another model, to say what the same tokens would have cost on it. */
  readonly on: string | null;
}

/**
 * Prices the usages on standard input line by line. Comes back with 0 where all of it has a price, 1 where not or
 * where there is no usage to be found.
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
  if (!priced) io.err('Something has no price: the total leaves it out.');
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
  const share = paidNanoUsd === 0 ? '' : `, ${((100 * totalNanoUsd) / paidNanoUsd).toFixed(0)} % of it`;
  return [
    `on ${shortened(model)}: ${usd(totalNanoUsd)} USD${share}`,
    'The same number of tokens, not the same text: models since Opus 4.7, and Haiku',
    '5.5, make about 30 % more tokens of a text than those before.',
  ];
}

async function textOf(stdin: CommandIo['stdin']): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of stdin) text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

/** Nano-dollars as dollars, to the last digit. */
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

/** A name from a response may be of any length. */
function shortened(name: string): string {
  return name.length <= 76 ? name : `${name.slice(0, 75)}…`;
}

function grandTotal(explained: readonly Explanation[], totalNanoUsd: number): readonly string[] {
  return explained.length === 1 ? [] : [columns(`all ${explained.length} usages`, ['', '', usd(totalNanoUsd)])];
}
