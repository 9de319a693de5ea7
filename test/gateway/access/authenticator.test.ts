import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import { defaultPrices } from '../../../src/pricing/prices.ts';
import { authenticator } from '../../../src/gateway/access/authenticator.ts';
import { NO_LIMITS, type MemberTerms } from '../../../src/gateway/access/member.ts';
import type { TokenRecord } from '../../../src/gateway/access/tokens.ts';
import {
  isHashOf,
  newToken,
  presentedHash,
  secretHash,
  tokenParts,
  tokenText,
} from '../../../src/gateway/access/tokens.ts';
import { TokenSpend } from '../../../src/gateway/access/token-spend.ts';
import { aClient, decided, NOW_MS, gatewayAccess } from '../../../testing/gateway/access.ts';

describe('a token', () => {
  test('has an id and a secret of its own each time, and is read back whole', () => {
    const tokens = Array.from({ length: 1_000 }, () => newToken());
    assert.equal(new Set(tokens.map(({ id }) => id)).size, 1_000);
    assert.equal(new Set(tokens.map(({ secret }) => secret)).size, 1_000);
    for (const parts of tokens) assert.deepEqual(tokenParts(tokenText(parts)), parts);
    assert.match(tokenText(newToken()), /^plk_[0-9a-z]{12}_[0-9a-z]{40}$/);
  });

  test('uses every random bit that it is given', () => {
    const ofBytes = (bytes: (index: number) => number) =>
      newToken((length) => Uint8Array.from({ length }, (_, i) => bytes(i)));
    const letters = new Set(Array.from({ length: 256 }, (_, byte) => ofBytes(() => byte).secret[0]));
    assert.equal(letters.size, 32);
    assert.notEqual(ofBytes((i) => (i === 39 ? 1 : 0)).secret, ofBytes(() => 0).secret);
  });

  test('has no parts where the text is no token', () => {
    const token = tokenText(newToken());
    for (const text of [
      '',
      'plk_',
      token.slice(1),
      `${token}0`,
      ` ${token}`,
      `${token}\n`,
      token.toUpperCase(),
      `sk-ant-${token}`,
    ]) {
      assert.equal(tokenParts(text), null, text);
    }
    fc.assert(fc.property(fc.string(), (text) => tokenParts(text) === null));
  });

  test('is proven by its whole secret alone', () => {
    const { secret } = newToken();
    const hash = secretHash(secret);
    assert.ok(isHashOf(presentedHash(secret), hash));
    assert.ok(!isHashOf(presentedHash(secret.slice(0, -1)), hash));
    assert.ok(!isHashOf(presentedHash(newToken().secret), hash));
    assert.ok(!isHashOf(presentedHash(secret), null));
    assert.ok(!hash.includes(secret));
  });
});

describe('the authenticator', () => {
  const CHECKOUT = aClient({
    name: 'checkout',
    key: 'prod-checkout-api',
    labels: { team: 'shop' },
    models: ['claude-haiku-5-5'],
    maxTokens: { tokens: 512, above: 'clamp' },
  });

  test('grants what the client of a token may', async () => {
    const access = gatewayAccess([CHECKOUT]);
    const { token, id } = await access.issue('checkout');
    const grant = await access.authenticate({ token, origin: null });
    assert.ok(typeof grant === 'object');
    const { guards: _guards, ...rest } = grant;
    assert.deepEqual(rest, {
      tokenId: id,
      client: 'checkout',
      key: 'prod-checkout-api',
      credential: 'key',
      fallbacks: [],
      labels: { team: 'shop' },
      spendGuards: [],
      models: [['claude-haiku-5-5']],
      bodyBytes: null,
      requestsAtOnce: null,
      recorders: [],
    });
    assert.equal(await decided(grant, { model: 'claude-haiku-5-5', max_tokens: 512 }), null);
    assert.deepEqual(await decided(grant, { model: 'claude-haiku-5-5', max_tokens: 513 }), { maxTokens: 512 });
    assert.equal(await decided(grant, { model: 'claude-opus-5-5', max_tokens: 1 }), 'refused by models');
  });

  test('does not ask the store for what cannot be a token', async () => {
    const access = gatewayAccess([CHECKOUT]);
    for (const [token, denial] of [
      [null, 'missing'],
      ['', 'malformed'],
      ['sk-ant-api03-abc', 'malformed'],
      ['plk_'.repeat(100_000), 'malformed'],
      ["plk_' OR 1=1 --", 'malformed'],
    ] as const) {
      assert.equal(await access.authenticate({ token, origin: null }), denial);
    }
    assert.equal(access.reads(), 0);
    assert.equal(await access.authenticate({ token: tokenText(newToken()), origin: null }), 'unknown');
    assert.equal(access.reads(), 1);
  });

  test('does not know a token with the id of another, nor one whose client is gone', async () => {
    const access = gatewayAccess([CHECKOUT]);
    const { id, token } = await access.issue('checkout');
    assert.equal(
      await access.authenticate({ token: tokenText({ id, secret: newToken().secret }), origin: null }),
      'unknown',
    );
    const without = authenticator({
      store: access.store,
      clients: new Map(),
      spend: new TokenSpend({ prices: defaultPrices() }),
    });
    assert.equal(await without({ token, origin: null }), 'unknown');
  });

  test('refuses a revoked token at the next request, and an expired one from its last millisecond on', async () => {
    const access = gatewayAccess([CHECKOUT]);
    const revoked = await access.issue('checkout');
    const expiring = await access.issue('checkout', { expiresAtMs: NOW_MS + 10 });
    const answer = async ({ token }: { readonly token: string }) => {
      const verdict = await access.authenticate({ token, origin: null });
      return typeof verdict === 'string' ? verdict : 'granted';
    };
    assert.deepEqual([await answer(revoked), await answer(expiring)], ['granted', 'granted']);
    await access.store.revoke(revoked.id, NOW_MS);
    access.at(NOW_MS + 9);
    assert.deepEqual([await answer(revoked), await answer(expiring)], ['revoked', 'granted']);
    access.at(NOW_MS + 10);
    assert.equal(await answer(expiring), 'expired');
  });

  test('says that a token was revoked only to those who know its secret', async () => {
    const access = gatewayAccess([CHECKOUT]);
    const { id } = await access.issue('checkout');
    await access.store.revoke(id, NOW_MS);
    const guess = tokenText({ id, secret: newToken().secret });
    assert.equal(await access.authenticate({ token: guess, origin: null }), 'unknown');
  });

  test('takes tokens of a client with origins from those alone', async () => {
    const access = gatewayAccess([{ ...CHECKOUT, origins: ['https://shop.example'] }]);
    const { token } = await access.issue('checkout');
    for (const origin of [null, 'null', 'https://shop.example.evil', 'http://shop.example', 'https://shop.example/']) {
      assert.equal(await access.authenticate({ token, origin }), 'wrong_origin', String(origin));
    }
    assert.ok(typeof (await access.authenticate({ token, origin: 'https://shop.example' })) === 'object');
  });

  test('counts all tokens of a client against its limit, and none of another', async () => {
    const access = gatewayAccess([
      { ...CHECKOUT, requestsPerMinute: 2 },
      aClient({ name: 'search', requestsPerMinute: 1 }),
    ]);
    const [one, other, search] = [
      await access.issue('checkout'),
      await access.issue('checkout'),
      await access.issue('search'),
    ];
    assert.equal(await access.use(one), 'let through');
    assert.equal(await access.use(other), 'let through');
    assert.equal(await access.use(one), 'PLIMSOLL_GATEWAY_RATE_LIMITED');
    assert.equal(await access.use(other), 'PLIMSOLL_GATEWAY_RATE_LIMITED');
    assert.equal(await access.use(search), 'let through');
  });

  test('counts tokens for a client without taking requests, unless that is its rule', async () => {
    const used = async (tokenCounts: 'limited' | 'free') => {
      const access = gatewayAccess([aClient({ name: 'checkout', requestsPerMinute: 2, tokenCounts })]);
      const token = await access.issue('checkout');
      const count = () => access.use(token, 'messages.count_tokens');
      return [await count(), await count(), await count(), await access.use(token)];
    };
    const through = 'let through';
    assert.deepEqual(await used('free'), [through, through, through, through]);
    const [first, second, ...others] = await used('limited');
    assert.deepEqual([first, second], [through, through]);
    assert.deepEqual(new Set(others), new Set(['PLIMSOLL_GATEWAY_RATE_LIMITED']));
  });

  test('bounds the token counts of a minted token apart from its requests', async () => {
    const mints = { spendNanoUsd: null, requestsPerMinute: 2, lifetimeSeconds: 900, subjectLabel: null };
    const access = gatewayAccess([aClient({ name: 'checkout', mints })]);
    const { token } = await access.issue('checkout');
    const child = (await (await access.mint(token, { subject: 'a' })).json()) as { readonly token: string };
    const count = () => access.use(child, 'messages.count_tokens');
    assert.deepEqual([await count(), await count()], ['let through', 'let through']);
    assert.equal(await count(), 'PLIMSOLL_GATEWAY_RATE_LIMITED');
    assert.equal(await access.use(child), 'let through');
  });

  test('keeps clients of messages from the files and batches that others have with the same key', async () => {
    const access = gatewayAccess([
      { ...CHECKOUT, endpoints: 'messages' },
      aClient({ name: 'search', endpoints: 'all' }),
    ]);
    const [checkout, search] = [await access.issue('checkout'), await access.issue('search')];
    for (const operation of [
      'files.list',
      'files.download',
      'messages.batches.create',
      'messages.batches.results',
      'other',
    ]) {
      assert.equal(await access.use(checkout, operation), 'refused by endpoints', operation);
      assert.equal(await access.use(search, operation), 'let through', operation);
    }
    for (const operation of ['messages.create', 'messages.stream', 'messages.count_tokens', 'models.list']) {
      assert.equal(await access.use(checkout, operation), 'let through', operation);
    }
  });
});

describe('a member of a client', () => {
  const HAIKU = 'claude-haiku-5-5';
  const PLATFORM = aClient({
    name: 'platform',
    labels: { client: 'platform' },
    models: [HAIKU, 'claude-sonnet-5-5'],
    mints: { spendNanoUsd: null, requestsPerMinute: null, lifetimeSeconds: 900, subjectLabel: null },
    members: { ...NO_LIMITS, requestsPerMinute: 2, budget: null },
  });
  const owned = (owner: string | null, more: Partial<MemberTerms> = {}): Partial<TokenRecord> => ({
    member: { ...NO_LIMITS, owner, models: null, budget: null, ...more },
  });

  test('has the label owner, which its minted tokens have too', async () => {
    const access = gatewayAccess([PLATFORM]);
    const ada = await access.issue('platform', owned('ada'));
    const minted = (await (await access.mint(ada.token, { subject: 'visitor' })).json()) as { readonly token: string };
    for (const { token } of [ada, minted]) {
      const grant = await access.authenticate({ token, origin: null });
      assert.ok(typeof grant !== 'string');
      assert.deepEqual(grant.labels, { client: 'platform', owner: 'ada' });
    }
  });

  test('shares its rate with its other tokens, and with nobody else; without an owner a token has a rate of its own', async () => {
    const access = gatewayAccess([PLATFORM]);
    const [one, two, bob, none] = await Promise.all([
      ...['ada', 'ada', 'bob', null].map((owner) => access.issue('platform', owned(owner))),
    ]);
    assert.ok(one !== undefined && two !== undefined && bob !== undefined && none !== undefined);
    assert.deepEqual([await access.use(one), await access.use(two)], ['let through', 'let through']);
    assert.equal(await access.use(one), 'PLIMSOLL_GATEWAY_RATE_LIMITED');
    for (const token of [bob, none]) {
      assert.deepEqual([await access.use(token), await access.use(token)], ['let through', 'let through']);
      assert.equal(await access.use(token), 'PLIMSOLL_GATEWAY_RATE_LIMITED');
    }
  });

  test('has the least of its own rate and that of each member, and the models that the client still has', async () => {
    const terms = { requestsPerMinute: 1, models: [HAIKU, 'claude-opus-5-5'] };
    const access = gatewayAccess([PLATFORM]);
    const ada = await access.issue('platform', owned('ada', terms));
    const grant = await access.authenticate({ token: ada.token, origin: null });
    assert.ok(typeof grant !== 'string');
    for (const model of ['claude-opus-5-5', 'claude-sonnet-5-5'])
      assert.equal(await decided(grant, { model, max_tokens: 1 }), 'refused by models');
    assert.equal(await decided(grant, { model: HAIKU, max_tokens: 1 }), null);
    assert.equal(await decided(grant, { model: HAIKU, max_tokens: 1 }), 'PLIMSOLL_GATEWAY_RATE_LIMITED');
  });
});
