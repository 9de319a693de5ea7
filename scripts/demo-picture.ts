/**
 * `npm run preview:demo -- FOLDER`: the pictures of the demo's page in README and the manual. Runs the demo for four minutes,
 * so that two bursts are in its figures, and takes the page with the Chromium of this machine. In the repository they have
 * 256 colors (`pngquant`).
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

interface Picture {
  readonly name: string;
  /** After the start of the demo. */
  readonly afterMs: number;
  readonly width: number;
  readonly colorScheme: 'light' | 'dark';
  readonly fullPage: boolean;
}

/** In the order in which they are taken. */
const PICTURES: readonly Picture[] = [
  { name: 'console-10s.png', afterMs: 10_000, width: 1_440, colorScheme: 'light', fullPage: false },
  { name: 'demo.png', afterMs: 240_000, width: 1_440, colorScheme: 'light', fullPage: true },
  { name: 'console-390-dark.png', afterMs: 240_000, width: 390, colorScheme: 'dark', fullPage: false },
];
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
  const startMs = performance.now();
  console.log(`The demo runs at ${url}; its pictures take four minutes.`);
  mkdirSync(folder, { recursive: true });
  for (const picture of PICTURES) {
    await sleep(Math.max(0, picture.afterMs - (performance.now() - startMs)));
    console.log(await photographed(url, picture));
  }
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

async function photographed(url: string, { name, width, colorScheme, fullPage }: Picture): Promise<string> {
  const browser = await chromium.launch({ executablePath: tool('chromium').path, args: ['--no-sandbox'] });
  try {
    const tab = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    await tab.goto(url);
    await tab.locator('#problems li time').first().waitFor();
    const path = join(folder, name);
    await tab.screenshot({ path, fullPage });
    return path;
  } finally {
    await browser.close();
  }
}
