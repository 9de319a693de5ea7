import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observation } from '../../src/client/observation.ts';
import type { Grant, TokenGuard } from '../../src/gateway/grant.ts';
import type { GatewayOptions } from '../../src/gateway/options.ts';
import { GatewayRequest, GrantPlan, patienceOf } from '../../src/gateway/request.ts';
import { Registry } from 'prom-client';

const requested = (target: string, rawHeaders: readonly string[] = []): GatewayRequest =>
  new GatewayRequest({ method: 'POST', target, rawHeaders, baseUrl: () => 'http://gateway' }, null);

const guard = (needsBody?: boolean): TokenGuard => ({
  ...(needsBody !== undefined && { needsBody }),
  admit: () => undefined,
});

function planned(given: Partial<Grant>, options: Partial<GatewayOptions> = {}): GrantPlan {
  const grant: Grant = {
    tokenId: 't',
    client: 'c',
    key: 'k',
    labels: { team: 'shop' },
    guards: [],
    recorders: [],
    ...given,
  };
  const whole: GatewayOptions = {
    keys: new Map(),
    baseUrl: 'http://api',
    authenticate: () => Promise.resolve('missing'),
    registry: new Registry(),
    ...options,
  };
  return new GrantPlan(grant, whole, observation(whole, { keys: [], onLedgerDown: 'closed' }));
}

test('one /v1 of two is taken away, and the query is no part of the path', () => {
  const { target, path, query } = requested('/v1/v1/messages?beta=true');
  assert.deepEqual([target, path, query], ['/v1/messages?beta=true', '/v1/messages', '?beta=true']);
});

test('who waits for the end of a client that has left is told at once, and its signal is aborted', () => {
  const request = requested('/v1/messages');
  const told: string[] = [];
  request.onAbort(() => told.push('before'));
  request.abort();
  request.abort();
  request.onAbort(() => told.push('after'));
  assert.deepEqual(told, ['before', 'after']);
  assert.ok(request.signal.aborted);
});

test('a client waits as long as it says, where somebody needs to know', () => {
  const request = requested('/v1/messages', ['X-Stainless-Timeout', '600']);
  assert.deepEqual(patienceOf(request, []), { signal: null, timeoutMs: null });
  assert.equal(patienceOf(request, [{}]).timeoutMs, 600_000);
  assert.equal(patienceOf(requested('/v1/messages'), [{}]).timeoutMs, null);
});

test('rules that need no body are asked first, and the others read it strictly', () => {
  const [early, late] = [guard(false), guard()];
  const plan = planned({ guards: [early, late] });
  assert.deepEqual(plan.early, [early]);
  assert.equal(plan.reading, 'strict');
  assert.deepEqual(plan.observation(requested('/v1/messages'), 'k').guards, [late]);
  assert.equal(planned({ guards: [early] }).reading, null);
});

test('what is the same for all requests of a grant is made once, and labels of a request are its own', () => {
  const request = requested('/v1/messages', ['x-plimsoll-feature', 'search']);
  const plain = planned({});
  assert.equal(plain.observation(request, 'k'), plain.observation(requested('/v1/models'), 'k'));
  assert.notEqual(plain.observation(request, 'k'), plain.observation(request, 'other'));
  assert.deepEqual({ ...plain.observation(request, 'k').attribution(null) }, { team: 'shop' });
  const labeled = planned({}, { labelHeaders: ['feature', 'team'] });
  assert.deepEqual({ ...labeled.observation(request, 'k').attribution(null) }, { feature: 'search', team: 'shop' });
  const bare = labeled.observation(requested('/v1/messages'), 'k').attribution(null);
  assert.deepEqual({ ...bare }, { team: 'shop' });
});
