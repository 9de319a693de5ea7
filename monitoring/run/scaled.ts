import type { RuleGroup } from '../../src/rules/rule.ts';

/** How much more than other times the hold of an alert is shortened: that it holds half an hour is for promtool to show. */
const HOLD = 6;

/**
 * The same rules on a clock that goes so many times as fast: windows, offsets, waits and intervals are divided, holds
 * (`keep_firing_for`) six times more, and nothing else. Names of recorded series stay.
 */
export function scaledGroups(groups: readonly RuleGroup[], factor: number): readonly RuleGroup[] {
  return groups.map(({ name, rules }) => ({
    name,
    interval: '1s',
    rules: rules.map((rule) => ({
      ...rule,
      expr: scaledQuery(rule.expr, factor),
      ...('for' in rule ? { for: scaled(rule.for, factor) } : {}),
      ...('keep_firing_for' in rule && { keep_firing_for: scaled(rule.keep_firing_for, factor * HOLD) }),
    })),
  }));
}

function scaledQuery(query: string, factor: number): string {
  return query
    .replaceAll(/\[(\d+[smhdw])\]/g, (_, window: string) => `[${scaled(window, factor)}]`)
    .replaceAll(/offset (\d+[smhdw])/g, (_, window: string) => `offset ${scaled(window, factor)}`);
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** In whole milliseconds. */
export function scaled(duration: string, factor: number): string {
  const [, amount = '0', unit = 's'] = /^(\d+)([smhdw])$/.exec(duration) ?? [];
  return `${Math.round((Number(amount) * (SECONDS[unit] ?? 1) * 1_000) / factor)}ms`;
}
