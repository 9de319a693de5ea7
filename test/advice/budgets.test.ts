import assert from 'node:assert/strict';
import { test } from 'node:test';
import { budgetItems } from '../../src/advice/budgets.ts';
import { samplesIn } from '../../src/advice/samples.ts';

/** A budget of $10 that is spent, in one of the modes. */
function adviceOn(mode: string | null, ...more: readonly string[]) {
  const lines = [
    'anthropic_budget_limit_usd{budget="all",period="day",scope="all"} 10',
    'anthropic_budget_spent_usd{budget="all",period="day",scope="all"} 11',
    ...(mode === null ? [] : [`anthropic_budget_info{budget="all",mode="${mode}"} 1`]),
    ...more,
  ];
  return budgetItems(samplesIn(`${lines.join('\n')}\n`) ?? []);
}

test('advice on a spent budget says why no call was refused', () => {
  const said: Readonly<Record<string, RegExp>> = {
    warn: /It warns, and refuses no call: set its mode to block if it should\.$/,
    observe: /It measures, and refuses no call\.$/,
    block: /No calls were refused\.$/,
  };
  for (const [mode, sentence] of Object.entries(said)) {
    const [item] = adviceOn(mode);
    assert.equal(item?.severity, 'critical');
    assert.match(item.text, sentence);
    assert.equal(item.evidence['mode'], mode);
  }
  assert.match(adviceOn(null)[0]?.text ?? '', /No calls were refused\.$/);
});

test('calls that were refused are counted, whatever the mode', () => {
  const refused = 'anthropic_budget_blocked_in_period{budget="all",period="month",scope="all"} 3';
  assert.match(adviceOn('block', refused)[0]?.text ?? '', /3 calls were refused\.$/);
});
