import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ClientOptions } from '@anthropic-ai/sdk';
import { retryPolicy, type InstrumentOptions } from 'plimsoll';
import type { Fault } from 'plimsoll/simulator';
import { PARAMS, samples, workbench, type Workbench } from '../../testing/client-workbench.ts';
import { DENIED_BY, FAULT_OF_REASON, FAULT_OF_SCOPE, REFUSING, WAY_TO_OUTCOME } from '../../testing/every-member.ts';

/** The values of one label that a metric has counted. */
const counted = async ({ registry }: Workbench, metric: string, label: string): Promise<readonly string[]> => {
  const keys = Object.keys(await samples(registry, metric));
  return keys.flatMap((key) => new RegExp(`(?:^|,)${label}=(\\w+)`).exec(key)?.[1] ?? []);
};

const scripted = (fault: Fault, instrument: InstrumentOptions = {}, client: ClientOptions = {}): Workbench => {
  const bench = workbench({ instrument, client: { maxRetries: 0, ...client } });
  bench.sim.script([fault]);
  return bench;
};

describe('the simulator can cause', () => {
  for (const [reason, fault] of Object.entries(FAULT_OF_REASON)) {
    test(`a 429 that is counted as ${reason}`, async () => {
      const bench = scripted(fault);
      await assert.rejects(bench.claude.messages.create(PARAMS));
      await bench.log.finishedCalls(1);
      assert.deepEqual(await counted(bench, 'anthropic_rate_limited_total', 'reason'), [reason]);
    });
  }

  for (const [scope, fault] of Object.entries(FAULT_OF_SCOPE)) {
    test(`a refusal for spend that is counted as ${scope}`, async () => {
      const bench = scripted(fault);
      await assert.rejects(bench.claude.messages.create(PARAMS));
      await bench.log.finishedCalls(1);
      assert.deepEqual(await counted(bench, 'anthropic_spend_limited_total', 'scope'), [scope]);
    });
  }

  for (const [reason, { fault, policy }] of Object.entries(DENIED_BY)) {
    test(`a retry that is denied as ${reason}`, async () => {
      const bench = scripted(fault, { retry: retryPolicy(policy) }, { maxRetries: 2 });
      await assert.rejects(bench.claude.messages.create(PARAMS));
      await bench.log.finishedCalls(1);
      assert.deepEqual(await counted(bench, 'anthropic_retries_denied_total', 'reason'), [reason]);
    });
  }

  for (const [outcome, { fault, call, isBlocked, fetch }] of Object.entries(WAY_TO_OUTCOME)) {
    test(`a call that ends as ${outcome}`, async () => {
      const bench = scripted(fault, isBlocked ? { guards: [REFUSING] } : {}, fetch && { fetch });
      await call(bench).catch(() => undefined);
      await bench.log.finishedCalls(1);
      assert.deepEqual(await counted(bench, 'anthropic_requests_total', 'outcome'), [outcome]);
    });
  }
});
