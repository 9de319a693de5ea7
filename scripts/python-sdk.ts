/**
 * The official Python package through the gateway: installs `anthropic` into a venv of its own, runs the three programs of
 * examples/python, and compares what they print with the simulated API's own account. Where Python, its venv or the
 * package is not to be had it says `not run: …` and ends well: it is a proof besides the tests, and never counted.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sampleKey } from '../testing/scraped.ts';
import { counted, costs, gateway } from '../testing/examples/gateway.ts';
import { examples, ran } from '../testing/examples/programs.ts';

/** Each program, what it asks, and the calls that it makes. */
const PROGRAMS = [
  { file: 'ask.py', questions: ['When is high water?'], operation: 'messages.create' },
  { file: 'ask_async.py', questions: ['When?', 'Where?', 'Why?'], operation: 'messages.create' },
  { file: 'stream.py', questions: ['When is high water?'], operation: 'messages.stream' },
];

const endings: (() => Promise<void> | void)[] = [];
const ends = { after: (end: () => Promise<void> | void) => void endings.unshift(end) };
const folder = mkdtempSync(join(tmpdir(), 'plimsoll-python-'));
ends.after(() => rmSync(folder, { recursive: true }));
try {
  const reason = await notInstalled();
  if (reason === null) console.log(await proved());
  else console.log(`not run: the official Python package: ${reason}`);
} finally {
  for (const end of endings) await end();
}

/** Why the package is not there; `null` where it is. */
async function notInstalled(): Promise<string | null> {
  const requirements = join(examples, 'python', 'requirements.txt');
  const steps = [
    ['python3', '-m', 'venv', folder],
    [join(folder, 'bin', 'pip'), 'install', '--quiet', '--retries', '1', '-r', requirements],
  ];
  for (const [program = '', ...args] of steps) {
    const why = await ran(program, args, { env: process.env }).then(
      ({ code, out, err }) => (code === 0 ? null : `${out}${err}`.trim().split('\n').at(-1)),
      (error: Error) => error.message,
    );
    if (why !== null) return why ?? `${program} failed`;
  }
  return null;
}

/** Runs the programs; what was proved, in a line. */
async function proved(): Promise<string> {
  const { url, api, token, metrics } = await gateway(ends);
  const env = { ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: await token('python'), PYTHONDONTWRITEBYTECODE: '1' };
  for (const { file, questions, operation } of PROGRAMS) {
    const before = api.truth.requests.length;
    // The first request of each is refused once: the package sends it again, and the call is one all the same.
    api.script([{ fault: 'requests_limit', headers: { 'retry-after-ms': '1' } }]);
    const program = [join(examples, 'python', file), ...questions];
    const { code, err } = await ran(join(folder, 'bin', 'python'), program, { env });
    assert.equal(code, 0, err);
    const made = api.truth.requests.slice(before);
    assert.deepEqual(made.map((request) => `${request.operation} ${request.key} ${request.status}`).sort(), [
      ...questions.map(() => `${operation} real 200`),
      `${operation} real 429`,
    ]);
    const used = made.filter(({ status }) => status === 200).map(({ usage }) => usage);
    const told = used.map((usage) => `${usage?.input_tokens} tokens in, ${usage?.output_tokens} out`);
    assert.deepEqual(err.trim().split('\n').sort(), told.sort(), file);
  }
  const page = await metrics();
  const labels = { key: 'dev-local-key', client: 'python', team: 'research', model: 'claude-haiku-4-5', outcome: 'ok' };
  const calls = (operation: string, feature: string) =>
    sampleKey('anthropic_requests_total', { ...labels, operation, feature });
  assert.deepEqual(
    counted(page, 'anthropic_requests_total'),
    new Map([
      [calls('messages.create', 'ask'), 4],
      [calls('messages.stream', 'stream'), 1],
    ]),
  );
  const [retries, refusals] = ['anthropic_retries_total', 'anthropic_rate_limited_total'].map((name) =>
    [...counted(page, name).values()].reduce((sum, value) => sum + value, 0),
  );
  assert.deepEqual([retries, refusals], [PROGRAMS.length, PROGRAMS.length]);
  const { counted: cost, billed } = costs(page, api);
  assert.equal(cost, billed);
  const { out } = await ran(join(folder, 'bin', 'python'), ['-c', 'import anthropic; print(anthropic.__version__)']);
  return `proved: the official Python package ${out.trim()}: 5 calls and 3 retries, $${cost}, all counted as the API did`;
}
