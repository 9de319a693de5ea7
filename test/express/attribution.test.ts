import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import express, { type ErrorRequestHandler, type Express, type Request } from 'express';
import express4 from 'express4';
import { ConfigurationError, instrument } from 'plimsoll';
import { attribution } from 'plimsoll/express';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';

/** Both that the package takes. Version 4 has no types here: what is used of it is the same. */
const EXPRESS = [
  ['5', express],
  ['4', express4 as typeof express],
] as const;

const ask: Anthropic.MessageCreateParamsNonStreaming = {
  model: 'claude-haiku-4-5',
  max_tokens: 40,
  messages: [{ role: 'user', content: 'Hello' }],
};

/** A client on a simulator, and what its registry counted. */
function measured(labels: readonly string[]) {
  const registry = new Registry();
  const claude = instrument(new Anthropic({ apiKey: 'test', maxRetries: 0, fetch: simulator().fetch }), {
    registry,
    attribution: Object.fromEntries(labels.map((label) => [label, []])),
  });
  return { claude, registry };
}

/** The finished calls by the values of the given labels, joined; `-` for none. */
async function calls(registry: Registry, ...labels: readonly string[]): Promise<Record<string, number>> {
  const metric = (await registry.getMetricsAsJSON()).find(({ name }) => name === 'anthropic_requests_total');
  const samples = (metric as { values?: readonly { value: number; labels: Record<string, string> }[] }).values ?? [];
  const counted: Record<string, number> = {};
  for (const { value, labels: sample } of samples) {
    const name = labels.map((label) => sample[label] || '-').join(' ');
    if (value > 0) counted[name] = (counted[name] ?? 0) + value;
  }
  return counted;
}

async function errors(registry: Registry, stage: string): Promise<number> {
  const metric = (await registry.getMetricsAsJSON()).find(({ name }) => name === 'plimsoll_errors_total');
  const samples = (metric as { values?: readonly { value: number; labels: Record<string, string> }[] }).values ?? [];
  return samples.find(({ labels }) => labels['stage'] === stage)?.value ?? 0;
}

async function listening(t: test.TestContext, app: Express): Promise<string> {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

for (const [version, make] of EXPRESS) {
  test(`with Express ${version} a request that no route answers is a 404, and an error is its handler's`, async (t) => {
    const { claude, registry } = measured(['route']);
    const app = make();
    app.use(attribution());
    const router = make.Router();
    router.get('/fails', () => {
      throw new RangeError('out of water');
    });
    router.get('/asks/:id', (_req, res, next) => {
      claude.messages.create(ask).then((message) => res.json(message), next);
    });
    app.use('/harbors/:harbor', router);
    const said: unknown[] = [];
    // eslint-disable-next-line max-params -- Express knows an error handler by its four parameters.
    app.use(((error, req, res, _next) => {
      said.push(error, req.baseUrl);
      res.sendStatus(500);
    }) satisfies ErrorRequestHandler);
    const url = await listening(t, app);
    const status = async (path: string): Promise<number> => (await fetch(`${url}${path}`)).status;
    assert.equal(await status('/favicon.ico'), 404);
    assert.equal(await status('/harbors/bremen/nothing'), 404);
    assert.equal(await status('/harbors/bremen/fails'), 500);
    assert.deepEqual(said, [new RangeError('out of water'), '']);
    assert.equal(await status('/harbors/bremen/asks/1'), 200);
    assert.deepEqual(await calls(registry, 'route'), { '/harbors/:harbor/asks/:id': 1 });
  });
}

test('a call carries the pattern of the route that made it', async (t) => {
  const { claude, registry } = measured(['route']);
  const app = express();
  app.use(express.json(), attribution());
  app.post('/conversations/:id', async (_req, res) => {
    res.json(await claude.messages.create(ask));
  });
  const url = await listening(t, app);
  for (const id of ['1', '2', '3']) await fetch(`${url}/conversations/${id}?q=${id}`, { method: 'POST' });
  assert.deepEqual(await calls(registry, 'route'), { '/conversations/:id': 3 });
});

test('routers put their mount paths in front, as patterns and without the values of their parameters', async (t) => {
  const { claude, registry } = measured(['route']);
  const app = express();
  const chat = express.Router();
  chat.get('/', async (_req, res) => {
    res.json(await claude.messages.create(ask));
  });
  chat.get('/:topic/summary', async (_req, res) => {
    res.json(await claude.messages.create(ask));
  });
  const tenants = express.Router({ mergeParams: true });
  tenants.use('/chat', chat);
  const admin = express();
  admin.get('/audit', async (_req, res) => {
    res.json(await claude.messages.create(ask));
  });
  app.use(attribution());
  app.use('/v1/tenants/:tenant', tenants);
  app.use('/admin', admin);
  app.use('/from-:place', chat);
  const url = await listening(t, app);
  const paths = ['/v1/tenants/acme/chat', '/V1/tenants/a%20b/chat', '/v1/tenants/x/chat/tides/summary', '/admin/audit'];
  for (const path of [...paths, '/from-here']) assert.equal((await fetch(url + path)).status, 200, path);
  assert.deepEqual(await calls(registry, 'route'), {
    '/v1/tenants/:tenant/chat': 2,
    '/v1/tenants/:tenant/chat/:topic/summary': 1,
    '/admin/audit': 1,
    '/*': 1,
  });
});

test('a router that passes a request on leaves nothing of its mount path behind', async (t) => {
  const { claude, registry } = measured(['route']);
  const app = express();
  const [tenant, passes] = [express.Router(), express.Router()];
  passes.get('/:word', (_req, _res, next) => next());
  tenant.use('/say', passes);
  tenant.get('/say/:word', async (req, res, next) => {
    const message = await claude.messages.create(ask);
    if (req.params.word === 'more') next();
    else res.json(message);
  });
  app.use(attribution());
  app.use('/tenants/:tenant', tenant);
  app.get('/tenants/:name/say/more', async (_req, res) => {
    res.json(await claude.messages.create(ask));
  });
  const url = await listening(t, app);
  for (const word of ['hello', 'more']) await fetch(`${url}/tenants/acme/say/${word}`);
  assert.deepEqual(await calls(registry, 'route'), {
    '/tenants/:tenant/say/:word': 2,
    '/tenants/:name/say/more': 1,
  });
});

test('inside a router the route begins where the middleware is mounted, and with another around it that one counts', async (t) => {
  const { claude, registry } = measured(['route']);
  const app = express();
  const chat = express.Router();
  chat.use(attribution());
  chat.get(['/hello', '/hi'], async (_req, res) => {
    res.json(await claude.messages.create(ask));
  });
  app.use('/inside/:id', chat);
  app.use(attribution());
  app.use('/twice/:id', chat);
  const url = await listening(t, app);
  await fetch(`${url}/inside/7/hi`);
  await fetch(`${url}/twice/7/hello`);
  assert.deepEqual(await calls(registry, 'route'), { '/hello|/hi': 1, '/twice/:id/hello|/hi': 1 });
});

test('a call outside of any route has no route, and is counted as missing one', async (t) => {
  const { claude, registry } = measured(['route']);
  const app = express();
  app.use(attribution());
  app.get('/known', (_req, res) => res.sendStatus(204));
  app.use(async (_req, res) => {
    res.status(404).json(await claude.messages.create(ask));
  });
  assert.equal((await fetch(`${await listening(t, app)}/unknown/42`)).status, 404);
  assert.deepEqual(await calls(registry, 'route'), { '-': 1 });
  assert.match(await registry.metrics(), /plimsoll_attribution_missing_total\{label="route"\} 1/);
});

test('labels come from the authenticated request, even when it is authenticated after the middleware', async (t) => {
  const { claude, registry } = measured(['route', 'tenant']);
  const app = express();
  type Authenticated = Request & { user?: { tenant: string } };
  app.use(attribution({ labels: (req: Authenticated) => ({ tenant: req.user?.tenant }) }));
  app.use((req: Authenticated, _res, next) => {
    const token = req.get('authorization');
    if (token !== undefined) req.user = { tenant: token };
    next();
  });
  app.get('/chat', async (_req, res) => {
    res.json(await claude.messages.create(ask));
  });
  const url = await listening(t, app);
  await fetch(`${url}/chat`, { headers: { authorization: 'acme' } });
  await fetch(`${url}/chat`);
  assert.deepEqual(await calls(registry, 'route', 'tenant'), { '/chat acme': 1, '/chat -': 1 });
});

test('requests that are served at the same time do not mix their labels, streamed or not', async (t) => {
  const { claude, registry } = measured(['route', 'tenant']);
  const app = express();
  app.use(express.json(), attribution({ labels: (req) => ({ tenant: req.get('x-user') }) }));
  app.post('/ask', async (_req, res) => {
    res.json(await claude.messages.create(ask));
  });
  app.post('/stream', (_req, res, next) => {
    const stream = claude.messages.stream(ask);
    stream.on('text', (text) => res.write(text));
    stream.done().then(() => res.end(), next);
  });
  const url = await listening(t, app);
  const served = Array.from({ length: 60 }, async (_, index) => {
    const path = index % 2 === 0 ? 'ask' : 'stream';
    const headers = { 'x-user': `tenant-${index % 6}`, 'content-type': 'application/json' };
    const response = await fetch(`${url}/${path}`, { method: 'POST', headers, body: '{}' });
    assert.notEqual((await response.text()).length, 0);
  });
  await Promise.all(served);
  assert.deepEqual(await calls(registry, 'route', 'tenant'), {
    '/ask tenant-0': 10,
    '/ask tenant-2': 10,
    '/ask tenant-4': 10,
    '/stream tenant-1': 10,
    '/stream tenant-3': 10,
    '/stream tenant-5': 10,
  });
});

test('a call that fails carries its labels and its error reaches the error handler as it is', async (t) => {
  const { claude, registry } = measured(['route']);
  const app = express();
  app.use(attribution());
  app.get('/chat', async (_req, res) => {
    res.json(await claude.messages.create({ ...ask, model: 'claude-of-nowhere' }));
  });
  // eslint-disable-next-line max-params -- Express knows an error handler by its four parameters.
  app.use((error: unknown, _req: Request, res: express.Response, _next: express.NextFunction) => {
    res.status(error instanceof Anthropic.NotFoundError ? 418 : 500).end();
  });
  assert.equal((await fetch(`${await listening(t, app)}/chat`)).status, 418);
  assert.deepEqual(await calls(registry, 'route', 'outcome'), { '/chat not_found': 1 });
});

test('a client sets the labels that the application allows it, and no others', async (t) => {
  const { claude, registry } = measured(['feature', 'tenant']);
  const app = express();
  app.use(attribution({ headers: { 'x-feature': 'feature' }, protected: ['tenant'] }));
  app.get('/chat', async (_req, res) => {
    res.json(await claude.messages.create(ask));
  });
  await fetch(`${await listening(t, app)}/chat`, {
    headers: { 'x-feature': 'search', 'x-tenant': 'acme', tenant: 'acme' },
  });
  assert.deepEqual(await calls(registry, 'feature', 'tenant'), { 'search -': 1 });
});

test('what the application says about a label wins over the header, even when it says that there is no value', async (t) => {
  const { claude, registry } = measured(['feature']);
  const app = express();
  const said: Record<string, string | undefined> = { known: 'billing', none: undefined };
  app.use(
    attribution({ headers: { 'x-feature': 'feature' }, labels: (req) => ({ feature: said[req.path.slice(1)] }) }),
  );
  app.get('/:what', async (_req, res) => {
    res.json(await claude.messages.create(ask));
  });
  const url = await listening(t, app);
  for (const what of ['known', 'none']) await fetch(`${url}/${what}`, { headers: { 'x-feature': 'search' } });
  assert.deepEqual(await calls(registry, 'feature'), { billing: 1, '-': 1 });
});

test('a header for a protected label is refused when the middleware is made, all of them at once', () => {
  const options = {
    headers: { 'x-tenant': 'tenant', 'x-route': 'route', 'x-feature': 'feature' },
    protected: ['tenant'],
  };
  assert.throws(
    () => attribution(options),
    (error: unknown) => {
      assert.ok(error instanceof ConfigurationError);
      assert.equal(error.code, 'PLIMSOLL_OPTIONS_INVALID');
      assert.equal(error.problems.length, 2);
      assert.match(error.message, /"tenant" for "x-tenant"[^]*"route" for "x-route"/);
      return true;
    },
  );
});

test('labels that throw, or that are not text, cost a call nothing but those labels', async (t) => {
  const { claude, registry } = measured(['route', 'tenant', 'plan']);
  const app = express();
  app.use(
    attribution({
      labels: (req) => {
        if (req.query['broken'] !== undefined) throw new Error('no user');
        return { tenant: 7 as unknown as string, plan: 'free' };
      },
    }),
  );
  app.get('/chat', async (_req, res) => {
    res.json(await claude.messages.create(ask));
  });
  const url = await listening(t, app);
  assert.equal((await fetch(`${url}/chat?broken`)).status, 200);
  assert.equal((await fetch(`${url}/chat`)).status, 200);
  assert.deepEqual(await calls(registry, 'route', 'tenant', 'plan'), { '/chat - -': 1, '/chat - free': 1 });
  assert.equal(await errors(registry, 'attribution'), 1);
});
