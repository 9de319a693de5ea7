/**
 * The stacks of the README's table whose packages are too large for every day, a gigabyte together. Installs each into a
 * folder of its own, runs its line on a simulated API, and compares the metrics with what that billed; for the Claude Agent SDK
 * and Claude Code also with the cost that they state themselves. Where npm has no package it says `not run: …`, and ends well.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createAnthropic } from '@ai-sdk/anthropic';
import { instrumentFetch } from 'plimsoll';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { costs, gateway } from '../testing/examples/gateway.ts';
import { ran } from '../testing/examples/programs.ts';
import { scraped, type Scraped } from '../testing/scraped.ts';
import { madeByLine } from '../testing/stacks.ts';

/** One stack, with what is installed for it and what it does then; `folder` has the packages. */
interface OtherStack {
  readonly name: string;
  readonly packages: readonly string[];
  readonly prove: (folder: string) => Promise<string>;
}

const QUESTION = 'When is high water?';
const MODEL = 'claude-haiku-4-5';
const respond = () => ({ text: 'At noon.' });

const endings: (() => Promise<void> | void)[] = [];
const ends = { after: (end: () => Promise<void> | void) => void endings.unshift(end) };

/** An export of a package that is installed in the folder. */
async function imported(folder: string, name: string): Promise<Readonly<Record<string, unknown>>> {
  const path = createRequire(join(folder, 'any.js')).resolve(name);
  return (await import(String(pathToFileURL(path)))) as Readonly<Record<string, unknown>>;
}

function sumOf(page: Scraped, metric: string): number {
  return [...page.samples].reduce((sum, [key, value]) => (key.startsWith(`${metric}{`) ? sum + value : sum), 0);
}

interface MastraAgent {
  generate(question: string): Promise<{ readonly text: string }>;
}

async function proveMastra(folder: string): Promise<string> {
  const api = simulator({ respond });
  const registry = new Registry();
  const { Agent } = await imported(folder, '@mastra/core/agent');
  const agent = madeByLine('Mastra', {
    ...{ Agent, model: MODEL, fetch: api.fetch },
    agent: { id: 'pilot', name: 'pilot', instructions: 'Be brief.', maxRetries: 2 },
    createAnthropic: (options: object) =>
      createAnthropic({ ...options, apiKey: 'test', baseURL: 'https://api.anthropic.com/v1' }),
    instrumentFetch: (given: typeof fetch) => instrumentFetch(given, { registry }),
  }) as MastraAgent;
  api.script([{ fault: 'requests_limit', headers: { 'retry-after-ms': '1' } }]);
  assert.equal((await agent.generate(QUESTION)).text, 'At noon.');
  const page = scraped(await registry.metrics());
  const tokens = api.truth.requests.flatMap(({ billed }) =>
    billed.map((part) => part.tokens.input + part.tokens.output),
  );
  assert.equal(sumOf(page, 'anthropic_attempts_total'), 2);
  assert.equal(sumOf(page, 'anthropic_requests_total'), 1);
  assert.equal(
    sumOf(page, 'anthropic_tokens_total'),
    tokens.reduce((sum, each) => sum + each, 0),
  );
  return 'one call of two attempts, with the tokens that were billed';
}

type Query = (
  asked: object,
) => AsyncIterable<{ readonly type: string; readonly total_cost_usd?: number; readonly result?: string }>;

async function proveAgentSdk(folder: string): Promise<string> {
  const { url, api, token, metrics } = await gateway(ends, { respond });
  const query = (await imported(folder, '@anthropic-ai/claude-agent-sdk'))['query'] as Query;
  const env = {
    ...{ PATH: process.env['PATH'], HOME: folder, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' },
    ...{ ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: await token('python') },
  };
  const options = { env, cwd: folder, model: MODEL, tools: [], maxTurns: 1 };
  let [usd, text] = [0, ''];
  for await (const { total_cost_usd: cost = 0, result = '' } of query({ prompt: QUESTION, options })) {
    [usd, text] = [Math.max(usd, cost), result === '' ? text : result];
  }
  assert.equal(text, 'At noon.');
  const page = await metrics();
  assert.equal(sumOf(page, 'anthropic_requests_total'), api.truth.requests.length);
  const { counted, billed } = costs(page, api);
  assert.deepEqual([counted, usd.toFixed(9)], [billed, billed]);
  return `${api.truth.requests.length} call of its process through the gateway, at the $${usd.toFixed(6)} that it states itself`;
}

/** Runs Claude Code as its users do, without its telemetry, and with a home of its own. */
async function proveClaudeCode(folder: string): Promise<string> {
  const { url, api, token, metrics } = await gateway(ends, { respond });
  const env = {
    ...{ HOME: folder, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_TELEMETRY: '1' },
    ...{ ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: await token('python') },
  };
  const asked = ['-p', QUESTION, '--model', MODEL, '--max-turns', '1', '--output-format', 'json'];
  const program = join(folder, 'node_modules', '.bin', 'claude');
  const { code, out, err } = await ran(program, asked, { cwd: folder, env });
  assert.equal(code, 0, `${out}${err}`);
  const { result, total_cost_usd: usd } = JSON.parse(out) as {
    readonly result: string;
    readonly total_cost_usd: number;
  };
  assert.equal(result, 'At noon.');
  const page = await metrics();
  const messages = api.truth.requests.filter(({ operation }) => operation.startsWith('messages.'));
  assert.ok(messages.length > 0 && messages.every(({ status }) => status === 200));
  const { counted, billed } = costs(page, api);
  assert.deepEqual([counted, usd.toFixed(9)], [billed, billed]);
  return `calls of its own through the gateway: ${messages.length}, at the $${usd.toFixed(6)} that it states itself`;
}

const STACKS: readonly OtherStack[] = [
  { name: 'Mastra', packages: ['@mastra/core@1.71.0', 'zod@4.6.7'], prove: proveMastra },
  {
    name: 'the Claude Agent SDK',
    packages: ['@anthropic-ai/claude-agent-sdk@0.3.332'],
    prove: proveAgentSdk,
  },
  { name: 'Claude Code', packages: ['@anthropic-ai/claude-code@2.1.328'], prove: proveClaudeCode },
];

for (const { name, packages, prove } of STACKS) {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-stack-'));
  ends.after(() => rmSync(folder, { recursive: true, force: true }));
  try {
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
    const install = ['install', '--no-audit', '--no-fund', '--prefix', folder, ...packages];
    const { code, err } = await ran('npm', install, { env: process.env });
    console.log(
      code === 0 ? `${name}: ${await prove(folder)}` : `not run: ${name}: ${err.trim().split('\n').at(-1) ?? ''}`,
    );
  } finally {
    for (const end of endings.splice(0)) await end();
  }
}
