import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { GENERATED } from '../../scripts/generated.ts';

const root = join(import.meta.dirname, '..', '..');

/** Words that a person wrote and a person reads: no code, no output, no addresses, and no tables that a script writes. */
function words(page: string): number {
  const prose = readFileSync(join(root, page), 'utf8')
    .replace(/^```[^]*?^```/gm, '')
    .replace(/^<!-- (\S+): made by [^]*?^<!-- \/\1 -->/gm, '')
    .replace(/^ {4}.*$/gm, '')
    .replace(/\]\([^)]*\)/g, ']');
  return prose.split(/\s+/).filter((word) => /\w/.test(word)).length;
}

/** A page that a benchmark writes as a whole, and says so. */
function isWrittenByScript(page: string): boolean {
  return /^Written by `npm run [^`]+`: do not edit\./m.test(readFileSync(join(root, page), 'utf8'));
}

/** The manual without what is generated, and without the pages that are only read when an alert links to them. */
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'examples/README.md',
  ...globSync('docs/*.md', { cwd: root }),
].filter((page) => !GENERATED.some(({ path }) => path === page) && !isWrittenByScript(page));

/** No page that is added makes the manual longer without something else becoming shorter. */
const MOST_WORDS = 20_000;

test('the manual is no longer than somebody reads', () => {
  const counted = pages.map((page) => ({ page, count: words(page) })).toSorted((one, other) => other.count - one.count);
  const total = counted.reduce((sum, { count }) => sum + count, 0);
  const longest = counted.slice(0, 5).map(({ page, count }) => `${page} ${count}`);
  assert.ok(total <= MOST_WORDS, `${total} words; the longest are ${longest.join(', ')}`);
  assert.ok(total > 5_000, `${total} words are too few to be the manual`);
});

test('a runbook is read within two minutes', () => {
  for (const page of globSync('docs/runbooks/*.md', { cwd: root }))
    assert.ok(words(page) <= 500, `${page}: ${words(page)} words`);
});
