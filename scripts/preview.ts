/**
 * Pictures of the dashboards, with real answers of a real Prometheus that plimsoll has filled, drawn by Grafana's own
 * components in the Chromium of this machine. No Grafana: its layout, tables and heatmaps are imitated. Some minutes, and
 * 400 MB of packages under monitoring/preview the first time.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { charts, type DashboardFile, type PanelFile } from '../monitoring/check/dashboard-file.ts';
import { dashboardFiles } from '../monitoring/check/every-query.ts';
import { ORDINARY_JOB, proof, type Proof } from '../monitoring/check/proof.ts';
import { grafanaValues, interpolated } from '../monitoring/check/variables.ts';
import { badDay } from '../monitoring/history/bad-day.ts';
import { SCRAPE_SECONDS } from '../monitoring/history/history.ts';
import { asked } from '../monitoring/run/prometheus.ts';
import { tool } from '../testing/tools.ts';

const root = join(import.meta.dirname, '..');
const preview = join(root, 'monitoring', 'preview');
const pictures = process.argv[2] ?? join(tmpdir(), 'plimsoll-preview');
const HOURS = 8;
const SETTLED_MS = 3_000;
const WIDTH = 24 * 54;

const VALUES = {
  ...grafanaValues(HOURS * 3_600, SCRAPE_SECONDS),
  job: '.*',
  cluster: '.*',
  namespace: '.*',
  model: '.*',
  key: '.*',
  what_if: 'claude-opus-5-5',
  attribution: 'route',
};

interface Answer {
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly (readonly [number, number])[];
}

async function answered(proven: Proof, { targets = [] }: PanelFile): Promise<readonly (readonly Answer[])[]> {
  const { from, step } = proven.range;
  const to = proven.range.to + SCRAPE_SECONDS;
  return Promise.all(
    targets.map(async ({ expr, instant }) => {
      const query = interpolated(expr, VALUES);
      const { result } = await asked<{ readonly result: readonly Matched[] }>(
        proven.prometheus.url,
        instant === true ? '/api/v1/query' : '/api/v1/query_range',
        instant === true
          ? { query, time: String(to) }
          : { query, start: String(from), end: String(to), step: String(step) },
      );
      return result.map(({ metric, value, values: points }) => ({
        labels: metric,
        points: (points ?? (value === undefined ? [] : [value])).map(([at, text]) => [at, Number(text)] as const),
      }));
    }),
  );
}

interface Matched {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
}

async function page(proven: Proof, dashboard: DashboardFile): Promise<string> {
  const panels = await Promise.all(
    dashboard.panels.map(async (panel) => ({
      panel,
      answers: charts(dashboard).includes(panel) ? await answered(proven, panel) : [],
    })),
  );
  const { from, to, step } = proven.range;
  const { title } = dashboard;
  const data = JSON.stringify({ title, from, to, stepSeconds: step, values: VALUES, panels }).replaceAll(
    '<',
    '\\u003c',
  );
  return `<!doctype html><meta charset="utf-8"><title>${title}</title><link rel="stylesheet" href="app.css">
<style>@font-face{font-family:Inter;src:local('Liberation Sans')}
@font-face{font-family:Inter;font-weight:500 900;src:local('Liberation Sans Bold')} button,th,td{color:#ccccdc} .sr-only{display:none}</style><body style="margin:0;background:#111217"><div id="root"></div>
<script>window.preview=${data};window.grafanaBootData={settings:{}}</script><script src="app.js"></script>`;
}

function built(folder: string): void {
  if (!existsSync(join(preview, 'node_modules'))) execFileSync('npm', ['ci'], { cwd: preview, stdio: 'inherit' });
  execFileSync(process.execPath, [join(preview, 'build.mjs'), join(folder, 'app.js')], { stdio: 'inherit' });
}

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-preview-'));
mkdirSync(pictures, { recursive: true });
built(folder);
const proven = await proof({
  prometheus: tool('prometheus').path,
  promtool: tool('promtool').path,
  hours: HOURS,
  only: (endMs) => badDay(endMs, HOURS * 60, ORDINARY_JOB),
  alerts: true,
});
const browser = await chromium.launch({ executablePath: tool('chromium').path, args: ['--no-sandbox'] });
try {
  for (const dashboard of dashboardFiles()) {
    writeFileSync(join(folder, 'index.html'), await page(proven, dashboard));
    const tab = await browser.newPage({ viewport: { width: WIDTH, height: 900 } });
    const said: string[] = [];
    await tab.clock.setFixedTime(proven.range.to * 1_000);
    tab.on('pageerror', (error) => said.push(error.message));
    await tab.goto(`file://${join(folder, 'index.html')}`);
    await tab.waitForSelector('#root canvas, #root svg, #root table', { timeout: 30_000 });
    await tab.waitForTimeout(SETTLED_MS); // Charts draw on frames after they are there, and say nothing when done.
    const failed = await tab.locator('pre.failed').count();
    const path = join(pictures, `${dashboard.uid.replace('plimsoll-', '')}.png`);
    await tab.screenshot({ path, fullPage: true });
    console.log(`${path}: ${failed} panels that could not be drawn${said.length === 0 ? '' : `; ${said.join('; ')}`}`);
    if (failed > 0) process.exitCode = 1;
    await tab.close();
  }
} finally {
  await browser.close();
  await proven.prometheus.stop();
  rmSync(folder, { recursive: true });
}
