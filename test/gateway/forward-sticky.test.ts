import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { serve } from 'plimsoll/http';
import { simulator, type SimulatorOptions } from 'plimsoll/simulator';
import { gatewayBench } from '../../testing/gateway/workbench.ts';
import { seededRandom } from '../../testing/seeded-random.ts';

const [CONVERSATIONS, TURNS, TURN_TOKENS] = [6, 10, 2_000];

/** An API whose workspaces cache prompts, as the API does: what was sent there before is read, the rest is written. */
function cachingApi(): SimulatorOptions {
  const sent = new Map<string, number>();
  return {
    respond({ body: { messages } }) {
      const conversation = JSON.stringify(messages[0]);
      const turns = Math.ceil(messages.length / 2);
      const read = sent.get(conversation) ?? 0;
      sent.set(conversation, turns);
      const usage = {
        input_tokens: 0,
        output_tokens: 100,
        cache_read_input_tokens: read * TURN_TOKENS,
        cache_creation_input_tokens: (turns - read) * TURN_TOKENS,
      };
      return { text: 'yes', usage };
    },
  };
}

/** What conversations over a pool of two workspaces cost, in nano-dollars. */
async function costOf(t: TestContext, sticky: boolean): Promise<number> {
  const workspaces = [simulator(cachingApi()), simulator(cachingApi())];
  const served = await Promise.all(workspaces.map(({ handle }) => serve(handle, { port: 0 })));
  const aliases = ['prod-one-api', 'prod-two-api'];
  const bench = await gatewayBench({
    grant: { key: 'team' },
    gateway: {
      keys: new Map(aliases.map((alias) => [alias, () => ['sk-ant', alias].join('-')])),
      keyUrls: new Map(aliases.map((alias, at) => [alias, served[at]?.url ?? ''])),
      pools: new Map([['team', { keys: new Map(aliases.map((alias) => [alias, 1])), choose: 'weight', sticky }]]),
      random: seededRandom(22),
    },
  });
  t.after(() => Promise.all([bench.close(), ...served.map((each) => each.close(0))]));
  const claude = bench.claude();
  const histories = Array.from(
    { length: CONVERSATIONS },
    () => [] as { role: 'user' | 'assistant'; content: string }[],
  );
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [at, messages] of histories.entries()) {
      messages.push({ role: 'user', content: `Turn ${turn} of conversation ${at}.` });
      await claude.messages.create({ model: 'claude-haiku-4-5', max_tokens: 200, messages });
      messages.push({ role: 'assistant', content: 'yes' });
    }
  }
  const totals = workspaces.flatMap(({ truth }) => [...truth.totals().values()]);
  assert.ok(workspaces.every(({ truth }) => truth.requests.length > 0));
  return totals.reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
}

test('conversations that stay with a key cost what they cost with one key, and the others as much more as the manual says', async (t) => {
  const kept = await costOf(t, true);
  // Each turn is written once and read by those after it; Haiku 4.5: $1.25 a million, $0.10, and $5 for output.
  const written = TURNS * TURN_TOKENS * 1_250;
  const read = ((TURNS * (TURNS - 1)) / 2) * TURN_TOKENS * 100;
  assert.equal(kept, CONVERSATIONS * (written + read + TURNS * 100 * 5_000));
  const more = Math.round(100 * ((await costOf(t, false)) / kept - 1));
  const manual = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'gateway.md'), 'utf8').replace(/\s+/g, ' ');
  assert.ok(manual.includes(`cost ${more}% more`), `${more}%`);
});
