import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { budgets } from 'plimsoll/budget';
import { RateLimitedError } from '../../src/gateway/access/rate-limiter.ts';
import { clientGuards } from 'plimsoll/gateway';
import { GRANT, gatewayBench, tokens, type GatewayBenchOptions } from '../../testing/gateway/workbench.ts';
import { KEY, run, served, TOKEN } from '../../testing/checked.ts';

/** A gateway that knows a token as it is drawn, and no other. */
async function bench(t: TestContext, { grant, ...options }: GatewayBenchOptions = {}) {
  const authenticate = tokens({ [TOKEN]: { ...GRANT, ...grant } });
  const made = await gatewayBench({ ...options, gateway: { authenticate, ...options.gateway } });
  t.after(() => made.close());
  return made;
}

const ASK =
  'Ask whoever runs the gateway for a token (plimsoll gateway token create), and set ANTHROPIC_AUTH_TOKEN to it.';
const AGAIN = 'Try again in a minute. If it happens again, tell whoever runs the gateway.';
const NOWHERE = 'http://127.0.0.1:1';

type Case = readonly [name: string, options: GatewayBenchOptions, code: number, cause: string, next: string];

const CASES: readonly Case[] = [
  [
    'a token that has expired',
    { gateway: { authenticate: () => Promise.resolve('expired') } },
    5,
    'The gateway at HOST does not accept the token in ANTHROPIC_AUTH_TOKEN. It says: The token has expired. Get a new one.',
    ASK,
  ],
  [
    'a token that is not known there',
    { gateway: { authenticate: () => Promise.resolve('unknown') } },
    5,
    'The gateway at HOST does not accept the token in ANTHROPIC_AUTH_TOKEN. It says: The gateway does not know this token. Check that it is complete and belongs to this gateway.',
    ASK,
  ],
  [
    'what the token may not do',
    { grant: { guards: clientGuards({ models: ['claude-opus-5-5'] }) } },
    5,
    'The gateway at HOST accepts the token in ANTHROPIC_AUTH_TOKEN, but the token may not do this. It says: This token may only use these models: claude-opus-5-5. Change the model of the request.',
    'Stay within what the token allows, or ask whoever runs the gateway to allow more.',
  ],
  [
    'the rate limit of the token',
    {
      grant: {
        guards: [
          {
            admit: () =>
              Promise.reject(
                new RateLimitedError({ kind: 'requests', most: 1, holder: 'client', waitMs: 9_000, remaining: 0 }),
              ),
          },
        ],
      },
    },
    8,
    'The token in ANTHROPIC_AUTH_TOKEN has reached its rate limit at the gateway at HOST; the token, model and network are fine.',
    'Wait 9 s, as the response asks, then check again. If it happens again, something else is using this token.',
  ],
  [
    'an API that the gateway does not reach',
    { gateway: { baseUrl: NOWHERE } },
    8,
    'The gateway at HOST accepts the token, but gets no response from the API behind it.',
    AGAIN,
  ],
  [
    'a gateway that cannot read its tokens',
    { gateway: { authenticate: () => Promise.reject(new Error('locked')) } },
    8,
    'The gateway at HOST does not accept calls at the moment. It says: The gateway cannot reach its token store (tokens_unavailable). Try again in a moment.',
    AGAIN,
  ],
  [
    'a gateway that lacks the key of a token',
    { gateway: { keys: new Map([['another-key', () => KEY]]) } },
    8,
    'The gateway at HOST failed with 500. It says: The gateway has no API key for this token. Ask its operator.',
    AGAIN,
  ],
  [
    'the key of the gateway that the API refuses',
    { simulator: { keys: [{ name: 'other', key: 'another-key' }] } },
    5,
    "HOST refused with 401, but not because of the token in ANTHROPIC_AUTH_TOKEN: the API behind the gateway refuses the gateway's key.",
    'Tell whoever runs the gateway. If no gateway runs there, correct ANTHROPIC_BASE_URL.',
  ],
];

describe('plimsoll check at a gateway', () => {
  it('takes a token of the gateway for a key, and shows none of it', async (t) => {
    const { url, sim } = await bench(t);
    const { code, out } = await run({ ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: TOKEN });
    assert.equal(code, 0, out.join('\n'));
    assert.doesNotMatch(out.join('\n'), /Notice|plk_/);
    assert.equal(sim.truth.totals().size, 1);
  });

  for (const [name, options, code, cause, next] of CASES)
    it(`explains ${name}, and says what to do`, async (t) => {
      const { url } = await bench(t, options);
      const ran = await run({ ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: TOKEN });
      const { host } = new URL(url);
      assert.deepEqual([ran.code, ran.cause, ran.next], [code, cause.replace('HOST', host), next]);
    });

  it('says that a budget of the gateway is spent, and until when', async (t) => {
    const definitions = [{ name: 'all', period: 'month', usd: '0.000001', mode: 'block' }] as const;
    const kept = budgets({ definitions });
    t.after(() => kept.close());
    const { url } = await bench(t, { gateway: { budgets: kept } });
    const ran = await run({ ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: TOKEN });
    assert.equal(ran.code, 7);
    const { host } = new URL(url);
    const said = ran.cause.replace(/\d{4}-\d\d-01T/, 'THE-FIRST-T');
    assert.equal(
      said,
      `A budget of the gateway at ${host} is spent. It says: Not sent: the call would exceed the budget "all" of $0.000001, which resets at THE-FIRST-T00:00:00.000Z.`,
    );
    assert.equal(
      ran.next,
      'Wait until then, or ask whoever runs the gateway to raise it. Retrying before then cannot help.',
    );
  });

  it('recognizes an API key where the gateway wants one of its tokens', async (t) => {
    const { url } = await bench(t);
    const ran = await run({ ANTHROPIC_BASE_URL: url });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        5,
        `The gateway at ${new URL(url).host} accepts only its own tokens, which begin with plk_, and ANTHROPIC_AUTH_TOKEN has something else.`,
        ASK,
      ],
    );
  });

  it('repeats what a gateway says where it knows no better, without a secret', async (t) => {
    const error = { type: 'an_error', message: `No, ${KEY} and ${TOKEN}.` };
    const headers = { 'request-id': 'req_plimsoll_1' };
    const url = await served(t, async () => Response.json({ type: 'error', error }, { status: 418, headers }));
    const ran = await run({ ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: TOKEN });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        1,
        `${new URL(url).host} refused with 418: No, sk-ant-api03-… and plk_0123456789ab_….`,
        'If the message does not say what is wrong, see https://platform.claude.com/docs/en/api/errors',
      ],
    );
  });
});
