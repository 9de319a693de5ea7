import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from './scraping.ts';

/** What Prometheus read of one target. */
export interface Scraped {
  readonly promtool: string;
  /** In order, at a steady pace. */
  readonly pages: readonly Page[];
  readonly scrapeSeconds: number;
  /** Of the target. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Rules that can be asked what comes of what was scraped. */
export interface RuleTest {
  readonly beginMs: number;
  readonly endMs: number;
  /** A time as promtool takes it, which begins with the test. */
  readonly since: (atMs: number) => string;
  /** What promtool prints of a test; nothing where all is as the test expects. */
  readonly tested: (expected: object) => Promise<string>;
}

/** The rules of `rules.yml` in the folder, over the pages of the options. */
export function ruleTest(folder: string, options: Scraped): RuleTest {
  const { pages, scrapeSeconds, promtool } = options;
  const [beginMs, endMs] = [pages[0]?.atMs ?? 0, pages.at(-1)?.atMs ?? 0];
  const file = join(folder, 'test.json');
  const given = { interval: `${scrapeSeconds}s`, input_series: series(options, beginMs, endMs) };
  return {
    beginMs,
    endMs,
    since: (atMs) => `${(atMs - beginMs) / 1_000}s`,
    tested(expected) {
      const tests = [{ ...given, ...expected }];
      writeFileSync(file, JSON.stringify({ rule_files: ['rules.yml'], evaluation_interval: '30s', tests }));
      return new Promise((resolve) => {
        execFile(promtool, ['test', 'rules', file], { maxBuffer: 1e9 }, (_, stdout, stderr) =>
          resolve(stdout + stderr),
        );
      });
    },
  };
}

/** What was scraped as promtool takes it: the values of each series, `_` where it was not there. */
function series({ pages, labels, scrapeSeconds }: Scraped, beginMs: number, endMs: number): readonly object[] {
  const index = (atMs: number): number => Math.round((atMs - beginMs) / (scrapeSeconds * 1_000));
  const count = index(endMs) + 1;
  const target = Object.entries(labels)
    .map(([name, value]) => `${name}="${value}"`)
    .join(',');
  const all = new Map([[`up{${target}}`, Array.from({ length: count }, () => '1')]]);
  for (const { atMs, text } of pages) {
    for (const [, name = '', own = '', value = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)) {
      const key = `${name}{${target}${own === '' ? '' : `,${own}`}}`;
      const values = all.get(key) ?? Array.from({ length: count }, () => '_');
      all.set(key, values);
      // The time of promtool begins with the test: a point in time is told from there.
      values[index(atMs)] = /_time(?:stamp)?_seconds$/.test(name) ? String(Number(value) - beginMs / 1_000) : value;
    }
  }
  return [...all].map(([key, values]) => ({ series: key, values: values.join(' ') }));
}

const UNITS_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000 };

/** Of a time as promtool writes it: `1h2m30s`. */
export function milliseconds(time: string): number {
  return [...time.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, amount, unit = '']) => sum + Number(amount) * (UNITS_MS[unit] ?? 0),
    0,
  );
}
