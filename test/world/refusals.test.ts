import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Reply } from 'plimsoll/simulator';
import { collected, samples, total, workbench, type Workbench } from '../../testing/client-workbench.ts';
import { dayMs } from '../../testing/usages.ts';

/**
 * Who pays for a refusal. Gateways charged refusals that Anthropic gives away, and then gave away those that it charges:
 * the rule changed twice. The amounts are worked out by hand from the price lists, in dollars.
 */

const MILLION = 1_000_000;

/** Opus 5.5 costs $4 a million tokens of input and $20 of output. */
const OPUS = { model: 'claude-opus-5-5', max_tokens: 64, messages: [{ role: 'user' as const, content: 'Ahoy' }] };

type Way = 'plain' | 'streamed' | 'in a batch';

const WAYS: readonly Way[] = ['plain', 'streamed', 'in a batch'];

async function asked(way: Way, reply: Reply, day = '2026-11-24'): Promise<Workbench> {
  const now = (): number => dayMs(day);
  const clock = { epochMs: now, monotonicMs: () => performance.now() };
  const bench = workbench({
    simulator: { respond: () => reply, clock: { now, sleep: () => Promise.resolve() } },
    instrument: { clock },
  });
  const { messages } = bench.claude;
  if (way === 'plain') await messages.create(OPUS);
  else if (way === 'streamed') await collected(await messages.create({ ...OPUS, stream: true }));
  else {
    const { id } = await messages.batches.create({ requests: [{ custom_id: 'a', params: OPUS }] });
    await collected(await messages.batches.results(id));
  }
  return bench;
}

const cost = ({ registry }: Workbench): Promise<number> => total(registry, 'anthropic_cost_usd_total');
const doubts = ({ registry }: Workbench): Promise<unknown> => samples(registry, 'anthropic_uncertain_costs_total');
const refusals = ({ registry }: Workbench): Promise<unknown> => samples(registry, 'anthropic_refusals_total');

/** A refusal of a million tokens of input, before any output. */
function refused(category: string | null | undefined, outputTokens = 0): Reply {
  return {
    content: [],
    stopReason: 'refusal',
    usage: { input_tokens: MILLION, output_tokens: outputTokens },
    ...(category !== undefined && { stopDetails: { category } }),
  };
}

describe('a refusal before any output', () => {
  for (const way of WAYS) {
    const full = way === 'in a batch' ? 2 : 4;

    for (const category of ['cyber', 'general_harms', null]) {
      it(`of category ${category}, ${way}, costs nothing and its tokens are counted`, async () => {
        const bench = await asked(way, refused(category));
        assert.equal(await cost(bench), 0);
        assert.equal(await total(bench.registry, 'anthropic_tokens_total'), MILLION);
        assert.equal(await total(bench.registry, 'anthropic_unpriced_requests_total'), 0);
        assert.deepEqual(await doubts(bench), {});
        const name = category ?? 'none';
        assert.deepEqual(await refusals(bench), {
          [`model=claude-opus-5-5,key=default,category=${name},billing=free`]: 1,
        });
      });
    }

    for (const category of ['bio', 'frontier_llm', 'reasoning_extraction']) {
      it(`of category ${category}, ${way}, costs what its input does`, async () => {
        const bench = await asked(way, refused(category));
        assert.equal(await cost(bench), full);
        assert.deepEqual(await doubts(bench), {});
        assert.deepEqual(await refusals(bench), {
          [`model=claude-opus-5-5,key=default,category=${category},billing=billed`]: 1,
        });
      });
    }

    for (const [category, name] of [
      [undefined, 'unstated'],
      ['a_category_of_next_year', 'other'],
    ] as const) {
      it(`that is ${name}, ${way}, is priced, and marked as unsure`, async () => {
        const bench = await asked(way, refused(category));
        assert.equal(await cost(bench), full);
        assert.deepEqual(await doubts(bench), { 'model=claude-opus-5-5,key=default,doubt=refusal': 1 });
        assert.deepEqual(await refusals(bench), {
          [`model=claude-opus-5-5,key=default,category=${name},billing=unsure`]: 1,
        });
      });
    }
  }

  it('is told by its empty content, although Bedrock counts a token of output', async () => {
    assert.equal(await cost(await asked('plain', refused('cyber', 1))), 0);
  });

  it('is one in a plain message only where it has no output: the API drops the text of a later one', async () => {
    assert.equal(await cost(await asked('plain', refused('cyber', 126))), 4 + (126 * 20) / MILLION);
  });
});

it('a refusal in the middle of the answer costs its input and what was written', async () => {
  for (const way of ['plain', 'streamed'] as const) {
    const reply = { ...refused('cyber', 50), content: [{ type: 'text' as const, text: 'First, take' }] };
    const bench = await asked(way, reply);
    assert.equal(await cost(bench), 4 + (50 * 20) / MILLION);
    assert.deepEqual(await refusals(bench), { 'model=claude-opus-5-5,key=default,category=cyber,billing=billed': 1 });
  }
});

describe('the rule by day', () => {
  const DAYS: readonly (readonly [day: string, category: string | undefined, usd: number])[] = [
    ['2026-06-01', 'cyber', 5],
    ['2026-06-01', undefined, 5],
    ['2026-06-02', 'bio', 0],
    ['2026-06-02', undefined, 0],
    ['2026-09-23', 'bio', 0],
    ['2026-09-24', 'bio', 5],
    ['2026-09-24', 'cyber', 0],
    ['2026-09-24', undefined, 5],
  ];
  for (const [day, category, usd] of DAYS) {
    it(`has a refusal of category ${category ?? 'unstated'} on ${day} at ${usd} dollars`, async () => {
      // Opus 4.8, at $5 a million, was there on all of these days.
      const bench = await asked('plain', { ...refused(category), model: 'claude-opus-4-8' }, day);
      assert.equal(await cost(bench), usd);
    });
  }
});

/** The example of the documentation: Fable 5 declines 535 tokens of input, Opus 4.8 answers with 412 and 264. */
function fellBack(category: string | null | undefined): Reply {
  return {
    model: 'claude-opus-4-8',
    text: 'Gladly.',
    usage: { input_tokens: 412, output_tokens: 264 },
    declined: [
      {
        model: 'claude-fable-5',
        ...(category !== undefined && { category }),
        usage: { input_tokens: 535, output_tokens: 0 },
      },
    ],
  };
}

describe('a fallback of the API', () => {
  // 412 × $5 + 264 × $25 a million; and 535 × $10 for the attempt that was declined.
  const SERVED = 0.00866;
  const DECLINED = 0.00535;
  const CASES: readonly (readonly [category: string | null | undefined, usd: number, billing: string])[] = [
    ['cyber', SERVED, 'free'],
    [null, SERVED, 'free'],
    ['bio', SERVED + DECLINED, 'billed'],
    [undefined, SERVED + DECLINED, 'unsure'],
  ];
  for (const way of ['plain', 'streamed'] as const) {
    for (const [category, usd, billing] of CASES) {
      it(`${way}, bills an attempt declined for ${String(category)} by its category`, async () => {
        const bench = await asked(way, fellBack(category));
        assert.equal((await cost(bench)).toFixed(9), usd.toFixed(9));
        const name = category === undefined ? 'unstated' : (category ?? 'none');
        assert.deepEqual(await refusals(bench), {
          [`model=claude-fable-5,key=default,category=${name},billing=${billing}`]: 1,
        });
      });
    }
  }

  it('is counted under the model that answered, in its stop reason, its outcome and its tokens', async () => {
    for (const way of ['plain', 'streamed'] as const) {
      const { registry } = await asked(way, fellBack('cyber'));
      const operation = way === 'plain' ? 'messages.create' : 'messages.stream';
      assert.deepEqual(await samples(registry, 'anthropic_stop_reasons_total'), {
        [`model=claude-opus-4-8,operation=${operation},key=default,stop_reason=end_turn`]: 1,
      });
      assert.deepEqual(await samples(registry, 'anthropic_requests_total'), {
        [`model=claude-opus-4-8,operation=${operation},key=default,outcome=ok`]: 1,
      });
      assert.deepEqual(await samples(registry, 'anthropic_tokens_total'), {
        [`model=claude-fable-5,operation=${operation},key=default,kind=input`]: 535,
        [`model=claude-opus-4-8,operation=${operation},key=default,kind=input`]: 412,
        [`model=claude-opus-4-8,operation=${operation},key=default,kind=output`]: 264,
      });
      assert.deepEqual(await samples(registry, 'anthropic_model_fallbacks_total'), {
        'model=claude-fable-5,fallback_model=claude-opus-4-8,key=default,by=server': 1,
      });
    }
  });

  it('bills what a model wrote before it declined', async () => {
    const reply = fellBack('cyber');
    const [first] = reply.declined ?? [];
    assert.ok(first !== undefined);
    const wrote = { ...first, text: 'One moment', usage: { input_tokens: 535, output_tokens: 100 } };
    // 100 tokens of Fable 5 at $50 a million.
    const bench = await asked('streamed', { ...reply, declined: [wrote] });
    assert.equal((await cost(bench)).toFixed(9), (SERVED + DECLINED + 0.005).toFixed(9));
  });

  it('that is cut in its middle counts what each model is known for', async () => {
    const fault = { fault: 'cut_body', at: 7 } as const; // after both pieces of "Gladly."
    const { registry } = await asked('streamed', { ...fellBack('cyber'), fault });
    const operation = 'operation=messages.stream,key=default';
    // 7 characters at 4.5 a token, and 4 for the answer.
    assert.deepEqual(await samples(registry, 'anthropic_tokens_total'), {
      [`model=claude-fable-5,${operation},kind=input`]: 535,
      [`model=claude-opus-4-8,${operation},kind=output_estimated`]: 6,
    });
    assert.deepEqual(await samples(registry, 'anthropic_requests_total'), {
      [`model=claude-opus-4-8,${operation},outcome=truncated`]: 1,
    });
    assert.deepEqual(await samples(registry, 'anthropic_refusals_total'), {
      'model=claude-fable-5,key=default,category=cyber,billing=free': 1,
    });
  });

  it('where every model refused, takes the last category from the stop details', async () => {
    const reply: Reply = { ...fellBack('cyber'), content: [], stopReason: 'refusal', stopDetails: { category: 'bio' } };
    const bench = await asked('streamed', { ...reply, usage: { input_tokens: 412, output_tokens: 0 } });
    assert.equal((await cost(bench)).toFixed(9), '0.002060000'); // 412 × $5
    assert.deepEqual(await refusals(bench), {
      'model=claude-fable-5,key=default,category=cyber,billing=free': 1,
      'model=claude-opus-4-8,key=default,category=bio,billing=billed': 1,
    });
  });
});

describe('the results of a batch', () => {
  it('have their stop reasons and their errors counted, as calls have', async () => {
    const replies: Readonly<Record<string, Reply>> = {
      cut: { stopReason: 'max_tokens', usage: { input_tokens: 1, output_tokens: 64 } },
      refused: refused('cyber'),
      busy: { fault: { fault: 'overloaded' } },
      wrong: { fault: { fault: 'invalid_request' } },
    };
    const { claude, registry } = workbench({
      simulator: { respond: ({ batchItem }) => replies[batchItem ?? ''] ?? {} },
    });
    const requests = Object.keys(replies).map((custom_id) => ({ custom_id, params: OPUS }));
    const { id } = await claude.messages.batches.create({ requests });
    await collected(await claude.messages.batches.results(id));
    const operation = 'operation=messages.batches.results,key=default';
    assert.deepEqual(await samples(registry, 'anthropic_stop_reasons_total'), {
      [`model=claude-opus-5-5,${operation},stop_reason=max_tokens`]: 1,
      [`model=claude-opus-5-5,${operation},stop_reason=refusal`]: 1,
    });
    assert.deepEqual(await samples(registry, 'anthropic_batch_results_total'), {
      'model=claude-opus-5-5,key=default,result=succeeded,error=': 2,
      'model=,key=default,result=errored,error=overloaded': 1,
      'model=,key=default,result=errored,error=invalid_request': 1,
    });
  });
});
