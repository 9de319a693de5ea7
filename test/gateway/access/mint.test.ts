import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { aClient, decided, NOW_MS, gatewayAccess, type GatewayAccess } from '../../../testing/gateway/access.ts';

const MINTS = { spendNanoUsd: null, requestsPerMinute: null, lifetimeSeconds: 900, subjectLabel: null };
const SHOP = aClient({
  name: 'shop',
  key: 'prod-api-key',
  labels: { team: 'shop' },
  models: ['claude-haiku-5-5', 'claude-sonnet-5-5'],
  maxTokens: { tokens: 512, above: 'reject' },
  mints: MINTS,
});

interface Answer {
  readonly token: string;
  readonly id: string;
  readonly expiresAt: string;
  readonly error: { readonly type: string; readonly message: string };
  readonly request_id: string;
}

async function minted(access: GatewayAccess, token: string, body: object): Promise<Answer> {
  const response = await access.mint(token, body);
  assert.equal(response.status, 201);
  return (await response.json()) as Answer;
}

async function refused(response: Response, status: number, type: string): Promise<string> {
  assert.equal(response.status, status);
  const { error, request_id } = (await response.json()) as Answer;
  assert.equal(error.type, type);
  assert.match(request_id, /^req_plimsoll_/);
  assert.equal(response.headers.get('request-id'), request_id);
  return error.message;
}

describe('POST /plimsoll/tokens', () => {
  test('mints a token of five minutes that may do what its client may', async () => {
    const access = gatewayAccess([SHOP]);
    const parent = await access.issue('shop');
    const response = await access.mint(parent.token, { subject: 'user-1842' });
    assert.equal(response.status, 201);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    const { token, id, ...rest } = (await response.json()) as Answer;
    assert.deepEqual(rest, {
      type: 'token',
      subject: 'user-1842',
      origin: null,
      models: SHOP.models,
      spendUsd: null,
      expiresAt: new Date(NOW_MS + 300_000).toISOString(),
    });
    const grant = await access.authenticate({ token, origin: null });
    assert.ok(typeof grant === 'object');
    assert.deepEqual(
      [grant.tokenId, grant.client, grant.key, grant.labels],
      [id, 'shop', 'prod-api-key', { team: 'shop' }],
    );
    for (const model of SHOP.models ?? []) assert.equal(await decided(grant, { model, max_tokens: 512 }), null);
    assert.equal(await decided(grant, { model: 'claude-opus-5-5', max_tokens: 1 }), 'refused by models');
    assert.equal(await decided(grant, { model: SHOP.models?.[0], max_tokens: 513 }), 'refused by maxTokens');
    access.at(NOW_MS + 300_000);
    assert.equal(await access.use({ token }), 'expired');
  });

  test('binds it to an origin and to models, and keeps to what the client may by then', async () => {
    const access = gatewayAccess([SHOP]);
    const parent = await access.issue('shop');
    const { token } = await minted(access, parent.token, {
      subject: 'user-1842',
      origin: 'https://app.example.com',
      models: ['claude-haiku-5-5'],
    });
    assert.equal(await access.use({ token }), 'wrong_origin');
    assert.equal(await access.use({ token }, 'messages.create', 'https://evil.example'), 'wrong_origin');
    const grant = await access.authenticate({ token, origin: 'https://app.example.com' });
    assert.ok(typeof grant === 'object');
    assert.equal(await decided(grant, { model: 'claude-haiku-5-5', max_tokens: 1 }), null);
    const others = SHOP.models?.filter((model) => model !== 'claude-haiku-5-5') ?? [];
    for (const model of [...others, 'claude-opus-5-5'])
      assert.equal(await decided(grant, { model, max_tokens: 1 }), 'refused by models');
  });

  test('binds it to a model or a family within a pattern of the client, and to no wider one', async () => {
    const access = gatewayAccess([{ ...SHOP, models: ['claude-haiku-*', 'opus'] }]);
    const parent = await access.issue('shop');
    const asked = (model: string) => access.mint(parent.token, { subject: 'a', models: [model] });
    for (const model of ['claude-haiku-4-5', 'claude-haiku-4-5-20251001', 'opus'])
      assert.equal((await asked(model)).status, 201, model);
    for (const model of ['haiku', 'claude-sonnet-5-5', 'sonnet']) assert.equal((await asked(model)).status, 403, model);
    const { token } = await minted(access, parent.token, { subject: 'a', models: ['claude-haiku-4-5'] });
    const grant = await access.authenticate({ token, origin: null });
    assert.ok(typeof grant === 'object');
    assert.equal(await decided(grant, { model: 'claude-haiku-4-5-20251001', max_tokens: 1 }), null);
    for (const model of ['claude-haiku-5-5', 'claude-opus-5-5'])
      assert.equal(await decided(grant, { model, max_tokens: 1 }), 'refused by models');
  });

  test('grants no more than the client has, and names all that is too much', async () => {
    const access = gatewayAccess([
      {
        ...SHOP,
        origins: ['https://app.example.com'],
        mints: { ...MINTS, spendNanoUsd: 500_000_000n, lifetimeSeconds: 60 },
      },
    ]);
    const parent = await access.issue('shop');
    const from = { origin: 'https://app.example.com' };
    const message = await refused(
      await access.mint(
        parent.token,
        {
          subject: 'user-1842',
          models: ['claude-opus-5-5', 'claude-haiku-5-5'],
          origin: 'https://evil.example',
          spendUsd: 0.51,
          expiresInSeconds: 61,
        },
        from,
      ),
      403,
      'permission_error',
    );
    assert.equal(
      message,
      'The client may not use claude-opus-5-5. It may use claude-haiku-5-5, claude-sonnet-5-5. ' +
        "The client's tokens may not be sent from https://evil.example, only from https://app.example.com. " +
        'A token of this client may spend at most 0.5 USD. A token of this client may last at most 60 seconds.',
    );
    const { expiresAt, spendUsd } = (await (
      await access.mint(parent.token, { subject: 'user-1842' }, from)
    ).json()) as Answer & { readonly spendUsd: number };
    assert.deepEqual([expiresAt, spendUsd], [new Date(NOW_MS + 60_000).toISOString(), 0.5]);
  });

  test('gives no token that outlives the one that it is minted with', async () => {
    const access = gatewayAccess([SHOP]);
    const parent = await access.issue('shop', { expiresAtMs: NOW_MS + 7_000 });
    const { expiresAt } = await minted(access, parent.token, { subject: 'u', expiresInSeconds: 900 });
    assert.equal(expiresAt, new Date(NOW_MS + 7_000).toISOString());
  });

  test('ends what it minted when the token that it was minted with is revoked', async () => {
    const access = gatewayAccess([SHOP]);
    const parent = await access.issue('shop');
    const child = await minted(access, parent.token, { subject: 'u' });
    assert.equal(await access.use(child), 'let through');
    await access.store.revoke(parent.id, NOW_MS);
    assert.equal(await access.use(child), 'revoked');
    await refused(await access.mint(parent.token, { subject: 'u' }), 401, 'authentication_error');
  });

  test('mints for no client that may not, and with no token that was minted', async () => {
    const access = gatewayAccess([SHOP, aClient({ name: 'search' })]);
    const search = await access.issue('search');
    assert.equal(
      await refused(await access.mint(search.token, { subject: 'u' }), 403, 'permission_error'),
      'The client search may not mint tokens. Its operator can allow it with mints.',
    );
    const shop = await access.issue('shop');
    const child = await minted(access, shop.token, { subject: 'u' });
    await refused(await access.mint(child.token, { subject: 'v' }), 403, 'permission_error');
    await refused(await access.mint('plk_no', { subject: 'v' }), 401, 'authentication_error');
    assert.equal((await access.store.list()).length, 3);
  });

  test('keeps a minted token from files and batches, whatever its client may do', async () => {
    const access = gatewayAccess([SHOP]);
    const shop = await access.issue('shop');
    const child = await minted(access, shop.token, { subject: 'u' });
    assert.equal(await access.use(shop, 'files.download'), 'let through');
    assert.equal(await access.use(child, 'files.download'), 'refused by endpoints');
    assert.equal(await access.use(child, 'messages.batches.create'), 'refused by endpoints');
    assert.equal(await access.use(child, 'messages.stream'), 'let through');
  });

  test('makes the subject a label only where the configuration names one', async () => {
    for (const [subjectLabel, labels] of [
      [null, { team: 'shop' }],
      ['tenant', { team: 'shop', tenant: 'acme' }],
    ] as const) {
      const access = gatewayAccess([{ ...SHOP, mints: { ...MINTS, subjectLabel } }]);
      const child = await minted(access, (await access.issue('shop')).token, { subject: 'acme' });
      const grant = await access.authenticate({ token: child.token, origin: null });
      assert.deepEqual(typeof grant === 'object' && grant.labels, labels);
    }
  });

  test('counts minting, and each minted token, against limits of requests', async () => {
    const access = gatewayAccess([{ ...SHOP, requestsPerMinute: 5, mints: { ...MINTS, requestsPerMinute: 1 } }]);
    const shop = await access.issue('shop');
    const [one, other] = [
      await minted(access, shop.token, { subject: 'u' }),
      await minted(access, shop.token, { subject: 'v' }),
    ];
    assert.equal(await access.use(one), 'let through');
    assert.equal(await access.use(one), 'PLIMSOLL_GATEWAY_RATE_LIMITED');
    assert.equal(await access.use(other), 'let through');
    assert.equal(await access.use(shop), 'let through');
    const response = await access.mint(shop.token, { subject: 'w' });
    assert.equal(response.headers.get('retry-after'), '12');
    await refused(response, 429, 'rate_limit_error');
  });

  test('names all problems of a request, and shows nothing that could be a secret', async () => {
    const access = gatewayAccess([SHOP]);
    const shop = await access.issue('shop');
    const message = await refused(
      await access.mint(shop.token, {
        subjekt: 'u',
        [shop.token]: 1,
        origin: 'https://app.example.com/path',
        models: [],
        spendUsd: 0,
        expiresInSeconds: 901,
      }),
      400,
      'invalid_request_error',
    );
    assert.deepEqual(message.split('; '), [
      'subjekt: expected one of subject, origin, models, spendUsd, expiresInSeconds, got an unknown field: did you mean subject?',
      '(a name of 57 characters): expected one of subject, origin, models, spendUsd, expiresInSeconds, got an unknown field: leave it out',
      'subject: expected who the token is for, got nothing: give an id of your own, such as "user-1842"',
      'origin: expected a web origin, such as "https://app.example.com", got something else',
      'models: expected a list of model ids, got something else',
      'spendUsd: expected an amount in US dollars above 0, such as 0.25, got something else',
      'expiresInSeconds: expected whole seconds from 1 to 900, got something else',
    ]);
    for (const body of [
      '',
      '[]',
      '{"subject":',
      `{"subject":"${'x'.repeat(20_000)}"}`,
      { subject: 'a\nb' },
      { subject: shop.token },
    ]) {
      await refused(await access.mint(shop.token, body), 400, 'invalid_request_error');
    }
    assert.equal((await access.store.list()).length, 1);
  });

  test('says that it is overloaded while the store does not answer', async () => {
    const access = gatewayAccess([SHOP]);
    const shop = await access.issue('shop');
    await access.store.close();
    await refused(await access.mint(shop.token, { subject: 'u' }), 529, 'overloaded_error');
  });
});
