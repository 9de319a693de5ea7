import type { MetricDeclaration } from './metric.ts';

/** A wait lasts 60 s at most, by default. */
const WAIT_SECONDS = [0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300] as const;

/** Metrics of paces: calls that wait for room in the rate limits. */
export const PACE_METRICS = [
  {
    name: 'anthropic_pace_waiting',
    type: 'gauge',
    section: 'pace',
    help: 'Calls that wait for room in the rate limits.',
    unit: null,
    labels: ['pace', 'lane'],
    aggregator: 'sum',
  },
  {
    name: 'anthropic_pace_longest_wait_seconds',
    type: 'gauge',
    section: 'pace',
    help: 'How long the call that has waited longest has waited so far; 0 where none waits.',
    unit: 'seconds',
    labels: ['pace', 'lane'],
    aggregator: 'max',
  },
  {
    name: 'anthropic_pace_turns_total',
    type: 'counter',
    section: 'pace',
    help: 'Attempts that asked a pace for their turn, by outcome.',
    unit: null,
    labels: ['pace', 'lane', 'end'],
    aggregator: 'sum',
    bornAtZero: true,
  },
  {
    name: 'anthropic_pace_wait_seconds',
    type: 'histogram',
    section: 'pace',
    help: 'Waits of the attempts that waited and went, by what they waited for last.',
    unit: 'seconds',
    labels: ['pace', 'lane', 'cause'],
    aggregator: 'sum',
    buckets: WAIT_SECONDS,
  },
  {
    name: 'anthropic_pace_avoided_total',
    type: 'counter',
    section: 'pace',
    help: 'Estimated: calls that would have met a 429, had every call been sent when it came. Based on full buckets and estimates: an indication, not proof.',
    unit: null,
    labels: ['pace', 'lane'],
    aggregator: 'sum',
    bornAtZero: true,
  },
  {
    name: 'anthropic_pace_used_total',
    type: 'counter',
    section: 'pace',
    help: 'Requests and tokens that answered calls have used of the limits, as those count them; compare with anthropic_ratelimit_limit, which is per minute.',
    unit: null,
    labels: ['pace', 'model_class', 'dimension'],
    aggregator: 'sum',
  },
  {
    name: 'anthropic_pace_surprises_total',
    type: 'counter',
    section: 'pace',
    help: '429s although headers and pace agree that there was room: the limit has a shorter bucket that no header shows. The pace sends smaller bursts since.',
    unit: null,
    labels: ['pace', 'model_class'],
    aggregator: 'sum',
  },
  {
    name: 'anthropic_pace_store_up',
    type: 'gauge',
    section: 'pace',
    help: 'Whether the store of the pace answers: 1, or 0, and then calls are not paced.',
    unit: null,
    labels: ['pace', 'store'],
    aggregator: 'min',
  },
] as const satisfies readonly MetricDeclaration[];
