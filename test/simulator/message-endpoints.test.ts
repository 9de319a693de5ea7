import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readAll } from '../../testing/budget/budgeted-client.ts';
import { ASK, bench, refusal } from '../../testing/simulator-bench.ts';

const TO_PROFILE = {
  ...{ ...ASK, user_profile_id: 'uprof_1' },
  billing_policy: { type: 'billing_policy', bill_to: 'user_profile' },
} as const;

describe('a request for the customer behind a user profile', () => {
  it('is billed to that customer, and not to the organization', async () => {
    const { claude, sdk } = bench();
    await sdk.beta.messages.create(TO_PROFILE);
    await readAll(await sdk.beta.messages.create({ ...TO_PROFILE, stream: true }));
    const { requests } = claude.truth;
    assert.deepEqual(
      requests.map(({ toProfile, billed }) => [toProfile, billed.length]),
      [
        [true, 1],
        [true, 1],
      ],
    );
    assert.deepEqual([claude.truth.totals().size, claude.truth.totals('reported').size], [0, 0]);
    assert.deepEqual(
      [...claude.truth.totals('to_profiles').values()].map(({ parts }) => parts),
      [2],
    );
  });

  it('is refused where it names no profile', async () => {
    const { claude, sdk } = bench();
    const { user_profile_id: _, ...nobody } = TO_PROFILE;
    const { status, errorCode } = await refusal(sdk.beta.messages.create(nobody));
    assert.deepEqual([status, errorCode], [400, 'user_profile_required']);
    assert.equal(claude.truth.requests[0]?.billed.length, 0);
  });

  it('goes on where the organization has spent what its tier allows', async () => {
    const { sdk } = bench({ tier: 'start', spentThisMonthUsd: 1_000_000 });
    await sdk.beta.messages.create(TO_PROFILE);
    const { errorCode } = await refusal(sdk.beta.messages.create(ASK));
    assert.equal(errorCode, 'enforced_spend_limit_reached');
  });
});
