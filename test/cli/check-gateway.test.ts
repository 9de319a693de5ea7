import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { simulator } from '../../src/simulator/index.ts';
import { NOW, run, served, TOKEN } from './checked.ts';

/** Refuses the prompt as a gateway does, in the API's own shape under an id of its own. */
function refusing(t: TestContext, status: number, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const claude = simulator({ clock: { now: () => NOW, sleep: () => Promise.resolve() } });
  return served(t, async (request) => {
    if (request.method === 'GET') return claude.handle(request);
    const error = { type: 'an_error', message: 'A sentence of the gateway about plk_0123456789ab_secret.' };
    return Response.json({ type: 'error', error }, { status, headers: { 'request-id': 'req_plimsoll_1', ...headers } });
  });
}

const ASK =
  'Ask whoever runs the gateway for a token (plimsoll gateway token create), and put it into ANTHROPIC_AUTH_TOKEN.';
const AGAIN = 'Try again in a minute; if it stays so, tell whoever runs the gateway.';
const SAID = ' It says: A sentence of the gateway about plk_0123456789ab_….';

describe('plimsoll check at a gateway', () => {
  it('lets a token of the gateway be the key', async (t) => {
    const claude = simulator();
    const url = await served(t, claude.handle);
    const { code, out } = await run({ ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: TOKEN });
    assert.equal(code, 0);
    assert.doesNotMatch(out.join('\n'), new RegExp(`Notice|${TOKEN.slice(20)}`));
  });

  for (const [name, status, code, cause, next, headers] of [
    [
      'a token that is not accepted',
      401,
      5,
      'The gateway at HOST does not accept the token in ANTHROPIC_AUTH_TOKEN: it was revoked, has expired, or is of another gateway.',
      ASK,
    ],
    [
      'a budget that is spent',
      402,
      7,
      `A budget of the gateway at HOST is spent.${SAID}`,
      'Wait until it begins anew, or ask whoever runs the gateway to raise it. Trying again before cannot help.',
    ],
    [
      'what the token may not do',
      403,
      5,
      `The gateway at HOST knows the token in ANTHROPIC_AUTH_TOKEN, and it may not do this.${SAID}`,
      'Ask whoever runs the gateway what the token allows, or to allow more.',
    ],
    [
      'the rate limit of the token',
      429,
      8,
      'The gateway at HOST lets the token in ANTHROPIC_AUTH_TOKEN make no more requests at the moment; token, model and network are good.',
      'Wait 9 s, as the answer asks, and check again. If it stays so, somebody else uses this token.',
      { 'retry-after': '9' },
    ],
    [
      'an API that does not answer the gateway',
      502,
      8,
      'The gateway at HOST accepts the token, and gets no answer from the API behind it.',
      AGAIN,
    ],
    [
      'a gateway that takes no more',
      529,
      8,
      'The gateway at HOST takes no call at the moment: it has too many, is about to end, or cannot read its tokens.',
      AGAIN,
    ],
    [
      'what the gateway says of anything else',
      413,
      1,
      'HOST refused with 413: A sentence of the gateway about plk_0123456789ab_….',
      'The message says what is wrong; if it does not, see https://platform.claude.com/docs/en/api/errors',
    ],
    [
      'the key of the gateway that the API refuses',
      401,
      5,
      'HOST refused with 401, and not for the token in ANTHROPIC_AUTH_TOKEN: the API behind the gateway refuses the key that the gateway holds.',
      'Tell whoever runs the gateway. If no gateway runs there, correct ANTHROPIC_BASE_URL.',
      { 'request-id': 'req_011CabcdefghijklmnopqrsT' },
    ],
  ] as readonly (readonly [string, number, number, string, string, Readonly<Record<string, string>>?])[])
    it(`tells ${name}`, async (t) => {
      const url = await refusing(t, status, headers);
      const ran = await run({ ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: TOKEN });
      const { host } = new URL(url);
      assert.deepEqual([ran.code, ran.cause, ran.next], [code, cause.replace('HOST', host), next]);
    });

  it('tells a key of the API, where a token of the gateway is asked for', async (t) => {
    const url = await refusing(t, 401);
    const ran = await run({ ANTHROPIC_BASE_URL: url });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        5,
        `The gateway at ${new URL(url).host} takes tokens of its own, which begin with plk_, and ANTHROPIC_AUTH_TOKEN holds something else.`,
        ASK,
      ],
    );
  });
});
