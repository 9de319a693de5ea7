/**
 * `node --conditions=plimsoll-source scripts/console-fleet/main.ts [REPLICAS [SERIES [SECONDS]]]`: whether the live page over
 * a fleet stays fluid. Serves the metrics pages, runs `plimsoll console` over them, looks at it with the Chromium of this
 * machine, and prints the time between frames and what the console takes of a core.
 */
import { tool } from '../../testing/tools.ts';
import { look } from './look.ts';

const [replicas = 50, series = 2_000, seconds = 20] = process.argv.slice(2).map(Number);
const seen = await look({ replicas, series, seconds, chromium: tool('chromium').path });
const at = (share: number): string =>
  `${(seen.frames[Math.ceil(share * seen.frames.length) - 1] ?? NaN).toFixed(1)} ms`;
console.log(`${seen.replicas} replicas of ${seen.series} series: "${seen.line}"`);
console.log(`${seen.frames.length} frames in ${seconds} s: p50 ${at(0.5)}, p95 ${at(0.95)}, most ${at(1)}`);
console.log(
  `the console takes ${(seen.serverShare * 100).toFixed(1)}% of a core; an answer has ${seen.answerBytes} bytes`,
);
console.log(`${seen.shown} calls are shown, ${seen.made} were made`);
process.exitCode = seen.shown === seen.made ? 0 : 1;
