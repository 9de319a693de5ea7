/**
 * `npm run preview:guide -- FOLDER`: the pictures of docs/guide.md. Replays the day, then shows the metrics pages of some
 * minutes of it to the live page and to `plimsoll top`, in the Chromium of this machine. Some two minutes; needs promtool. In
 * the repository the pictures have 256 colors (`pngquant`).
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { serve } from 'plimsoll/http';
import { topFrame } from '../../src/cli/top-frame.ts';
import { consoleOf, viewOfReplicas } from '../../src/console/handler.ts';
import { Replicas } from '../../src/console/replicas.ts';
import { RANGES } from '../../src/console/timeline.ts';
import type { View } from '../../src/console/view.ts';
import { models } from '../../src/routing/models.ts';
import { tool } from '../../testing/tools.ts';
import { replayed } from './transcript.ts';
import type { Page } from './scraping.ts';

const DAY = '2026-11-24';
const SHOWN_SECONDS = 900;
const COLUMNS = 100;

interface Picture {
  readonly name: string;
  /** Of the guide's day, UTC. */
  readonly at: string;
  readonly of: 'page' | 'terminal';
  readonly width: number;
  readonly height: number;
}

const PICTURES: readonly Picture[] = [
  { name: 'guide-429s.png', at: '10:02:00', of: 'page', width: 1_440, height: 900 },
  { name: 'guide-top.png', at: '13:12:00', of: 'terminal', width: 900, height: 480 },
];

/** Of a dark terminal, by the tone of a line. */
const COLORS: Readonly<Record<string, string>> = { bad: '#ff7b72', warning: '#e3b341', dim: '#8b949e' };

const folder = process.argv[2] ?? join(tmpdir(), 'plimsoll-preview');
mkdirSync(folder, { recursive: true });
const guide = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'guide.md'), 'utf8');
const { pages } = await replayed(guide, tool('promtool').path);
const browser = await chromium.launch({ executablePath: tool('chromium').path, args: ['--no-sandbox'] });
try {
  for (const picture of PICTURES) console.log(await taken(browser, picture));
} finally {
  await browser.close();
}

/** What the live page has at a moment if it was started an hour before. */
async function viewAt(atMs: number): Promise<() => Promise<View>> {
  const hour = pages.filter((page) => page.atMs > atMs - 3_600_000 && page.atMs <= atMs);
  let current: Page | undefined = hour[0];
  const now = (): number => current?.atMs ?? atMs;
  const read = async () => ({ bytes: Buffer.from(current?.text ?? '') });
  const replicas = new Replicas(['http://harbor-1:9464/metrics'], { now, read });
  for (current of hour) await replicas.poll();
  const answer = viewOfReplicas({ name: 'harbor', replicas, models: models({}), now });
  const rangeSeconds = RANGES.find((range) => range === SHOWN_SECONDS);
  return () => answer({ filter: {}, ...(rangeSeconds !== undefined && { rangeSeconds }) });
}

async function taken(of: Browser, picture: Picture): Promise<string> {
  const atMs = Date.parse(`${DAY}T${picture.at}Z`);
  const view = await viewAt(atMs);
  const { width, height } = picture;
  const tab = await of.newPage({ viewport: { width, height }, colorScheme: 'light' });
  const path = join(folder, picture.name);
  if (picture.of === 'terminal') {
    await tab.setContent(terminal(await view()));
    await tab.locator('pre').screenshot({ path });
    return path;
  }
  const { url, close } = await serve(
    consoleOf(() => view()),
    { port: 0 },
  );
  await tab.clock.setFixedTime(atMs);
  await tab.goto(`${url}/#range=${SHOWN_SECONDS}`);
  await tab.locator('.u-over').first().waitFor();
  await tab.waitForTimeout(1_000); // Charts draw on the frames after they are there.
  await tab.screenshot({ path });
  await close(0);
  return path;
}

/** The lines of `plimsoll top` in a terminal. */
function terminal(view: View): string {
  const lines = topFrame(view).map(({ text, tone = 'plain' }) => {
    const escaped = text.slice(0, COLUMNS).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
    const weight = tone === 'bold' ? 'bold' : 'normal';
    return `<span style="color:${COLORS[tone] ?? '#e6edf3'};font-weight:${weight}">${escaped}</span>`;
  });
  return `<!doctype html><body style="margin:0"><pre style="display:inline-block;margin:0;padding:16px 20px;background:#0d1117;color:#e6edf3;font:14px/1.45 'DejaVu Sans Mono',monospace;width:${COLUMNS}ch">$ plimsoll top\n\n${lines.join('\n')}</pre>`;
}
