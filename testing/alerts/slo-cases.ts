import { grown, type AlertCase } from '../promtool.ts';

const LABELS = { job: 'plimsoll', key: 'prod-a-api', model: 'claude-haiku-4-5' };
const ON = 'job="plimsoll",instance="a",operation="messages.create",key="prod-a-api",model="claude-haiku-4-5"';

const calls = (outcome: string): string => `anthropic_request_duration_seconds_count{${ON},outcome="${outcome}"}`;
const inTime = (le: string): string => `anthropic_request_duration_seconds_bucket{${ON},outcome="ok",le="${le}"}`;
const answered = calls('ok');

type Parts = readonly (readonly [steps: number, by: number])[];
type Case = Omit<AlertCase, 'alert' | 'series' | 'step'> & {
  readonly step?: '1m' | '10m';
  readonly good: Parts;
  readonly bad: Parts;
};

/** The same courses of events for the two objectives: of calls that succeed, and of calls that are fast enough. */
const failures = (alert: string, { good, bad, step, ...rest }: Case): AlertCase => ({
  ...rest,
  alert,
  ...PACES[step ?? '1m'],
  series: { [calls('ok')]: grown(...halved(good)), [calls('server_error')]: grown(...halved(bad)) },
});
const latencies = (alert: string, { good, bad, step, ...rest }: Case): AlertCase => ({
  ...rest,
  alert,
  ...PACES[step ?? '1m'],
  series: { [inTime('32')]: grown(...halved(good)), [answered]: grown(...halved(sum(good, bad))) },
});

/** Half as many steps, each twice as long, and evaluated now and then: the same history in less of promtool's time. */
const PACES = { '1m': { step: '2m', every: '4m' }, '10m': { step: '20m', every: '1h' } } as const;

function halved(parts: Parts): Parts {
  return parts.map(([steps, by]) => [steps / 2, by * 2]);
}

function sum(left: Parts, right: Parts): Parts {
  return left.map(([steps, by], index) => [steps, by + (right[index]?.[1] ?? 0)]);
}

const fails = (share: string) => [[LABELS, `${share} of calls to claude-haiku-4-5 with key prod-a-api fail`] as const];
const isSlow = (share: string) => [
  [LABELS, `${share} of calls to claude-haiku-4-5 with key prod-a-api are slow`] as const,
];

const page = 'PlimsollErrorBudgetBurn';
const ticket = 'PlimsollErrorBudgetBurnSlow';

const FAILURE_CASES: readonly AlertCase[] = [
  failures(page, {
    name: 'fires when a fifth of calls has failed for an hour, though the six hours before were good',
    good: [
      [300, 5],
      [72, 4],
    ],
    bad: [
      [300, 0],
      [72, 1],
    ],
    at: '372m',
    firing: fails('20%'),
  }),
  failures(page, {
    name: 'fires when a tenth of calls has failed for six hours',
    good: [[400, 0.9]],
    bad: [[400, 0.1]],
    at: '390m',
    firing: fails('10%'),
  }),
  failures(page, {
    name: 'does not fire when one call in twenty fails',
    good: [[400, 9.5]],
    bad: [[400, 0.5]],
    at: '390m',
    firing: [],
  }),
  failures(page, {
    name: 'does not fire when a quarter of calls fails but there are hardly any',
    good: [[400, 0.06]],
    bad: [[400, 0.02]],
    at: '390m',
    firing: [],
  }),
  failures(page, {
    name: 'does not fire ten minutes after an outage of twenty',
    good: [
      [370, 5],
      [20, 0],
      [10, 5],
    ],
    bad: [
      [370, 0],
      [20, 5],
      [10, 0],
    ],
    at: '400m',
    firing: [],
  }),
  failures(page, {
    name: 'does not fire forty minutes after an outage of an hour',
    good: [
      [300, 5],
      [60, 0],
      [40, 5],
    ],
    bad: [
      [300, 0],
      [60, 5],
      [40, 0],
    ],
    at: '400m',
    firing: [],
  }),
  failures(page, {
    name: 'does not fire when everything has failed for six minutes only',
    good: [
      [394, 5],
      [6, 0],
    ],
    bad: [
      [394, 0],
      [6, 5],
    ],
    at: '400m',
    firing: [],
  }),
  {
    name: 'does not fire when the callers are at fault: their requests are invalid, cancelled or abandoned',
    alert: page,
    series: {
      [calls('ok')]: grown([400, 1]),
      [calls('invalid_request')]: grown([400, 3]),
      [calls('cancelled')]: grown([400, 3]),
      [calls('abandoned')]: grown([400, 3]),
    },
    every: '4m',
    at: '390m',
    firing: [],
  },
  {
    name: 'does not fire when nobody calls',
    alert: page,
    series: { [calls('server_error')]: grown([400, 0]) },
    every: '4m',
    at: '390m',
    firing: [],
  },
  {
    name: 'fires when 429s outlast the retries, once for all replicas together',
    alert: page,
    series: Object.fromEntries(
      ['a', 'b'].flatMap((instance) => [
        [calls('ok').replace('"a"', `"${instance}"`), grown([400, 4])],
        [calls('rate_limited').replace('"a"', `"${instance}"`), grown([400, 1])],
      ]),
    ),
    every: '4m',
    at: '390m',
    firing: fails('20%'),
  },
  failures(ticket, {
    name: 'fires when a twenty-fifth of calls has failed for a day, after two busy days that were good',
    step: '10m',
    good: [
      [288, 100],
      [150, 9.6],
    ],
    bad: [
      [288, 0],
      [150, 0.4],
    ],
    at: '73h',
    firing: fails('4%'),
  }),
  failures(ticket, {
    name: 'fires when a fiftieth of calls has failed for three days',
    step: '10m',
    good: [[460, 4.9]],
    bad: [[460, 0.1]],
    at: '76h',
    firing: fails('2%'),
  }),
  failures(ticket, {
    name: 'does not fire when one call in two hundred fails, as the objective allows',
    step: '10m',
    good: [[460, 99.5]],
    bad: [[460, 0.5]],
    at: '76h',
    firing: [],
  }),
  failures(ticket, {
    name: 'does not fire when a tenth of calls fails but there are hardly any',
    step: '10m',
    good: [[460, 0.1]],
    bad: [[460, 0.01]],
    at: '76h',
    firing: [],
  }),
  failures(ticket, {
    name: 'does not fire three hours after a bad day',
    step: '10m',
    good: [
      [288, 100],
      [132, 9.6],
      [18, 10],
    ],
    bad: [
      [288, 0],
      [132, 0.5],
      [18, 0],
    ],
    at: '73h',
    firing: [],
  }),
  failures(ticket, {
    name: 'does not fire seven hours after three bad days',
    step: '10m',
    good: [
      [420, 9.8],
      [42, 10],
    ],
    bad: [
      [420, 0.2],
      [42, 0],
    ],
    at: '77h',
    firing: [],
  }),
  failures(ticket, {
    name: 'does not fire when a twentieth of calls has failed for four hours',
    step: '10m',
    good: [
      [436, 20],
      [24, 19],
    ],
    bad: [
      [436, 0],
      [24, 1],
    ],
    at: '76h40m',
    firing: [],
  }),
];

const slowPage = 'PlimsollLatencyBudgetBurn';
const slowTicket = 'PlimsollLatencyBudgetBurnSlow';

const LATENCY_CASES: readonly AlertCase[] = [
  latencies(slowPage, {
    name: 'fires when four fifths of calls have been slow for an hour, though the six hours before were good',
    good: [
      [300, 1],
      [72, 0.2],
    ],
    bad: [
      [300, 0],
      [72, 0.8],
    ],
    at: '372m',
    firing: isSlow('80%'),
  }),
  latencies(slowPage, {
    name: 'fires when two fifths of calls have been slow for six hours',
    good: [[400, 0.15]],
    bad: [[400, 0.1]],
    at: '390m',
    firing: isSlow('40%'),
  }),
  {
    name: 'fires whether the edge of the bucket is written 32, as by Prometheus 2, or 32.0, as by Prometheus 3',
    alert: slowPage,
    series: {
      [inTime('32')]: grown([400, 0.2]),
      [answered]: grown([400, 1]),
      [inTime('32.0').replaceAll('haiku', 'sonnet')]: grown([400, 0.2]),
      [answered.replaceAll('haiku', 'sonnet')]: grown([400, 1]),
    },
    every: '4m',
    at: '390m',
    firing: [
      [LABELS, '80% of calls to claude-haiku-4-5 with key prod-a-api are slow'],
      [{ ...LABELS, model: 'claude-sonnet-4-5' }, '80% of calls to claude-sonnet-4-5 with key prod-a-api are slow'],
    ],
  },
  latencies(slowPage, {
    name: 'does not fire when a quarter of calls is slow',
    good: [[400, 3]],
    bad: [[400, 1]],
    at: '390m',
    firing: [],
  }),
  latencies(slowPage, {
    name: 'does not fire when most calls are slow but there are hardly any',
    good: [[400, 0.002]],
    bad: [[400, 0.02]],
    at: '390m',
    firing: [],
  }),
  latencies(slowPage, {
    name: 'does not fire ten minutes after fifty slow ones, while six hours were good',
    good: [
      [700, 50],
      [50, 0],
      [14, 1],
    ],
    bad: [
      [700, 0],
      [50, 5],
      [14, 0],
    ],
    at: '764m',
    firing: [],
  }),
  latencies(slowPage, {
    name: 'does not fire forty minutes after three slow hours',
    good: [
      [300, 5],
      [180, 0],
      [40, 5],
    ],
    bad: [
      [300, 0],
      [180, 5],
      [40, 0],
    ],
    at: '520m',
    firing: [],
  }),
  latencies(slowPage, {
    name: 'does not fire when everything has been slow for twelve minutes only',
    good: [
      [394, 5],
      [12, 0],
    ],
    bad: [
      [394, 0],
      [12, 5],
    ],
    at: '406m',
    firing: [],
  }),
  latencies(slowPage, {
    name: 'does not fire when nobody calls',
    good: [[400, 0]],
    bad: [[400, 0]],
    at: '390m',
    firing: [],
  }),
  latencies(slowTicket, {
    name: 'fires when a fifth of calls has been slow for a day, after two busy days that were good',
    step: '10m',
    good: [
      [288, 100],
      [150, 0.32],
    ],
    bad: [
      [288, 0],
      [150, 0.08],
    ],
    at: '73h',
    firing: isSlow('20%'),
  }),
  latencies(slowTicket, {
    name: 'fires when a tenth of calls has been slow for three days',
    step: '10m',
    good: [[460, 0.9]],
    bad: [[460, 0.1]],
    at: '76h',
    firing: isSlow('10%'),
  }),
  latencies(slowTicket, {
    name: 'does not fire when one call in fifty is slow, as the objective allows',
    step: '10m',
    good: [[460, 9.8]],
    bad: [[460, 0.2]],
    at: '76h',
    firing: [],
  }),
  latencies(slowTicket, {
    name: 'does not fire when a third of calls is slow but there are hardly any',
    step: '10m',
    good: [[460, 0.02]],
    bad: [[460, 0.01]],
    at: '76h',
    firing: [],
  }),
  latencies(slowTicket, {
    name: 'does not fire three hours after a slow day',
    step: '10m',
    good: [
      [288, 100],
      [132, 8],
      [18, 10],
    ],
    bad: [
      [288, 0],
      [132, 3],
      [18, 0],
    ],
    at: '73h',
    firing: [],
  }),
  latencies(slowTicket, {
    name: 'does not fire seven hours after three slow days',
    step: '10m',
    good: [
      [420, 9],
      [42, 10],
    ],
    bad: [
      [420, 1],
      [42, 0],
    ],
    at: '77h',
    firing: [],
  }),
  latencies(slowTicket, {
    name: 'does not fire when a fifth of calls has been slow for four hours',
    step: '10m',
    good: [
      [436, 20],
      [24, 16],
    ],
    bad: [
      [436, 0],
      [24, 4],
    ],
    at: '76h40m',
    firing: [],
  }),
];

export const SLO_CASES: readonly AlertCase[] = [...FAILURE_CASES, ...LATENCY_CASES];
