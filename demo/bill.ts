import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, type InstrumentOptions } from 'plimsoll';
import {
  dailyTotals,
  findings,
  readOrganization,
  watchOrganization,
  type ExactUsd,
  type OrganizationReport,
} from 'plimsoll/organization';
import { simulator, type Simulator, type SimulatorClock } from 'plimsoll/simulator';
import { register, Registry } from 'prom-client';

/** The bill of the days before today, beside what plimsoll saw of them. */
export interface DemoBill {
  readonly days: number;
  readonly billedUsd: number;
  readonly recordedUsd: number;
  /** Why the two differ, the largest first. */
  readonly parts: readonly { readonly usd: number; readonly sentence: string }[];
  /** What is left of the prepaid credit, and between which bounds. */
  readonly credit: { readonly leftUsd: number; readonly leastUsd: number; readonly mostUsd: number } | null;
}

/** More than a month has before its last day, so that all windows are compared. */
const DAYS = 31;
const DAY_MS = 24 * 60 * 60 * 1_000;
const CREDIT_USD = 500;

const aKey = (name: string) => ({
  name,
  id: `apikey_${name.replaceAll('-', '_')}`,
  key: ['sk-ant-api03', name, 'simulated'].join('-'),
});

const WEB = aKey('prod-harbor-web');
const NIGHTLY = aKey('nightly-eval');

type VirtualClock = SimulatorClock & { nowMs: number; isOver: boolean };

/** Virtual time: it stands still but for waiting, until it is over. */
function virtualClock(nowMs: number): VirtualClock {
  const clock: VirtualClock = {
    ...{ nowMs, isOver: false },
    now: () => (clock.isOver ? Date.now() : clock.nowMs),
    sleep: async (ms) => void (clock.nowMs += ms),
  };
  return clock;
}

/** The bill, and what goes on showing it as metrics until it is closed. */
export interface WatchedBill {
  readonly bill: DemoBill;
  close(): Promise<void>;
}

/** Lives the days before today on a simulated API, reads the reports of that, and watches them from now on. */
export async function demoBill(registry: InstrumentOptions['registry'] = register): Promise<WatchedBill> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-demo-bill-'));
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const clock = virtualClock(today - DAYS * DAY_MS);
  const since = new Date(clock.nowMs).toISOString().slice(0, 10);
  const own = { epochMs: () => clock.now(), monotonicMs: () => clock.now() };
  const totals = dailyTotals({ store: join(folder, 'totals.sqlite'), clock: own });
  const api = apiOf(clock);
  await live(api, clock, { clock: own, registry: new Registry(), recorders: [totals.recorder] });
  clock.isOver = true;
  await totals.flush();
  const asked = {
    ...{ adminKey: () => ['sk-ant-admin01', 'simulated'].join('-'), baseUrl: 'http://simulated', fetch: api.fetch },
    ...{ totals, ids: { [WEB.name]: [WEB.id] } },
    credit: { balance: { usd: CREDIT_USD, at: since } },
  };
  const bill = billOf(await readOrganization(asked, since));
  // Another organization than the one of the demo's service, whose limits are others.
  const watch = watchOrganization({ ...asked, registry, organization: 'before-today' });
  const close = async (): Promise<void> => {
    await watch.close();
    await totals.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { bill, close };
}

function apiOf(clock: SimulatorClock): Simulator {
  return simulator({
    ...{ clock, tier: 'custom', keys: [WEB, NIGHTLY] },
    // The API's reports are four hours late: at night the demo would have a day less than in the morning.
    organization: { discountPercent: '5', readsPerMinute: 10_000, lagMs: 0 },
    respond: ({ body }) => ({
      usage: { input_tokens: 900_000, output_tokens: body.model.includes('opus') ? 60_000 : 9_000 },
    }),
  });
}

/** Calls of a service that is watched, of a nightly job that is not, and of somebody else with the service's key. */
async function live(api: Simulator, clock: VirtualClock, options: InstrumentOptions): Promise<void> {
  const clientOf = ({ key }: typeof WEB): Anthropic =>
    new Anthropic({ apiKey: key, baseURL: 'http://simulated', fetch: api.fetch, maxRetries: 0 });
  const web = instrument(clientOf(WEB), { ...options, key: WEB.name });
  const [nightly, other] = [clientOf(NIGHTLY), clientOf(WEB)];
  const firstMs = clock.nowMs;
  for (let day = 0; day < DAYS; day += 1) {
    clock.nowMs = firstMs + (day + 0.5) * DAY_MS;
    await asked(web, 'claude-opus-5-5');
    await asked(web, 'claude-haiku-4-5');
    if (day % 2 === 0) await asked(nightly, 'claude-sonnet-5-5');
    if (day % 10 === 4) await asked(other, 'claude-opus-5-5');
  }
}

async function asked(claude: Anthropic, model: string): Promise<void> {
  const messages = [{ role: 'user' as const, content: 'What was there to do today?' }];
  await claude.messages.create({ model, max_tokens: 100_000, messages, stream: false }, { timeout: 60_000 });
}

function billOf({ since, credit }: OrganizationReport): DemoBill {
  if (since === null) throw new Error('the days of the demo were asked for');
  return {
    days: since.closedDays.length,
    ...{ billedUsd: usdOf(since.billed), recordedUsd: usdOf(since.recorded) },
    parts: findings(since)
      .filter(({ cause }) => cause !== 'open')
      .map(({ units, sentence }) => ({ usd: usdOf(units), sentence })),
    credit:
      credit === null
        ? null
        : { leftUsd: usdOf(credit.left), leastUsd: usdOf(credit.least), mostUsd: usdOf(credit.most) },
  };
}

/** For display: exact dollars are whole units of 1e-18. */
function usdOf(units: ExactUsd): number {
  return Number(units) / 1e18;
}

/** A few lines of at most 80 columns: the bill, why it is not what plimsoll saw, and what is left of the credit. */
export function billLines({ days, billedUsd, recordedUsd, parts, credit }: DemoBill): readonly string[] {
  const left =
    credit === null
      ? []
      : [`          ${cents(credit.leftUsd)} of the credit is left, ${cents(credit.leastUsd)} at least`];
  return [
    `bill      ${days} days before today: bill ${cents(billedUsd)}, plimsoll ${cents(recordedUsd)}`,
    ...parts.filter(({ usd }) => Math.abs(usd) >= 0.01).flatMap(({ usd, sentence }) => partLines(usd, sentence)),
    ...left,
  ];
}

function partLines(usd: number, sentence: string): readonly string[] {
  const lines = [`${`${usd < 0 ? '−' : '+'}${cents(Math.abs(usd))}`.padStart(18)} `];
  for (const word of sentence.split(' ')) {
    const longer = `${lines.at(-1) ?? ''} ${word}`;
    if (longer.length <= 80) lines[lines.length - 1] = longer;
    else lines.push(`${' '.repeat(19)} ${word}`);
  }
  return lines;
}

function cents(usd: number): string {
  return `$${usd.toFixed(2)}`;
}
