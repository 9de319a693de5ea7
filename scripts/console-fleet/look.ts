import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import type { View } from '../../src/console/view.ts';
import { fleetOf, type Fleet } from './pages.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');

/** Clock ticks of `/proc` in a second. */
const TICKS = 100;

export interface FleetLook {
  readonly replicas: number;
  /** Samples of one page. */
  readonly series: number;
  /** Milliseconds between the frames of the browser, sorted. */
  readonly frames: readonly number[];
  /** Of one core: the process that reads the pages and answers, while one page is open. */
  readonly serverShare: number;
  readonly answerBytes: number;
  /** Calls that the page shows, and those that were made between the readings that it knows. */
  readonly shown: number;
  readonly made: number;
  readonly line: string;
}

/** Runs `plimsoll console` over real pages, and looks at it in a browser for some seconds. */
export async function look(options: {
  readonly replicas: number;
  readonly series: number;
  readonly seconds: number;
  readonly chromium: string;
}): Promise<FleetLook> {
  const { replicas, seconds } = options;
  const fleet = await fleetOf(replicas, options.series);
  const args = ['--conditions=plimsoll-source', MAIN, 'console', '--port', '0', '--metrics', ...fleet.urls];
  const server = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'exit');
  const browser = await chromium.launch({ executablePath: options.chromium, args: ['--no-sandbox'] });
  try {
    const url = await addressIn(createInterface(server.stdout));
    const page = await browser.newPage({ viewport: { width: 1_440, height: 900 } });
    await page.goto(url);
    await page.locator('#numbers .figure').first().waitFor();
    await page.locator('#table bdi').first().waitFor({ timeout: 120_000 });
    const ticks = cpuTicks(server.pid);
    const startMs = performance.now();
    const frames = await page.evaluate<number[]>(FRAMES.replace('MS', String(seconds * 1_000)));
    const serverShare = (cpuTicks(server.pid) - ticks) / TICKS / ((performance.now() - startMs) / 1_000);
    const line = await page.locator('#replicas').innerText();
    await page.close();
    const { answer, readings } = await settled(`${url}data?range=3600`, fleet);
    const { numbers } = JSON.parse(answer) as View;
    return {
      ...{ replicas, series: fleet.series, serverShare, answerBytes: answer.length },
      frames: frames.sort((one, other) => one - other),
      shown: numbers.calls,
      made: fleet.callsAReading * replicas * (readings - 1),
      line,
    };
  } finally {
    await browser.close();
    server.kill('SIGINT');
    await ended;
    await fleet.close();
  }
}

/** An answer during which no page was read, and how often they were read before it. */
async function settled(url: string, fleet: Fleet): Promise<{ readonly answer: string; readonly readings: number }> {
  for (;;) {
    const readings = fleet.readings();
    const answer = await (await fetch(url)).text();
    if (fleet.readings() === readings) return { answer, readings };
  }
}

async function addressIn(lines: AsyncIterable<string>): Promise<string> {
  for await (const line of lines) {
    const [, url] = / at (\S+),/.exec(line) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error('The console ended before its page was there.');
}

/** User and system time of a process. */
function cpuTicks(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Run in the browser: the time between frames, until `MS` have passed. */
const FRAMES = `new Promise((resolve) => {
  const frames = [];
  const startMs = performance.now();
  let lastMs = startMs;
  const next = () => {
    const nowMs = performance.now();
    frames.push(nowMs - lastMs);
    lastMs = nowMs;
    if (nowMs - startMs < MS) requestAnimationFrame(next);
    else resolve(frames);
  };
  requestAnimationFrame(next);
})`;
