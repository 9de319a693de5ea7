import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { CheckReport } from '../../src/check/report.ts';
import { simulator, type Fault } from '../../src/simulator/index.ts';
import { KEY, NOW, run, served, simulated, TOKEN } from '../../testing/checked.ts';
import { unwrapped } from '../../testing/unwrapped.ts';

const PASS: Fault = { fault: 'none' };
/** The key of the tests with another prefix. */
const wrong = (prefix: string): string => KEY.replace('sk-ant-api03-', prefix);

/** A step as one line, without its time. */
function step(out: readonly string[], name: string): string {
  const unwrapped = out.join('\n').replace(/\n {31}(?=\S)/g, ' ');
  return new RegExp(`^(\\w+) +${name} +\\d+ ms  (.*)$`, 'm').exec(unwrapped)?.slice(1).join(' ') ?? '';
}

describe('plimsoll check', () => {
  it('takes the steps of a call, times them, and says what it cost', async (t) => {
    const { claude, ANTHROPIC_BASE_URL } = await simulated(t, [], { tier: 'build' });
    const { code, out } = await run({ ANTHROPIC_BASE_URL }, ['--model', 'claude-haiku-4-5']);
    assert.equal(code, 0);
    const port = new URL(ANTHROPIC_BASE_URL).port;
    const [sent] = claude.truth.totals().values();
    const price = `${(Number(sent?.totalNanoUsd) / 1e9).toFixed(9).replace(/0+$/, '')} USD`;
    const shown = out.map((line) => line.replace(/ +\d+ ms/, ' N ms'));
    assert.deepEqual(shown.slice(0, 15), [
      'ok    configuration N ms  ANTHROPIC_AUTH_TOKEN is set, sent as',
      '                               Authorization: Bearer',
      'ok    dns N ms  127.0.0.1: an IP address, no lookup needed',
      `ok    connection N ms  port ${port} is open`,
      'ok    credentials N ms  accepted, organization',
      '                               5f0c2b7e-3d41-4c8a-9e56-0b1d7a2f8c34',
      'ok    model N ms  claude-haiku-4-5 is claude-haiku-4-5-20251001',
      `ok    prompt N ms  11 tokens in, 8 out: ${price}`,
      'ok    tier N ms  Build, from the per-minute limits: 5,000',
      '                               requests, 5,000,000 input tokens, 1,000,000',
      '                               output tokens',
      "ok    clock N ms  agrees with the API's within 2 s",
      '',
      `claude-haiku-4-5 answers at ${ANTHROPIC_BASE_URL}.`,
      `This check cost ${price}.`,
    ]);
  });

  it('says what docs/check.md shows, where all is well and where it is not', async (t) => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/check.md'), 'utf8');
    const shown = [...page.matchAll(/^```console\n\$ [^\n]*\n([^]*?)(?:^\$[^]*?)?^```$/gm)].map(
      ([, text = '']) => text,
    );
    const steady = (text: string): string =>
      text.replace(/ +\d+ ms/g, ' N ms').replace(/(127\.0\.0\.1:|port )\d+/g, '$1PORT');
    const { ANTHROPIC_BASE_URL } = await simulated(t, [], { tier: 'start' });
    for (const [index, model] of ['claude-haiku-4-5', 'claude-haku-4-5'].entries()) {
      const { out } = await run({ ANTHROPIC_BASE_URL }, ['--model', model]);
      assert.equal(steady(`${out.join('\n')}\n`), steady(shown[index] ?? ''));
    }
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

  it('checks an API that lists no models, such as a gateway, by the prompt only', async (t) => {
    const claude = simulator();
    const url = await served(t, (request) =>
      request.method === 'GET' ? Promise.resolve(new Response('', { status: 404 })) : claude.handle(request),
    );
    const { code, out } = await run({ ANTHROPIC_BASE_URL: url });
    assert.equal(code, 0);
    assert.match(out.join('\n'), /skip {2}credentials .* this server does not list models;/);
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
    assert.equal(step(out, 'clock'), 'warn this machine is 300 s behind the API: budget periods shift; set the clock');
  });

  it('says when a model will retire, and that it still answers', async (t) => {
    const { ANTHROPIC_BASE_URL } = await simulated(t, []);
    const { code, out } = await run({ ANTHROPIC_BASE_URL, ANTHROPIC_DEFAULT_MODEL: 'claude-sonnet-4-5' });
    assert.equal(code, 0);
    assert.equal(
      step(out, 'model'),
      'warn claude-sonnet-4-5 is claude-sonnet-4-5-20250929, which retires on 2026-11-30',
    );
  });

  it('says what a response does not show: a known price, a tier, or limits', async (t) => {
    const named = simulator({ unknownModels: 'serve' });
    const bare = await served(t, async (request) => {
      if (request.method === 'GET') return new Response(null, { status: 404 });
      const { body, status } = await named.handle(request);
      return new Response(body, { status });
    });
    const unknown = await run({ ANTHROPIC_BASE_URL: bare, ANTHROPIC_DEFAULT_MODEL: 'my-model' });
    assert.equal(unknown.code, 0);
    assert.equal(step(unknown.out, 'prompt'), 'ok 11 tokens in, 8 out: no price is known');
    assert.equal(step(unknown.out, 'tier'), 'skip the response shows no rate limits');
    const { ANTHROPIC_BASE_URL } = await simulated(t, []);
    const { out } = await run({ ANTHROPIC_BASE_URL });
    assert.equal(
      step(out, 'tier'),
      'ok not known, from the per-minute limits: 10,000 requests, 10,000,000 input tokens, 2,000,000 output tokens',
    );
  });
});

const SETTINGS = 'https://platform.claude.com/settings';
const LATER =
  'You do not have to change anything. Try again in a minute; a retry policy with backoff does that for you.';

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
      'HOST does not accept the key in ANTHROPIC_AUTH_TOKEN: it was disabled, has expired, is incomplete, or is for another service.',
      `Check at ${SETTINGS}/keys that the key is active, or create a new one there and set ANTHROPIC_AUTH_TOKEN to it.`,
    ],
    [
      'a key that may not do this',
      [PASS, PASS, { fault: 'permission_denied' }],
      5,
      "The key in ANTHROPIC_AUTH_TOKEN is valid, but may not do this: its workspace, its scopes or the caller's location does not allow it.",
      `Check at ${SETTINGS}/keys what the key's workspace allows, or use a key of another workspace.`,
    ],
    [
      'a bill that cannot be paid',
      [PASS, PASS, { fault: 'linked_organization_billing' }],
      7,
      'The organization cannot be billed: the payment method was declined, or billing is not set up.',
      `Check the payment method in Billing: ${SETTINGS}/billing. Retrying before then cannot help.`,
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
      'The account has no credit left, and calls fail until some is bought.',
      `Add credit, or turn on auto-reload: ${SETTINGS}/billing. Retrying before then cannot help.`,
    ],
    [
      "the tier's spend cap",
      [PASS, PASS, { fault: 'tier_spend_cap' }],
      7,
      'The organization has reached the monthly spend cap of its usage tier. It lifts on 2026-12-01 00:00 UTC.',
      `Wait until then, or ask for a higher limit: ${SETTINGS}/limits. Retrying before then cannot help.`,
    ],
    [
      "the contract's spend cap",
      [PASS, PASS, { fault: 'contract_spend_cap' }],
      7,
      'The organization has reached the spend limit of its contract.',
      'Ask your contact at Anthropic to raise it. Retrying cannot help.',
    ],
    [
      "the organization's own spend limit",
      [PASS, PASS, { fault: 'organization_spend_limit' }],
      7,
      'The organization has reached the spend limit that it set for itself. It lifts on 2026-12-01 00:00 UTC.',
      `Wait until then, or raise the limit: ${SETTINGS}/limits. Retrying before then cannot help.`,
    ],
    [
      "a workspace's spend limit",
      [PASS, PASS, { fault: 'workspace_spend_limit' }],
      7,
      'The workspace has reached its spend limit. It lifts on 2026-12-01 00:00 UTC.',
      `Wait until then, or raise the limit: ${SETTINGS}/limits. Retrying before then cannot help.`,
    ],
    [
      'a rate limit',
      [PASS, PASS, { fault: 'input_tokens_limit', headers: { 'retry-after': '7' } }],
      8,
      'The rate limit on input tokens is reached; the key, model and network are fine.',
      'Wait 7 s, as the response asks, then check again. If it happens again, something else is using the same limits.',
    ],
    [
      'a limit on growth',
      [PASS, PASS, { fault: 'acceleration_limit', headers: { 'retry-after': null } }],
      8,
      "The organization's traffic grew faster than the API allows; the key, model and network are fine.",
      'Wait a minute, then increase traffic slowly.',
    ],
    [
      'a rate limit that does not say which it is',
      [PASS, PASS, { fault: 'error', status: 429, type: 'rate_limit_error', message: 'Slow down.' }],
      8,
      'A rate limit is reached; the key, model and network are fine.',
      'Wait a minute, then check again. If it happens again, something else is using the same limits.',
    ],
    [
      'an overload',
      [PASS, PASS, { fault: 'overloaded' }],
      8,
      'The API is overloaded for everyone; the key, model and network are fine.',
      LATER,
    ],
    [
      "the server's own failure",
      [PASS, PASS, { fault: 'server_error' }],
      8,
      'HOST answered with 500: the server failed. The request is not the cause.',
      `${LATER} See also https://status.claude.com`,
    ],
    [
      'a refusal that is not known, without a key that stands in it',
      [PASS, PASS, { fault: 'error', status: 418, type: 'teapot', message: `short and stout, ${KEY}` }],
      1,
      'HOST refused with 418: short and stout, sk-ant-api03-…',
      'If the message does not say what is wrong, see https://platform.claude.com/docs/en/api/errors',
    ],
    [
      'a connection that breaks',
      [{ fault: 'connection_reset' }],
      4,
      'The connection to HOST broke before a response arrived. Possible causes: a firewall, a proxy, or a restart.',
      'Try again. If it happens every time, ask whoever runs the network whether it allows calls to that host.',
    ],
  ];
  for (const [name, faults, code, cause, next] of cases) {
    it(`explains ${name}, and says what to do`, async (t) => {
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
        'Set ANTHROPIC_DEFAULT_MODEL=claude-haiku-4-5, or to another model that GET /v1/models lists.',
      ],
    );
  });

  it('recognizes a model that the API has retired since', async (t) => {
    const clock = { now: () => Date.UTC(2027, 0, 1), sleep: () => Promise.resolve() };
    const { ANTHROPIC_BASE_URL } = await simulated(t, [], { clock });
    const ran = await run({ ANTHROPIC_BASE_URL, ANTHROPIC_DEFAULT_MODEL: 'claude-sonnet-4-5' });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        6,
        'claude-sonnet-4-5 was retired on 2026-11-30: calls to it fail.',
        'Set ANTHROPIC_DEFAULT_MODEL to a newer model of its family; `plimsoll prices` lists the models.',
      ],
    );
  });

  for (const [name, status, body] of [
    ['an answer that the API does not give', 403, '<h1>Blocked</h1>'],
    ['a page in place of the list of models', 200, '<h1>Welcome</h1>'],
    ['JSON of something else in place of a message', 200, '{"status":"up"}'],
    ['JSON of something else that is not there', 404, '{"error":"no such route"}'],
  ] as const)
    it(`knows a proxy, or another service, by ${name}`, async (t) => {
      const url = await served(t, async () => new Response(body, { status }));
      const ran = await run({ ANTHROPIC_BASE_URL: url });
      assert.deepEqual(
        [ran.code, ran.cause, ran.next],
        [
          4,
          `Something other than the API answered for ${new URL(url).host} with ${status}: a proxy, or another service.`,
          'Check that ANTHROPIC_BASE_URL is the address of an API. If it is, ask whoever runs the proxy to allow calls to that host.',
        ],
      );
      assert.doesNotMatch(ran.out.join('\n'), /accepted/);
    });

  it('recognizes an address that redirects calls, and does not follow', async (t) => {
    const location = 'https://api.anthropic.invalid/v1/models';
    const url = await served(t, async () => new Response('', { status: 301, headers: { location } }));
    const ran = await run({ ANTHROPIC_BASE_URL: url });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        `${new URL(url).host} redirects calls to api.anthropic.invalid (301), and Node does not send the key there.`,
        'If api.anthropic.invalid is the right host, set ANTHROPIC_BASE_URL to it, with https:// if it has TLS.',
      ],
    );
  });

  it('says that no model has that name, where none is similar', async (t) => {
    const { ANTHROPIC_BASE_URL } = await simulated(t, []);
    const ran = await run({ ANTHROPIC_BASE_URL, ANTHROPIC_DEFAULT_MODEL: 'a-model-of-my-own' });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        6,
        'There is no model a-model-of-my-own for this key.',
        'Set ANTHROPIC_DEFAULT_MODEL to a model that GET /v1/models lists.',
      ],
    );
  });
});

describe('what plimsoll check says of a configuration', () => {
  const NEXT = 'Correct the environment or the .env file, and check again.';

  it('without a key names the variable, and sends nothing', async () => {
    const ran = await run({ ANTHROPIC_AUTH_TOKEN: '' });
    assert.deepEqual(
      [ran.code, ran.out[0]?.replace(/ +\d+ ms/, ''), ran.cause, ran.next],
      [
        3,
        'FAIL  configuration  no key',
        'ANTHROPIC_AUTH_TOKEN is empty: expected the API key.',
        'Create a key at https://platform.claude.com/settings/keys and put ANTHROPIC_AUTH_TOKEN=... or ANTHROPIC_API_KEY=... in .env (.env.example shows it); ' +
          'then run node --env-file=.env node_modules/.bin/plimsoll check.',
      ],
    );
  });

  const MAKE_ONE = `create an API key at ${SETTINGS}/keys`;
  for (const [key, seen, said] of [
    [
      wrong('sk-ant-admin01-'),
      'not an API key: admin key',
      `an admin key, which manages the organization and cannot send messages: ${MAKE_ONE}`,
    ],
    [
      wrong('sk-ant-api01-'),
      'not an API key: enterprise admin key',
      `an enterprise admin key, which cannot send messages: ${MAKE_ONE}`,
    ],
    [
      wrong('sk-ant-ort01-'),
      'not an API key: refresh token',
      `a refresh token, which only a login can use: ${MAKE_ONE}`,
    ],
    [wrong('sk-ant-sid01-'), 'not an API key: session', `a browser session: log out, and ${MAKE_ONE}`],
    ['your-key-here', 'not an API key: placeholder', `a placeholder: replace it with a key from ${SETTINGS}/keys`],
    [KEY.slice(0, 25), 'not a complete key', 'sk-ant-api03-… cut off after 25 characters: copy all of it'],
    [
      `"${KEY}"`,
      'not a complete key',
      'a key with spaces, quotes or other invalid characters: copy it again without them',
    ],
    [
      TOKEN,
      'not an API key: gateway token',
      'a plimsoll gateway token, which the API does not know: set ANTHROPIC_BASE_URL to the address of the gateway',
    ],
  ] as const)
    it(`with ${said.replace(/[:,].*/, '')} as the key says so, and sends nothing`, async () => {
      const ran = await run({ ANTHROPIC_AUTH_TOKEN: key });
      assert.deepEqual(
        [ran.code, ran.out[0]?.replace(/ +\d+ ms/, ''), ran.cause, ran.next],
        [3, `FAIL  configuration  ${seen}`, `ANTHROPIC_AUTH_TOKEN: expected a Claude API key, got ${said}.`, NEXT],
      );
    });

  it('tries an OAuth access token, since the API takes it', async (t) => {
    const { ANTHROPIC_BASE_URL } = await simulated(t, []);
    const token = wrong('sk-ant-oat01-');
    assert.equal((await run({ ANTHROPIC_BASE_URL, ANTHROPIC_AUTH_TOKEN: token })).code, 0);
  });

  const ADDRESS = 'ANTHROPIC_BASE_URL: expected the address of an API, such as https://api.anthropic.com, got';
  const MISTAKES: readonly (readonly [env: Readonly<Record<string, string>>, said: string])[] = [
    [
      { ANTHROPIC_TIMEOUT_MS: '30s' },
      'ANTHROPIC_TIMEOUT_MS: expected whole milliseconds from 1 up, got "30s": write digits only, such as 30000 for 30 seconds.',
    ],
    [{ ANTHROPIC_BASE_URL: 'gateway:8787' }, `${ADDRESS} "gateway:8787": begin with https://.`],
    [
      { ANTHROPIC_BASE_URL: 'https://me:hunter2@api.example' },
      `${ADDRESS} one with a password in it, for api.example: remove it.`,
    ],
    [
      { ANTHROPIC_BASE_URL: 'https://api.anthropic.com/v1' },
      `${ADDRESS} "https://api.anthropic.com/v1": leave out /v1, which the SDK adds.`,
    ],
    [
      { PLIMSOLL_KEY: 'my key!' },
      'PLIMSOLL_KEY: expected an alias of the form env-service-role, such as "prod-checkout-api", got "my key!": use lowercase letters and digits, joined by "-".',
    ],
    [
      { PLIMSOLL_KEY: 'prod-shop-api', ANTHROPIC_ENV: 'dev' },
      'PLIMSOLL_KEY: expected the alias of a key of dev, which ANTHROPIC_ENV names, got "prod-shop-api", a key of prod: use the key of dev, or correct ANTHROPIC_ENV.',
    ],
    [
      { PLIMSOLL_PRICES: '/nowhere.json' },
      'PLIMSOLL_PRICES: /nowhere.json: expected to read the file, got no such file: check the path.',
    ],
    [
      { PLIMSOLL_BUDGETS: '/nowhere.json' },
      'PLIMSOLL_BUDGETS: /nowhere.json: expected to read the file, got no such file: check the path.',
    ],
    [
      { PLIMSOLL_LEDGER: 'mysql://db.example' },
      'PLIMSOLL_LEDGER: expected the path of an SQLite file, the URL of a Redis such as redis://127.0.0.1:6379, or "memory", got a URL of mysql: name one of them.',
    ],
  ];
  for (const [env, said] of MISTAKES)
    it(`tells a mistake in ${Object.keys(env)[0]}, ${JSON.stringify(Object.values(env)[0])}`, async () => {
      const ran = await run(env);
      assert.deepEqual([ran.code, ran.cause, ran.next], [3, said, NEXT]);
    });

  it('reports all problems at once', async () => {
    const ran = await run({ ANTHROPIC_MAX_TOKENS: 'many', ANTHROPIC_ENV: 'moon' });
    assert.equal(ran.code, 3);
    assert.equal(
      ran.cause,
      'ANTHROPIC_ENV: expected dev, test, ci, staging, demo or prod, got "moon": name one of them. ' +
        'ANTHROPIC_MAX_TOKENS: expected a whole number of tokens from 1 up, got "many": write digits only, such as 1024.',
    );
  });

  it('reports a wrong value as wrong, even one that reads like a retired model', async () => {
    const env = { ANTHROPIC_TIMEOUT_MS: '5, retired' };
    const { code, out } = await run(env, ['--json']);
    const { diagnosis, problems } = JSON.parse(out.join('\n')) as CheckReport;
    assert.deepEqual([code, diagnosis?.cause], [3, 'configuration']);
    assert.deepEqual(problems, [
      {
        kind: 'invalid',
        field: 'ANTHROPIC_TIMEOUT_MS',
        expected: 'whole milliseconds from 1 up',
        got: '"5, retired"',
        advice: 'write digits only, such as 30000 for 30 seconds',
      },
    ]);
  });

  it('recognizes a model that is retired by the price table', async () => {
    const ran = await run({ ANTHROPIC_DEFAULT_MODEL: 'claude-3-haiku-20240307' });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        6,
        'ANTHROPIC_DEFAULT_MODEL: expected the id of a model in service, got claude-3-haiku-20240307, retired since 2026-04-20: use claude-haiku-5-5.',
        NEXT,
      ],
    );
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
    assert.deepEqual(
      [code, unwrapped(out)[0]],
      [2, '--fast: expected one of --base-url, --model, --timeout, --json, --help, got an unknown option'],
    );
  });
});
