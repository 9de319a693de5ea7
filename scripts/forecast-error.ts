/**
 * Forecasts the end of every month of a year of made-up traffic, from different days of the month, and prints by how
 * much the forecasts were wrong: the median, and what nine in ten were better than. Beside it, the error of a straight
 * line through what is spent, which is what many a dashboard draws. The same figures every time.
 */
import { forecast, type Spend } from 'plimsoll/budget';
import { traffic, TRAFFICS, type Traffic } from '../testing/budget/traffic.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.UTC(2026, 0, 1);
const SEEDS = [1, 2, 3, 4, 5];
const HISTORY_MS = 35 * DAY_MS;
const AFTER_DAYS = [1, 3, 7, 14, 21, 28] as const;

interface Errors {
  readonly ours: number;
  readonly line: number;
}

function sum(hours: readonly Spend[]): bigint {
  return hours.reduce((total, { nanoUsd }) => total + nanoUsd, 0n);
}

function between(hours: readonly Spend[], fromMs: number, untilMs: number): readonly Spend[] {
  return hours.filter(({ startMs }) => startMs >= fromMs && startMs < untilMs);
}

function errorsAt(hours: readonly Spend[], month: number, days: number): Errors {
  const [startMs, endMs] = [Date.UTC(2026, month, 1), Date.UTC(2026, month + 1, 1)];
  // In the middle of the day, when the rhythm of the day misleads most.
  const nowMs = startMs + days * DAY_MS + 9 * HOUR_MS;
  const spentNanoUsd = sum(between(hours, startMs, nowMs));
  const seen = { startMs, endMs, nowMs, spentNanoUsd, limitNanoUsd: 1n };
  const ours = forecast({ ...seen, hours: between(hours, nowMs - HISTORY_MS, nowMs) })?.expectedUsd ?? Number.NaN;
  const actualUsd = Number(sum(between(hours, startMs, endMs))) / 1e9;
  const line = ((Number(spentNanoUsd) / 1e9) * (endMs - startMs)) / (nowMs - startMs);
  return { ours: Math.abs(ours / actualUsd - 1), line: Math.abs(line / actualUsd - 1) };
}

function quantile(values: readonly number[], part: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  return `${((sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN) * 100).toFixed(1)}%`.padStart(9);
}

function print(kind: Traffic): void {
  const years = SEEDS.map((seed) => traffic(kind, { fromMs: START_MS, days: 366, seed }));
  console.log(`\n${kind.name}`);
  console.log('after day    median   9 in 10    line: median   9 in 10');
  for (const days of AFTER_DAYS) {
    const errors = years.flatMap((hours) => Array.from({ length: 12 }, (_, month) => errorsAt(hours, month, days)));
    const ours = errors.map((error) => error.ours);
    const line = errors.map((error) => error.line);
    const columns = [
      quantile(ours, 0.5),
      ' ',
      quantile(ours, 0.9),
      '       ',
      quantile(line, 0.5),
      ' ',
      quantile(line, 0.9),
    ];
    console.log(String(days).padStart(9) + columns.join(''));
  }
}

for (const kind of TRAFFICS) print(kind);
