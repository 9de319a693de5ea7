import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { RATE_LIMIT_REASONS } from '../../src/vocabulary.ts';
import { ALERTS } from '../../testing/promtool.ts';

const folder = join(import.meta.dirname, '..', '..', 'docs', 'runbooks');

const HEADINGS = [
  'What it means',
  'First action',
  'What to look at',
  'Escalation',
  'When to silence it',
  'When it is over',
];

const sections = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.split('\n')[0] ?? '', section.split('\n').slice(1).join('\n').trim()]),
  );

test('every alert has a runbook, and every runbook an alert', () => {
  const runbooks = readdirSync(folder).map((file) => file.replace(/\.md$/, ''));
  assert.deepEqual(runbooks.sort(), ALERTS.map(({ alert }) => alert).sort());
});

test('a runbook says what it means, what to do first, what to look at, whom to call, and when it is over', () => {
  for (const { alert } of ALERTS) {
    const text = readFileSync(join(folder, `${alert}.md`), 'utf8');
    const found = sections(text);
    assert.ok(text.startsWith(`# ${alert}\n`), alert);
    assert.deepEqual([...found.keys()], HEADINGS, alert);
    for (const [heading, body] of found) assert.ok(body.length > 20, `${alert}: ${heading}`);
    assert.match(found.get('What to look at') ?? '', /```promql\n/, alert);
  }
});

test('no two runbooks give the same first action', () => {
  const actions = ALERTS.map(({ alert }) =>
    sections(readFileSync(join(folder, `${alert}.md`), 'utf8')).get('First action'),
  );
  assert.equal(new Set(actions).size, actions.length);
});

test('the runbook of 429s says what to do for every reason that its alert can have', () => {
  const [, others = ''] =
    /reason!~"([^"]+)"/.exec(ALERTS.find(({ alert }) => alert === 'PlimsollRateLimited')?.expr ?? '') ?? [];
  const reasons = RATE_LIMIT_REASONS.filter((reason) => !others.split('|').includes(reason));
  assert.ok(reasons.length > 4 && reasons.length < RATE_LIMIT_REASONS.length);
  const action = sections(readFileSync(join(folder, 'PlimsollRateLimited.md'), 'utf8')).get('First action') ?? '';
  assert.deepEqual(
    reasons.filter((reason) => !action.includes(`- \`${reason}\`: `)),
    [],
  );
});
