/**
 * Loaded before a program of the guide (`node --import`): its time is virtual and begins at `GUIDE_NOW`, its chance is
 * the same each run, and the Claude API is a simulated one, in the same process.
 */
import { simulator } from 'plimsoll/simulator';
import { seededRandom } from '../../testing/seeded-random.ts';
import { virtualTime } from './virtual-time.ts';

virtualTime(Date.parse(process.env['GUIDE_NOW'] ?? ''));
Math.random = seededRandom(11);

const api = simulator({
  seed: 7,
  tier: 'start',
  keepRequests: 0,
  // What the workspace of the guide allows Opus: less than its tier.
  limits: { 'opus-5.5': { requests: 1_000, inputTokens: 50_000, outputTokens: 400_000 } },
  scenario: {
    latency: {
      firstByteMs: { kind: 'lognormal', median: 600, sigma: 0.4 },
      perTokenMs: { kind: 'lognormal', median: 12, sigma: 0.2 },
    },
    outputTokens: { kind: 'lognormal', median: 70, sigma: 0.4 },
    faults: [{ probability: 0.002, fault: { fault: 'overloaded' } }],
  },
});

globalThis.fetch = api.fetch;
