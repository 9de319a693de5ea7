/**
 * `npm run preview:demo -- FOLDER`: the pictures of the demo's page in README and, with its parts numbered, in the manual. Runs
 * the demo for four minutes, so that two bursts are in its figures, and takes the page with the Chromium of this machine. In
 * the repository they have 256 colors (`pngquant`).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type Page } from 'playwright-core';
import { tool } from '../testing/tools.ts';

interface Picture {
  readonly name: string;
  /** The whole page, with its parts numbered for the list in docs/console.md; else its top, down to the charts of calls. */
  readonly isNumbered: boolean;
}

/** In the order of the list in docs/console.md. */
const PARTS = [
  '#filters',
  'section[aria-labelledby=h-advice]',
  '#numbers',
  'section[aria-labelledby=h-calls]',
  'section[aria-labelledby=h-limits]',
  'section[aria-labelledby=h-budgets]',
  'section[aria-labelledby=h-tier]',
  'section[aria-labelledby=h-table]',
  'section[aria-labelledby=h-problems]',
];

const PICTURES: readonly Picture[] = [
  { name: 'demo.png', isNumbered: false },
  { name: 'console.png', isNumbered: true },
];
const AFTER_MS = 240_000;
const TOP = { width: 1_440, height: 832 };
const root = join(import.meta.dirname, '..');
const folder = process.argv[2] ?? join(tmpdir(), 'plimsoll-preview');

const demo = spawn(
  process.execPath,
  ['--conditions=plimsoll-source', join(root, 'demo', 'main.ts'), '--port', '0', '--service-port', '0'],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
const ended = once(demo, 'exit');
try {
  const url = await consoleOf(createInterface(demo.stdout));
  console.log(`The demo runs at ${url}; its pictures take four minutes.`);
  mkdirSync(folder, { recursive: true });
  await sleep(AFTER_MS);
  for (const picture of PICTURES) console.log(await photographed(url, picture));
} finally {
  demo.kill('SIGINT');
  await ended;
}

/** Reads the address of the page from the greeting. Rejects if the demo ends before it says one. */
async function consoleOf(lines: AsyncIterable<string>): Promise<string> {
  for await (const line of lines) {
    const [, url] = /^ *live page +(\S+)$/.exec(line) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error('The demo ended before its page was there.');
}

/** Draws a number at the upper left corner of each part. */
async function numberParts(tab: Page): Promise<void> {
  for (const [index, selector] of PARTS.entries()) {
    const box = await tab.locator(selector).boundingBox();
    if (box === null) throw new Error(`The page has no ${selector}.`);
    const style =
      `position:absolute;left:${box.x - 17}px;top:${box.y - 6}px;width:34px;height:34px;z-index:9;border-radius:50%;` +
      'background:#b3261e;color:#fff;font:700 19px/34px sans-serif;text-align:center';
    await tab.evaluate(`{
      const badge = document.body.appendChild(document.createElement('b'));
      badge.textContent = '${index + 1}';
      badge.style.cssText = '${style}';
    }`);
  }
}

async function photographed(url: string, { name, isNumbered }: Picture): Promise<string> {
  const browser = await chromium.launch({ executablePath: tool('chromium').path, args: ['--no-sandbox'] });
  try {
    const tab = await browser.newPage({ viewport: TOP });
    await tab.goto(url);
    await tab.locator('#problems li time').first().waitFor();
    const path = join(folder, name);
    if (isNumbered) await numberParts(tab);
    await tab.screenshot({ path, fullPage: isNumbered });
    return path;
  } finally {
    await browser.close();
  }
}
