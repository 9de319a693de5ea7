import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ALERTS } from './promtool.ts';

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
