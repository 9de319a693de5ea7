/**
 * The picture of docs/gateway.md: the live page of two replicas after a minute of a team's work, with what each owner cost.
 * Needs `redis-server`, `caddy` and Chromium. In the repository it has 256 colors (`pngquant`).
 *
 *     node --conditions=plimsoll-source scripts/team-day/picture.ts FILE
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { tool } from '../../testing/tools.ts';
import { live } from './day.ts';

const [file = 'gateway.png'] = process.argv.slice(2);
const WATCHED_MS = 60_000;
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');

const closers: (() => Promise<void> | void)[] = [];
try {
  const shape = { owners: 12, pauseMs: WATCHED_MS, redisAwayMs: 0, events: [], onEvent: () => undefined, watch };
  const { worked } = await live({ after: (close) => void closers.unshift(close) }, shape);
  console.log(`${file}: ${worked.tasks} tasks, ${worked.lost.length} lost`);
} finally {
  for (const close of closers) await close();
}

async function watch(metricsUrls: readonly string[]): Promise<void> {
  const options = ['console', '--port', '0', '--name', 'gateway', ...metricsUrls];
  const page = spawn(process.execPath, ['--conditions=plimsoll-source', MAIN, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(page, 'exit');
  const browser = await chromium.launch({ executablePath: tool('chromium').path, args: ['--no-sandbox'] });
  try {
    const [line] = (await once(createInterface(page.stdout), 'line')) as [string];
    const tab = await browser.newPage({ viewport: { width: 1_440, height: 900 }, colorScheme: 'light' });
    await tab.goto(`${/http:\S+\//.exec(line)?.[0] ?? ''}#range=60&by=owner`);
    await tab.waitForTimeout(WATCHED_MS);
    await tab.screenshot({ path: file, fullPage: true });
  } finally {
    await browser.close();
    page.kill('SIGINT');
    await ended;
  }
}
