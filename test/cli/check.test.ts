import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { command } from '../../src/cli/check.ts';
import { serve, type Handler } from '../../src/http/serve.ts';
import { simulator, type Fault, type SimulatorOptions } from '../../src/simulator/index.ts';

const NOW = Date.UTC(2026, 10, 24, 12);
const KEY = `sk-ant-api03-${randomBytes(71).toString('base64url')}AA`;

interface Ran {
  readonly code: number;
  readonly out: readonly string[];
  /** The last lines as sentences: `Likely cause` and `Do next`, unwrapped. */
  readonly cause: string;
  readonly next: string;
}

async function run(env: Readonly<Record<string, string>>, args: readonly string[] = []): Promise<Ran> {
  const out: string[] = [];
  const code = await command.run(args, {
    stdin: (async function* none() {})(),
    out: (line) => out.push(line),
    err: (line) => out.push(line),
    env: { ANTHROPIC_AUTH_TOKEN: KEY, ANTHROPIC_DEFAULT_MODEL: 'claude-haiku-5-5', ...env },
    now: () => NOW,
    columns: 80,
    color: false,
    signal: new AbortController().signal,
  });
  assert.ok(!out.join('').includes(KEY.slice(20, 40)));
  if (!args.includes('--json')) for (const line of out) assert.ok(line.length <= 80, line);
  const text = out.join('\n').replace(/\n {14}(?=\S)/g, ' ');
  const cause = /^Likely cause: (.*)$/m.exec(text)?.[1] ?? '';
  return { code, out, cause, next: /^Do next: +(.*)$/m.exec(text)?.[1] ?? '' };
}

/** Served on loopback, with this test's time in its answers. */
async function served(t: TestContext, handler: Handler): Promise<string> {
  const dated: Handler = async (request) => {
    const response = await handler(request);
    const headers = new Headers(response.headers);
    if (!headers.has('date')) headers.set('date', new Date(NOW).toUTCString());
    return new Response(response.body, { status: response.status, headers });
  };
  const { url, close } = await serve(dated, { port: 0 });
  t.after(() => close(0));
  return url;
}

async function simulated(t: TestContext, faults: readonly Fault[], options: SimulatorOptions = {}) {
  const claude = simulator({ clock: { now: () => NOW, sleep: () => Promise.resolve() }, ...options });
  claude.script(faults);
  return { claude, ANTHROPIC_BASE_URL: await served(t, claude.handle) };
}

const PASS: Fault = { fault: 'none' };

describe('plimsoll check', () => {
  it('takes the steps of a call, times them, and says what it cost', async (t) => {
    const { claude, ANTHROPIC_BASE_URL } = await simulated(t, [], { tier: 'build' });
    const { code, out } = await run({ ANTHROPIC_BASE_URL }, ['--model', 'claude-haiku-4-5']);
    assert.equal(code, 0);
    const port = new URL(ANTHROPIC_BASE_URL).port;
    const [sent] = claude.truth.totals().values();
    const price = `${(Number(sent?.totalNanoUsd) / 1e9).toFixed(9).replace(/0+$/, '')} USD`;
    const shown = out.map((line) => line.replace(/ +\d+ ms/, ' N ms'));
    assert.deepEqual(shown.slice(0, 13), [
      'ok    configuration N ms  ANTHROPIC_AUTH_TOKEN is set',
      'ok    dns N ms  127.0.0.1: 127.0.0.1',
      `ok    connection N ms  port ${port} is open`,
      'ok    credentials N ms  accepted, organization',
      '                               5f0c2b7e-3d41-4c8a-9e56-0b1d7a2f8c34',
      'ok    model N ms  claude-haiku-4-5 is claude-haiku-4-5-20251001',
      `ok    prompt N ms  11 tokens in, 8 out: ${price}`,
      'ok    tier N ms  Build, by the limits a minute: 5,000 requests,',
      '                               5,000,000 input tokens, 1,000,000 output tokens',
      "ok    clock N ms  agrees with the API's within 2 s",
      '',
      `claude-haiku-4-5 answers at ${ANTHROPIC_BASE_URL}.`,
      `This check cost ${price}.`,
    ]);
  });

  it('sends what the SDK sends: a bearer token, the version, and a prompt of a few tokens', async (t) => {
    const requests: { readonly path: string; readonly headers: Headers }[] = [];
    const claude = simulator();
    const url = await served(t, (request) => {
      requests.push({ path: new URL(request.url).pathname, headers: request.headers });
      return claude.handle(request);
    });
    assert.equal((await run({ ANTHROPIC_BASE_URL: `${url}/` })).code, 0);
    assert.deepEqual(
      requests.map(({ path }) => path),
      ['/v1/models', '/v1/models/claude-haiku-5-5', '/v1/messages'],
    );
    for (const { headers } of requests) {
      assert.equal(headers.get('authorization'), `Bearer ${KEY}`);
      assert.equal(headers.get('anthropic-version'), '2026-10-21');
    }
  });

  it('writes one object for programs, with the steps, the tier, the skew and the price', async (t) => {
    const { ANTHROPIC_BASE_URL } = await simulated(t, []);
    const { code, out } = await run({ ANTHROPIC_BASE_URL }, ['--json']);
    assert.equal(code, 0);
    const report = JSON.parse(out.join('\n')) as Record<string, unknown> & { steps: { name: string }[] };
    assert.deepEqual(
      report.steps.map(({ name }) => name),
      ['configuration', 'dns', 'connection', 'credentials', 'model', 'prompt', 'tier', 'clock'],
    );
    assert.deepEqual([report['ok'], report['diagnosis'], report['clockSkewSeconds']], [true, null, 0]);
    assert.ok(Number(report['costNanoUsd']) > 0);
  });

  it('calls an API that lists no models, such as a gateway, by the prompt alone', async (t) => {
    const claude = simulator();
    const url = await served(t, (request) =>
      request.method === 'GET' ? Promise.resolve(new Response('', { status: 404 })) : claude.handle(request),
    );
    const { code, out } = await run({ ANTHROPIC_BASE_URL: url });
    assert.equal(code, 0);
    assert.match(out.join('\n'), /skip {2}credentials .* no list of models here: the prompt will tell/);
  });

  it('says by how much the clock of this machine is wrong', async (t) => {
    const claude = simulator();
    const url = await served(t, async (request) => {
      const response = await claude.handle(request);
      response.headers.set('date', new Date(NOW + 300_000).toUTCString());
      return response;
    });
    const { code, out } = await run({ ANTHROPIC_BASE_URL: url });
    assert.equal(code, 0);
    assert.match(out.join('\n'), /warn {2}clock +\d+ ms {2}this machine is 300 s behind the API/);
  });
});

const SETTINGS = 'https://platform.claude.com/settings';
const LATER = 'Nothing is to be changed here. Try again in a minute; a retry policy with backoff does so by itself.';

describe('what plimsoll check says of a refusal', () => {
  const cases: readonly (readonly [
    name: string,
    faults: readonly Fault[],
    code: number,
    cause: string,
    next: string,
  ])[] = [
    [
      'a key that is not accepted',
      [{ fault: 'unauthorized' }],
      5,
      'HOST does not accept the key in ANTHROPIC_AUTH_TOKEN: it was disabled, has expired, was not copied whole, or is for another service.',
      `See whether the key is active at ${SETTINGS}/keys, or make a new one there and put it into ANTHROPIC_AUTH_TOKEN.`,
    ],
    [
      'a key that may not do this',
      [PASS, PASS, { fault: 'permission_denied' }],
      5,
      'The key in ANTHROPIC_AUTH_TOKEN is known, and may not do this: its workspace, its scopes or the place it is called from does not allow it.',
      `See at ${SETTINGS}/keys what the key's workspace allows, or use a key of another workspace.`,
    ],
    [
      'a bill that cannot be paid',
      [PASS, PASS, { fault: 'linked_organization_billing' }],
      7,
      'The organization cannot be billed: no credit is left, or the payment method was declined.',
      `Confirm the payment method in Billing, and add credit where it is prepaid: ${SETTINGS}/billing`,
    ],
    [
      'credit that is used up, as it is said with status 400',
      [
        PASS,
        PASS,
        {
          fault: 'error',
          status: 400,
          type: 'invalid_request_error',
          message: 'Your credit balance is too low to access the API.',
        },
      ],
      7,
      'The organization cannot be billed: no credit is left, or the payment method was declined.',
      `Confirm the payment method in Billing, and add credit where it is prepaid: ${SETTINGS}/billing`,
    ],
    [
      "the tier's spend cap",
      [PASS, PASS, { fault: 'tier_spend_cap' }],
      7,
      'The organization has spent what its usage tier allows in a month. It lifts on 2026-12-01 00:00 UTC.',
      `Wait until then, or ask for a higher limit: ${SETTINGS}/limits. Trying again before cannot help.`,
    ],
    [
      "the contract's spend cap",
      [PASS, PASS, { fault: 'contract_spend_cap' }],
      7,
      'The organization has spent what its contract allows.',
      'Ask your contact at Anthropic to raise it. Trying again cannot help.',
    ],
    [
      "the organization's own spend limit",
      [PASS, PASS, { fault: 'organization_spend_limit' }],
      7,
      'The organization has spent the limit that it set for itself. It lifts on 2026-12-01 00:00 UTC.',
      `Wait until then, or raise the limit: ${SETTINGS}/limits. Trying again before cannot help.`,
    ],
    [
      "a workspace's spend limit",
      [PASS, PASS, { fault: 'workspace_spend_limit' }],
      7,
      'The workspace has spent the limit that was set for it. It lifts on 2026-12-01 00:00 UTC.',
      `Wait until then, or raise the limit: ${SETTINGS}/limits. Trying again before cannot help.`,
    ],
    [
      'a rate limit',
      [PASS, PASS, { fault: 'input_tokens_limit', headers: { 'retry-after': '7' } }],
      8,
      'The rate limit of input tokens is used up at the moment; key, model and network are good.',
      'Wait 7 s, as the answer asks, and check again. If it stays so, something else is using the same limits.',
    ],
    [
      'an overload',
      [PASS, PASS, { fault: 'overloaded' }],
      8,
      'The API is overloaded for everybody at the moment; key, model and network are good.',
      LATER,
    ],
    [
      "the server's own failure",
      [PASS, PASS, { fault: 'server_error' }],
      8,
      'HOST answered with 500: it fails at the moment, and not for anything in the request.',
      `${LATER} See also https://status.claude.com`,
    ],
    [
      'a refusal that is not known, without a key that stands in it',
      [PASS, PASS, { fault: 'error', status: 418, type: 'teapot', message: `short and stout, ${KEY}` }],
      1,
      'HOST refused with 418: short and stout, sk-ant-api03-…',
      'The message says what is wrong; if it does not, see https://platform.claude.com/docs/en/api/errors',
    ],
    [
      'a connection that breaks',
      [{ fault: 'connection_reset' }],
      4,
      'The connection to HOST was broken before an answer came: a firewall or a proxy, or a restart.',
      'Try again; if it happens each time, ask whoever runs the network whether calls to that host are allowed.',
    ],
  ];
  for (const [name, faults, code, cause, next] of cases) {
    it(`tells ${name}, and what to do`, async (t) => {
      const { ANTHROPIC_BASE_URL } = await simulated(t, faults);
      const ran = await run({ ANTHROPIC_BASE_URL });
      const host = new URL(ANTHROPIC_BASE_URL).host;
      assert.deepEqual([ran.code, ran.cause, ran.next], [code, cause.replace('HOST', host), next]);
    });
  }

  it('names the model that was meant', async (t) => {
    const { ANTHROPIC_BASE_URL } = await simulated(t, []);
    const ran = await run({ ANTHROPIC_BASE_URL, ANTHROPIC_DEFAULT_MODEL: 'claude-haku-4-5' });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        6,
        'There is no model claude-haku-4-5 for this key; the nearest is claude-haiku-4-5.',
        'Set ANTHROPIC_DEFAULT_MODEL=claude-haiku-4-5, or another of the list at GET /v1/models.',
      ],
    );
  });

  it('tells a model that the API has retired since', async (t) => {
    const clock = { now: () => Date.UTC(2027, 0, 1), sleep: () => Promise.resolve() };
    const { ANTHROPIC_BASE_URL } = await simulated(t, [], { clock });
    const ran = await run({ ANTHROPIC_BASE_URL, ANTHROPIC_DEFAULT_MODEL: 'claude-sonnet-4-5' });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        6,
        'claude-sonnet-4-5 is retired since 2026-11-30: calls to it fail.',
        'Set ANTHROPIC_DEFAULT_MODEL to a newer model of its family; `plimsoll prices` lists them.',
      ],
    );
  });

  it('knows a proxy by an answer that the API does not give', async (t) => {
    const url = await served(t, async () => new Response('<h1>Blocked</h1>', { status: 403 }));
    const ran = await run({ ANTHROPIC_BASE_URL: url });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        `Something on the way to ${new URL(url).host} answered with 403, and it was not the API: a proxy, or another service.`,
        'See that ANTHROPIC_BASE_URL names an API; then ask whoever runs the proxy to let calls to that host pass.',
      ],
    );
  });
});

describe('what plimsoll check says of a configuration', () => {
  const NEXT = 'Correct the environment or the .env file, and check again.';

  it('without a key names the variable, and sends nothing', async () => {
    const ran = await run({ ANTHROPIC_AUTH_TOKEN: '' });
    assert.deepEqual(
      [ran.code, ran.out[0]?.replace(/ +\d+ ms/, ''), ran.next],
      [3, 'FAIL  configuration  no key', NEXT],
    );
    assert.match(ran.cause, /^ANTHROPIC_AUTH_TOKEN is empty: .* https:\/\/platform\.claude\.com\/settings\/keys, put /);
  });

  for (const [prefix, seen, said] of [
    ['sk-ant-admin01-', 'admin_key', 'got an admin key'],
    ['sk-ant-api01-', 'enterprise_admin_key', 'got an admin key of an enterprise'],
    ['sk-ant-ort01-', 'refresh_token', 'got a refresh token'],
    ['sk-ant-sid01-', 'session', 'got the session of a browser'],
  ] as const)
    it(`with a key of the wrong kind, ${prefix}, says which it is`, async () => {
      const ran = await run({ ANTHROPIC_AUTH_TOKEN: KEY.replace('sk-ant-api03-', prefix) });
      assert.equal(ran.code, 3);
      assert.match(ran.out[0] ?? '', new RegExp(`FAIL +configuration +\\d+ ms +not an API key: ${seen}`));
      assert.ok(ran.cause.includes(said), ran.cause);
      assert.equal(ran.next, NEXT);
    });

  it('lets an OAuth access token try, as the API takes it', async (t) => {
    const { ANTHROPIC_BASE_URL } = await simulated(t, []);
    const token = KEY.replace('sk-ant-api03-', 'sk-ant-oat01-');
    assert.equal((await run({ ANTHROPIC_BASE_URL, ANTHROPIC_AUTH_TOKEN: token })).code, 0);
  });

  it('tells all problems at once', async () => {
    const ran = await run({ ANTHROPIC_MAX_TOKENS: 'many', ANTHROPIC_ENV: 'moon' });
    assert.equal(ran.code, 3);
    assert.match(ran.cause, /ANTHROPIC_ENV: expected .*ANTHROPIC_MAX_TOKENS: expected /);
  });

  it('tells a model that is retired by the price table', async () => {
    const { code, out } = await run({ ANTHROPIC_DEFAULT_MODEL: 'claude-3-haiku-20240307' }, ['--json']);
    assert.equal(code, 6);
    assert.match(out.join('\n'), /retired since 2026-04-20: use claude-haiku-5-5/);
  });
});

describe('what plimsoll check says of the network', () => {
  it('tells a name that the DNS does not know', async () => {
    const ran = await run({ ANTHROPIC_BASE_URL: 'https://api.anthropic.invalid' });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        'The name api.anthropic.invalid is not known to the DNS here.',
        'Look for a typing mistake in ANTHROPIC_BASE_URL; then see whether this machine has a network and a DNS server.',
      ],
    );
  });

  it('tells a port where nothing listens', async () => {
    const { url, close } = await serve(async () => new Response(), { port: 0 });
    await close(0);
    const ran = await run({ ANTHROPIC_BASE_URL: url });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        `Nothing listens at ${new URL(url).host}.`,
        'Start the gateway or the simulator that ANTHROPIC_BASE_URL names, or correct its port; unset it to call the API itself.',
      ],
    );
  });

  it('tells a server that does not answer in time', async (t) => {
    const url = await served(t, () => new Promise(() => undefined));
    const ran = await run({ ANTHROPIC_BASE_URL: url }, ['--timeout', '200']);
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        `No answer came from ${new URL(url).host} within 200 ms.`,
        'See whether a firewall lets this machine call out on that port; raise ANTHROPIC_TIMEOUT_MS where the network is slow.',
      ],
    );
  });

  it('tells a certificate that nobody known has signed', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'plimsoll-check-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    execFileSync('openssl', [...request, ...subject, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' });
    const server = createServer({ key: readFileSync(keyFile), cert: readFileSync(certFile) });
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    t.after(() => server.close());
    const host = `localhost:${(server.address() as AddressInfo).port}`;
    const ran = await run({ ANTHROPIC_BASE_URL: `https://${host}` });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        `Nobody whom Node trusts has signed the certificate of ${host}: a proxy that reads TLS, or a certificate of your own.`,
        'Get the certificate of the authority that signed it, and name its file in NODE_EXTRA_CA_CERTS. Never turn verification off.',
      ],
    );
  });

  it('tells TLS that is spoken to a server without it', async (t) => {
    const url = (await served(t, async () => new Response())).replace('http:', 'https:');
    const ran = await run({ ANTHROPIC_BASE_URL: url });
    assert.deepEqual([ran.code, ran.cause], [4, `${new URL(url).host} does not speak TLS.`]);
    assert.match(ran.next, /^Begin ANTHROPIC_BASE_URL with http:\/\/ if /);
  });

  it('notices a proxy that Node was not told to use', async () => {
    const env = {
      ANTHROPIC_BASE_URL: 'https://api.anthropic.invalid',
      HTTPS_PROXY: 'http://user:pass@proxy.example:3128',
    };
    const ran = await run(env);
    assert.equal(
      ran.cause,
      'The name api.anthropic.invalid is not known to the DNS here. HTTPS_PROXY names a proxy, and Node uses it only when it is told to.',
    );
    assert.match(ran.next, /^Set NODE_USE_ENV_PROXY=1 if calls are to go through the proxy\. /);
    assert.ok(!ran.out.join('').includes('pass'));
    const exempt = await run({ ...env, NO_PROXY: '.invalid' });
    assert.doesNotMatch(exempt.cause, /HTTPS_PROXY/);
  });

  it('looks for the proxy itself where calls go through it', async () => {
    const { url, close } = await serve(async () => new Response(), { port: 0 });
    await close(0);
    const env = { HTTPS_PROXY: url, NODE_USE_ENV_PROXY: '1' };
    const ran = await run(env);
    assert.equal(ran.cause, `Nothing listens at ${new URL(url).host}.`);
  });

  it('shows no password of a base URL', async () => {
    const { code, out } = await run({ ANTHROPIC_BASE_URL: 'https://me:hunter2@example.org' }, ['--json']);
    assert.equal(code, 3);
    assert.ok(!out.join('').includes('hunter2'));
  });
});

describe('the arguments of plimsoll check', () => {
  it('are explained with the exit codes', async () => {
    const { code, out } = await run({}, ['--help']);
    assert.equal(code, 0);
    assert.match(out.join('\n'), /Exit code: 0 calls can be made, 2 wrong arguments, 3 configuration/);
  });

  it('are refused where one is not known', async () => {
    const { code, out } = await run({}, ['--fast']);
    assert.deepEqual([code, out[0]], [2, "Unknown option '--fast'."]);
  });
});
