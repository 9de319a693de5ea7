/**
 * `npm run preview:demo -- FOLDER`: the picture of the demo's page in README. Runs the demo for four minutes, so that two
 * bursts are in its figures, and takes the page with the Chromium of this machine.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { tool } from '../testing/tools.ts';

const SHOWN_AFTER_MS = 4 * 60_000;
const WIDTH = 1_440;
const root = join(import.meta.dirname, '..');
const folder = process.argv[2] ?? join(tmpdir(), 'plimsoll-preview');

const demo = spawn(process.execPath, ['--conditions=plimsoll-source', join(root, 'demo', 'main.ts'), '--port', '0'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const ended = once(demo, 'exit');
try {
  const url = await consoleOf(createInterface(demo.stdout));
  console.log(`The demo runs at ${url}; its picture is taken in ${SHOWN_AFTER_MS / 60_000} minutes.`);
  await sleep(SHOWN_AFTER_MS);
  const path = join(folder, 'demo.png');
  mkdirSync(folder, { recursive: true });
  await photograph(url, path);
  console.log(path);
} finally {
  demo.kill('SIGINT');
  await ended;
}

/** Reads the address of the page from the greeting. Rejects if the demo ends before it says one. */
async function consoleOf(lines: AsyncIterable<string>): Promise<string> {
  for await (const line of lines) {
    const [, url] = /^ *console +(\S+)$/.exec(line) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error('The demo ended before its page was there.');
}

async function photograph(url: string, path: string): Promise<void> {
  const browser = await chromium.launch({ executablePath: tool('chromium').path, args: ['--no-sandbox'] });
  try {
    const tab = await browser.newPage({ viewport: { width: WIDTH, height: 900 } });
    await tab.goto(url);
    await tab.getByRole('heading', { name: 'Last problems' }).waitFor();
    await tab.locator('#problems li time').first().waitFor();
    await tab.screenshot({ path, fullPage: true });
  } finally {
    await browser.close();
  }
}
