import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { metricsHandler, routes } from 'plimsoll';
import { serve } from 'plimsoll/http';
import type { AdviceItem } from '../../src/advice/item.ts';
import { command } from '../../src/cli/advise.ts';
import type { CommandIo } from '../../src/cli/command.ts';
import { main } from '../../src/cli/main.ts';
import { workbench } from '../../testing/client-workbench.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { unwrapped } from '../../testing/unwrapped.ts';

const NOW_MS = Date.UTC(2026, 10, 24, 12);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(
  args: readonly string[],
  { stdin = '', env = {} }: { readonly stdin?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ran> {
  const { io, out, err } = keptIo({ now: () => NOW_MS, stdin, env });
  const code = await command.run(args, io);
  const widest = Math.max(...[...out, ...err].map((line) => line.length), 0);
  assert.ok(args.includes('--json') || widest <= 80, `${widest} columns`);
  return { code, out: out.join('\n'), err: unwrapped(err).join('\n') };
}

/** What is advised for a metrics page of these lines. */
async function advised(lines: readonly string[]): Promise<readonly AdviceItem[]> {
  const { code, out } = await run(['--json', '--metrics', '-'], {
    stdin: ['plimsoll_build_info{version="1"} 1', ...lines, ''].join('\n'),
  });
  assert.equal(code, 0);
  return (JSON.parse(out) as { readonly advice: readonly AdviceItem[] }).advice;
}

const kinds = async (lines: readonly string[]) => (await advised(lines)).map(({ kind }) => kind);

describe('plimsoll advise', () => {
  it('names a route of a running service that is too dear, by what the calls really used', async (t) => {
    const env = {};
    const shop = routes({ faq: { task: 'analysis', maxTokens: 200 }, chat: {} }, { env });
    const { claude, registry, sim } = workbench({
      instrument: { routes: shop },
      simulator: { respond: () => ({ text: 'In the harbor.' }) },
    });
    const messages = [{ role: 'user' as const, content: 'Where are the ships?' }];
    for (let i = 0; i < 60; i++) await claude.messages.create({ ...shop.route(i < 55 ? 'faq' : 'chat'), messages });
    const { url, close } = await serve(metricsHandler({ registry }), { port: 0 });
    t.after(() => close(0));

    const { code, out } = await run(['--metrics', `${url}/metrics`], { env });
    assert.equal(code, 0);
    const said = out.replace(/\s+/g, ' ');
    assert.match(
      said,
      /WARNING, route Route faq: 55 calls of \d+ tokens in and \d+ out, without tools, on claude-opus-5-5 cost \$[\d.]+; claude-haiku-4-5 would have cost/,
    );
    assert.doesNotMatch(said, /Route chat/);

    const json = await run(['--json', '--metrics', `${url}/metrics`], { env });
    const [item] = (JSON.parse(json.out) as { advice: AdviceItem[] }).advice.filter(({ about }) => about === 'route');
    const billed = sim.truth.totals().get('claude-opus-5-5')?.totalNanoUsd ?? 0;
    assert.ok(billed > 0);
    assert.equal(item?.evidence['costUsd'], billed / 1e9, 'as the server billed it');
  });

  it('counts what a cache holds as part of the prompt: a call that reads a long one is not short', async () => {
    const call = 'model="claude-opus-5-5",operation="messages.create",route="faq"';
    const calls = [
      `anthropic_requests_total{${call},outcome="ok"} 100`,
      `anthropic_stop_reasons_total{${call},stop_reason="end_turn"} 100`,
      `anthropic_tokens_total{${call},kind="input"} 20000`,
      `anthropic_tokens_total{${call},kind="output"} 10000`,
    ];
    const isTooDear = async (lines: readonly string[]) => (await kinds(lines)).includes('model_too_dear');
    assert.equal(await isTooDear(calls), true);
    for (const kind of ['cache_read', 'cache_write_5m', 'cache_write_1h'])
      assert.equal(await isTooDear([...calls, `anthropic_tokens_total{${call},kind="${kind}"} 250000`]), false);
  });

  it('puts what is most important first', async () => {
    const items = await advised([
      'anthropic_budget_limit_usd{budget="all",period="month",scope="all",ledger_id="a"} 100',
      'anthropic_budget_spent_usd{budget="all",period="month",scope="all",ledger_id="a"} 60',
      'anthropic_budget_forecast_usd{budget="all",period="month",scope="all",ledger_id="a"} 130',
      'anthropic_budget_period_end_timestamp_seconds{budget="all",period="month",scope="all"} 1796083200',
      'anthropic_budget_limit_usd{budget="chat",period="day",scope="route",ledger_id="a"} 5',
      'anthropic_budget_spent_usd{budget="chat",period="day",scope="route",ledger_id="a"} 5.1',
      'anthropic_budget_blocked_in_period{budget="chat",period="day",scope="route"} 12',
      'anthropic_tier_info{organization="default",tier="Start",next_tier="Build",source="config"} 1',
      'anthropic_tier_spend_usd{organization="default"} 520',
    ]);
    assert.deepEqual(
      items.map(({ severity, kind }) => `${severity} ${kind}`),
      ['critical budget_spent', 'critical spend_cap_reached', 'warning budget_ahead'],
    );
    assert.match(items[0]?.text ?? '', /^Budget chat: \$5\.10 of \$5 is spent\. 12 calls were refused\./);
    assert.match(
      items[2]?.text ?? '',
      /\$60 of \$100 is spent, and at this pace \$130 will be spent by 1 December, 30% over the limit/,
    );
  });

  it('adds up the ledgers of a budget', async () => {
    const lines = ['a', 'b'].flatMap((ledger) => [
      `anthropic_budget_limit_usd{budget="all",ledger_id="${ledger}"} 100`,
      `anthropic_budget_spent_usd{budget="all",ledger_id="${ledger}"} 50`,
    ]);
    assert.deepEqual(await kinds(lines), ['budget_spent', 'tier_unknown']);
  });

  it('says which ledger is down, and which budgets a restart forgets', async () => {
    const lines = [
      'anthropic_budget_ledger_up{ledger="redis",ledger_id="a"} 0',
      'anthropic_budget_ledger_up{ledger="sqlite",ledger_id="b"} 1',
      'anthropic_budget_volatile_ledger{budget="all",ledger_id="c"} 1',
      'anthropic_budget_volatile_ledger{budget="chat",ledger_id="c"} 1',
    ];
    const items = await advised(lines);
    assert.deepEqual(
      items.filter(({ about }) => about === 'budget').map(({ kind }) => kind),
      ['ledger_down', 'ledger_volatile'],
    );
  });

  it('says which limit refuses how much', async () => {
    const lines = [
      'anthropic_attempts_total{model="claude-sonnet-5",operation="messages.create",key="a",status="200"} 180',
      'anthropic_attempts_total{model="claude-sonnet-5",operation="messages.create",key="a",status="429"} 20',
      'anthropic_rate_limited_total{model="claude-sonnet-5",key="a",reason="input_tokens"} 20',
      'anthropic_rate_limited_total{model="claude-sonnet-5",key="a",reason="requests"} 1',
    ];
    const items = (await advised(lines)).filter(({ kind }) => kind === 'rate_limited');
    assert.deepEqual(
      items.map(({ severity, evidence }) => [severity, evidence['reason'], evidence['share']]),
      [['critical', 'input_tokens', 0.1]],
    );
  });

  it('says so where there is nothing to do', async () => {
    const stdin = 'anthropic_tier_info{organization="default",tier="Build",next_tier="Scale",source="config"} 1\n';
    const { code, out } = await run(['--metrics', '-'], { stdin });
    assert.equal(code, 0);
    assert.match(out, /^Nothing to advise/);
  });

  it('says first which page it reads where none is given', async () => {
    const { err } = await run([]);
    assert.match(err, /^Reading http:\/\/127\.0\.0\.1:9464\/metrics\. Choose another page with --metrics\.$/m);
    assert.doesNotMatch((await run(['--metrics', '/none'])).err, /Reads/);
  });

  it('is found among the commands', async () => {
    const out: string[] = [];
    await main(['--help'], { out: (line: string) => out.push(line) } as unknown as CommandIo);
    assert.ok(out.some((line) => /^ {2}advise +advises on/.test(line)));
  });

  it('explains itself', async () => {
    const { code, out } = await run(['--help']);
    assert.equal(code, 0);
    assert.match(out, /--metrics PLACE/);
  });

  for (const [name, args, stdin, message] of [
    [
      'a file that is not there',
      ['--metrics', '/none'],
      '',
      /^--metrics: expected a readable page, got no such file at \/none: pass the URL or the file of another page$/,
    ],
    [
      'a port that is kept for another protocol',
      ['--metrics', 'http://127.0.0.1:9'],
      '',
      /got a port that fetch does not allow at http:\/\/127\.0\.0\.1:9: pass/,
    ],
    [
      'a page of something else',
      ['--metrics', '-'],
      '<html>',
      /^--metrics: expected a page in the text format of Prometheus, got something else at -: pass/,
    ],
    [
      "metrics of another program's",
      ['--metrics', '-'],
      'up 1\n',
      /^--metrics: expected plimsoll metrics, got only other metrics at -: pass/,
    ],
  ] as const)
    it(`fails, and says why in a sentence, for ${name}`, async () => {
      const { code, out, err } = await run(args, { stdin });
      assert.deepEqual([code, out], [1, '']);
      assert.match(err, message);
    });

  it('refuses arguments that it does not know, and shows those it does', async () => {
    const { code, err } = await run(['--metric', 'x']);
    assert.equal(code, 2);
    assert.match(
      err,
      /^--metric: expected one of --metrics, --json, --help, got an unknown option: did you mean --metrics\?\n?$/,
    );
  });
});
