import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, describe } from 'node:test';
import { inspect } from 'node:util';
import { parse } from 'yaml';
import fc from 'fast-check';
import { ConfigurationError, sentenceOf } from 'plimsoll';
import { configurationInFile } from '../../../src/gateway/configuration/file.ts';
import { plantedSecret, plantedToken } from '../../../testing/planted.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-gateway-'));
after(() => rmSync(folder, { recursive: true }));

const KEY = plantedSecret(0);
const OTHER_KEY = plantedSecret(7);
const ENV = { ANTHROPIC_API_KEY: KEY };

let written = 0;
function file(content: unknown, ending = 'json'): string {
  const path = join(folder, `gateway-${(written += 1)}.${ending}`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const SMALL = { keys: { 'prod-api-key': { env: 'ANTHROPIC_API_KEY' } }, clients: { checkout: {} } };

const read = (content: object, env: Readonly<Record<string, string>> = ENV) =>
  configurationInFile(file({ ...SMALL, ...content }), env);

/** The problems, each without the name of the file, which all begin with. */
function problems(content: unknown, env: Readonly<Record<string, string>> = ENV, ending = 'json'): readonly string[] {
  const path = file(content, ending);
  try {
    configurationInFile(path, env);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    assert.equal(error.code, 'PLIMSOLL_GATEWAY_INVALID');
    const sentences = error.problems.map(sentenceOf);
    for (const sentence of sentences) assert.ok(sentence.startsWith(`${path}: `), sentence);
    for (const secret of [KEY, OTHER_KEY]) assert.ok(!error.message.includes(secret.slice(14, 40)), error.message);
    return sentences.map((sentence) => sentence.slice(path.length + 2));
  }
  return [];
}

const wrong = (content: object, env?: Readonly<Record<string, string>>) => problems({ ...SMALL, ...content }, env);

describe("a gateway's configuration", () => {
  test('needs only keys and clients', () => {
    const { prices, keys, clients, tokens, ...rest } = read({});
    assert.equal(prices.source, 'default');
    assert.equal(keys.get('prod-api-key')?.(), KEY);
    assert.deepEqual(tokens, { kind: 'sqlite', path: join(folder, 'plimsoll-tokens.db') });
    assert.deepEqual(
      [...clients.values()],
      [
        {
          name: 'checkout',
          key: 'prod-api-key',
          labels: { client: 'checkout' },
          models: null,
          maxTokens: null,
          endpoints: 'standard',
          requestsPerMinute: null,
          inputTokensPerMinute: null,
          outputTokensPerMinute: null,
          parallelRequests: null,
          tokenCounts: 'free',
          members: null,
          origins: null,
          mints: null,
          bodyBytes: null,
          requestsAtOnce: null,
          billTo: null,
        },
      ],
    );
    assert.deepEqual(rest, {
      listen: { host: '127.0.0.1', port: 8787 },
      metrics: { host: '127.0.0.1', port: 9464, names: [] },
      workers: 1,
      keyUrls: new Map(),
      keyOrganizations: new Map(),
      pools: new Map(),
      baseUrl: 'https://api.anthropic.com',
      publicUrl: null,
      trustProxy: ['127.0.0.0/8', '::1'],
      labelHeaders: [],
      attribution: { client: ['checkout'] },
      budgets: [],
      ledger: null,
      tier: undefined,
      serviceVersion: undefined,
      organization: null,
      limits: {
        connections: 10_000,
        headerBytes: 16_384,
        headersSeconds: 10,
        requestSeconds: 300,
        stalledSeconds: 120,
        heldBytes: 268_435_456,
        upstreamSilenceSeconds: 600,
        upstreamConnectSeconds: 10,
        unreadyUpstreamSeconds: 60,
        unreadyLedgerSeconds: 60,
        hungWorkerSeconds: 30,
        lameDuckSeconds: 0,
        drainSeconds: 600,
      },
      owners: { key: null, usageDays: 400, auditDays: 400 },
      declaredTokens: new Map(),
      corsOrigins: [],
      notices: [],
    });
  });

  test('is what the example in deploy/ shows, and its defaults are those that the example names', () => {
    const key = join(folder, 'ci-runner-key');
    writeFileSync(key, `${OTHER_KEY}\n`);
    const example = parse(readFileSync('deploy/gateway.yaml', 'utf8')) as Record<string, object>;
    (example['keys'] as Record<string, object>)['ci-runner-key'] = { file: key };
    const configuration = configurationInFile(file(example), ENV);
    const { checkout, backend, ci } = {
      checkout: configuration.clients.get('checkout'),
      backend: configuration.clients.get('app-backend'),
      ci: configuration.clients.get('ci'),
    };
    assert.deepEqual(configuration.notices, []);
    assert.deepEqual(checkout?.labels, { team: 'shop', client: 'checkout' });
    assert.deepEqual(checkout?.maxTokens, { tokens: 2_048, above: 'reject' });
    assert.deepEqual(
      [checkout?.endpoints, backend?.endpoints, checkout?.requestsPerMinute],
      ['messages', 'standard', 600],
    );
    assert.deepEqual(backend?.mints, {
      spendNanoUsd: 250_000_000n,
      requestsPerMinute: 20,
      lifetimeSeconds: 600,
      subjectLabel: null,
      bodyBytes: 1_048_576,
      requestsAtOnce: 32,
      unbounded: [],
    });
    assert.equal(ci?.key, 'ci-runner-key');
    assert.equal(configuration.keys.get('ci-runner-key')?.(), OTHER_KEY);
    assert.deepEqual(
      configuration.budgets.map(({ name, scope }) => [name, scope]),
      [
        ['everything', { kind: 'all' }],
        ['checkout-month', { kind: 'label', label: 'client', value: 'checkout' }],
      ],
    );
    assert.deepEqual(configuration.attribution, {
      feature: ['search', 'summary'],
      team: ['shop'],
      owner: [],
      client: ['checkout', 'app-backend', 'laptops', 'ci'],
    });
    assert.deepEqual(configuration.ledger, { kind: 'sqlite', path: join(folder, 'plimsoll-ledger.db') });
    const { listen, metrics, baseUrl, limits, tokens } = read({});
    assert.deepEqual(
      { listen, metrics, baseUrl, limits, tokens },
      {
        listen: configuration.listen,
        metrics: configuration.metrics,
        baseUrl: configuration.baseUrl,
        limits: configuration.limits,
        tokens: configuration.tokens,
      },
    );
  });

  test('shows no secret when it is printed', () => {
    const configuration = read(
      { ledger: { redis: { env: 'REDIS' } } },
      { ...ENV, REDIS: 'redis://user:hush@127.0.0.1:6379' },
    );
    const { prices: _, ...printed } = configuration;
    const shown = `${inspect(configuration, { depth: 9 })} ${JSON.stringify(printed)}`;
    assert.ok(!shown.includes(KEY.slice(14, 40)) && !shown.includes('hush'));
    assert.equal(
      configuration.ledger?.kind === 'redis' && configuration.ledger.url(),
      'redis://user:hush@127.0.0.1:6379',
    );
    assert.equal(
      configuration.tokens.kind === 'redis' && configuration.tokens.url(),
      'redis://user:hush@127.0.0.1:6379',
    );
  });

  test('finds a key in a variable, in the file that a variable names, and in a file', () => {
    const path = join(folder, 'key');
    writeFileSync(path, `\ufeff${KEY}\r\n`);
    for (const [source, env] of [
      [{ env: 'MY_KEY' }, { MY_KEY: ` ${KEY}\n` }],
      [{ env: 'MY_KEY' }, { MY_KEY_FILE: path }],
      [{ env: 'MY_KEY' }, { MY_KEY_FILE: 'key', MY_KEY: '' }],
      [{ file: 'key' }, {}],
    ] as const) {
      assert.equal(read({ keys: { 'prod-api-key': source } }, env).keys.get('prod-api-key')?.(), KEY);
    }
  });

  test('refuses a key that stands in it, and never shows it', () => {
    for (const literal of [
      KEY,
      [KEY],
      { key: KEY },
      { env: KEY },
      { file: KEY },
      { [KEY]: 'x' },
      { env: 'A', file: 'b' },
    ]) {
      const [problem = '', ...others] = wrong({ keys: { 'prod-api-key': literal } });
      assert.deepEqual(others, []);
      assert.match(problem, /^keys\.prod-api-key(?:\.env|\.file)?: expected /);
    }
    assert.deepEqual(wrong({ keys: { 'prod-api-key': KEY } }), [
      `keys.prod-api-key: expected { env: NAME } or { file: PATH }, got a text of ${KEY.length} characters: put the secret into ` +
        'a variable or a file of its own, and name that: this file must not contain secrets',
    ]);
    for (const content of [
      { keys: { [KEY]: { env: 'A' } } },
      { clients: { [KEY]: {} } },
      { clients: { checkout: { key: KEY, models: [`${KEY} `], labels: { team: KEY, [KEY]: 'x' } } } },
      { baseUrl: `https://${KEY}:x@host` },
      { ledger: KEY, tokens: { sqlite: 1, [KEY]: 2 }, tier: KEY, labelHeaders: [KEY], [KEY]: 1 },
    ]) {
      assert.notEqual(wrong(content).length, 0);
    }
  });

  test('says why a key cannot be found', () => {
    const empty = join(folder, 'empty');
    writeFileSync(empty, '\n');
    const keys = {
      'prod-a-key': { env: 'NONE' },
      'prod-b-key': { file: join(folder, 'absent') },
      'prod-c-key': { file: empty },
      'prod-d-key': { env: 'BOTH' },
      'prod-e-key': { env: 'CUT' },
      'prod-f-key': { env: 'not a name' },
    };
    const env = { BOTH: KEY, BOTH_FILE: empty, CUT: KEY.slice(0, 20) };
    assert.deepEqual(problems({ keys, clients: { checkout: { key: 'prod-a-key' } } }, env), [
      'keys.prod-a-key.env: expected a secret in NONE, or a file of one in NONE_FILE, got nothing: set one',
      `keys.prod-b-key.file: expected to read a secret from "${join(folder, 'absent')}", got no such file: check the path`,
      `keys.prod-c-key.file: expected a secret in "${empty}", got an empty file: write it there`,
      'keys.prod-d-key.env: expected BOTH or BOTH_FILE, got both: unset one',
      'keys.prod-e-key: expected a Claude API key, got sk-ant-api03-… cut off after 20 characters: copy all of it',
      'keys.prod-f-key.env: expected the name of an environment variable, got something else: put the secret into one',
    ]);
  });

  test('takes a token of another gateway for a key only where the file itself names that', () => {
    const env = { ANTHROPIC_API_KEY: plantedToken(0).token };
    const refused =
      'keys.prod-api-key: expected an API key, got a gateway token: name the key; for a token of another gateway, set baseUrl in this file to that gateway';
    assert.deepEqual(wrong({}, env), [refused]);
    assert.deepEqual(wrong({ baseUrl: 'https://api.anthropic.com' }, env), [refused]);
    assert.deepEqual(wrong({}, { ...env, ANTHROPIC_BASE_URL: 'http://127.0.0.1:8787' }), [refused]);
    assert.deepEqual(wrong({ baseUrl: 'https://claude.example.com' }, env), []);
  });

  test('takes the aliases of one environment where ANTHROPIC_ENV names it, and all of them where it does not', () => {
    const names = ['dev-local-key', 'staging-svc-key', 'prod-api-key', 'ci-runner-key'];
    const keys = Object.fromEntries(names.map((name) => [name, { env: 'ANTHROPIC_API_KEY' }]));
    const clients = { checkout: { key: 'prod-api-key' } };
    const configuration = read({ keys, clients });
    assert.deepEqual([[...configuration.keys.keys()], configuration.notices], [names, []]);
    const found = wrong({ keys, clients }, { ...ENV, ANTHROPIC_ENV: 'production' });
    assert.deepEqual(
      found.map((problem) => problem.split(',')[0]),
      ['dev-local-key', 'staging-svc-key', 'ci-runner-key'].map(
        (name) => `keys.${name}: expected the alias of a key of prod`,
      ),
    );
  });

  test('notices what is better changed: aliases, models, calls without TLS', () => {
    const notices = read({
      keys: { MyKey: { env: 'ANTHROPIC_API_KEY' } },
      clients: { checkout: { models: ['claude-haiku-5.5'] } },
      baseUrl: 'http://api.example.com/',
    }).notices.map(sentenceOf);
    assert.equal(notices.length, 3);
    assert.match(notices[0] ?? '', /^baseUrl: calls to api\.example\.com do not use TLS/);
    assert.match(notices[1] ?? '', /^keys\.MyKey: expected an alias of the form env-service-role/);
    assert.match(
      notices[2] ?? '',
      /^clients\.checkout\.models: claude-haiku-5\.5 is not .*did you mean claude-haiku-5-5\?$/,
    );
  });

  test('lists all that is wrong at once, each with its path and the nearest name', () => {
    assert.deepEqual(
      problems({
        listn: { port: 1 },
        listen: { port: 70_000, hos: 'x' },
        keys: { 'prod-api-key': { env: 'ANTHROPIC_API_KEY' }, 'prod-other-key': { env: 'ANTHROPIC_API_KEY' } },
        clients: {
          checkout: {
            key: 'prod-api-kye',
            modles: [],
            models: 'claude-haiku-5-5',
            maxTokens: { above: 'cut' },
            requestsPerMinute: 0,
            origins: ['https://app.example.com/'],
            mints: { lifetimeSeconds: 901, spendUsd: '1,5' },
            endpoints: 'none',
          },
        },
        labelHeaders: ['Feature'],
        ledger: { redis: { env: 'R' }, sqlite: 'x' },
        limits: { drainSeconds: '30' },
        tier: 'Gold',
        serviceVersion: 'of today, or so',
        cors: [],
      }),
      [
        'listn: expected one of listen, metrics, workers, baseUrl, publicUrl, trustProxy, keys, pools, clients, labelHeaders, attribution, budgets, ledger, tokens, prices, tier, serviceVersion, organization, limits, cors, owners, declaredTokens, got an unknown field: did you mean listen?',
        'clients.checkout.modles: expected one of key, labels, models, maxTokens, endpoints, requestsPerMinute, inputTokensPerMinute, outputTokensPerMinute, parallelRequests, tokenCounts, members, origins, mints, bodyBytes, requestsAtOnce, billTo, budgets, fallback, credential, pace, got an unknown field: did you mean models?',
        'clients.checkout.key: expected one of the aliases in keys or pools (prod-api-key, prod-other-key), got "prod-api-kye": did you mean prod-api-key?',
        'clients.checkout.models: expected a list, each the id of a model, a family such as haiku, or a pattern such as claude-haiku-*, got "claude-haiku-5-5": write it as a list',
        'clients.checkout.maxTokens.tokens: expected whole tokens from 1 up, got nothing: say how many',
        'clients.checkout.maxTokens.above: expected one of reject, clamp, got "cut": use one of them',
        'clients.checkout.endpoints: expected one of standard, messages, all, got "none": use one of them',
        'clients.checkout.requestsPerMinute: expected whole requests from 1 to 1000000, got 0: change it',
        'clients.checkout.origins[0]: expected a web origin in lowercase and without a path, such as https://app.example.com, got "https://app.example.com/": change it',
        'clients.checkout.mints.spendUsd: expected an amount above 0 of at most 9 digits on either side of the point, got "1,5": write dollars, as 0.25',
        'clients.checkout.mints.lifetimeSeconds: expected whole seconds from 1 to 900, got 901: change it',
        'listen.hos: expected one of host, port, got an unknown field: did you mean host?',
        'listen.port: expected a port from 0 to 65535, got 70000: change it',
        'ledger: expected either sqlite or redis, got both: name one',
        'labelHeaders[0]: expected a label name of lowercase letters, digits and _, other than constructor, got "Feature": change it',
        'tier.name: expected one of Evaluation, Start, Build, Scale, Custom, got "Gold": see the Limits page of the Console, or leave it out',
        'serviceVersion: expected up to 128 letters, digits and ". _ + - / : @", and no key, got something else: pass the version of your service, such as "2.14.0"',
        'limits.drainSeconds: expected a whole number from 1 to 86400, got "30": change it',
        'cors: expected { origins: [https://app.example.com] }, got a list of 0: write it with its fields below it',
      ],
    );
    assert.deepEqual(
      problems({}).map((problem) => problem.split(',')[0]),
      ['keys: expected the alias of a key', 'clients: expected a client'],
    );
  });

  test('lets requests set no label that a budget counts by, or that a client or its users have', () => {
    const found = wrong({
      clients: { checkout: { labels: { team: 'shop' }, mints: { subjectLabel: 'user' } } },
      labelHeaders: ['client', 'team', 'user', 'tenant', 'feature'],
      budgets: [{ name: 'acme', period: 'day', usd: 1, scope: { label: 'tenant', value: 'acme' } }],
    });
    assert.deepEqual(
      found.map((problem) => problem.replace(/expected a label for requests to set, got /, '')),
      [
        'labelHeaders[0]: "client", and clients have it: leave it out',
        'labelHeaders[1]: "team", and clients have it: leave it out',
        'labelHeaders[2]: "user", and clients have it: leave it out',
        'labelHeaders[3]: "tenant", and a budget counts by it: leave it out',
        'budgets: expected a budget label that clients have, got "tenant": add it to clients',
      ],
    );
    assert.match(
      wrong({ clients: { checkout: { labels: { client: 'x' } } } })[0] ?? '',
      /^clients\.checkout\.labels\.client: /,
    );
    assert.match(
      wrong({ clients: { checkout: { labels: { user: 'x' }, mints: { subjectLabel: 'user' } } } })[0] ?? '',
      /^clients\.checkout\.mints\.subjectLabel: expected another label/,
    );
    assert.match(
      wrong({ labelHeaders: ['model'] })[0] ?? '',
      /^labelHeaders: expected a label name of your own, got "model"/,
    );
    assert.match(
      wrong({ clients: { checkout: { labels: { model: 'x' } } } })[0] ?? '',
      /^clients\.checkout\.labels\.model: expected a label name of your own, got "model"/,
    );
    assert.match(
      wrong({ clients: { checkout: { labels: { 'te-am': 'x' } } } })[0] ?? '',
      /^clients\.checkout\.labels\.te-am: /,
    );
    assert.match(wrong({ clients: { 'web site': {} } })[0] ?? '', /^clients\.web site: expected up to 64 letters/);
  });

  test('reports mistakes in budgets with their place', () => {
    const found = wrong({
      clients: {
        checkout: {
          budgets: [
            { name: 'one', period: 'day', usd: 1, scope: 'all' },
            { name: 'two', period: 'week', usd: 1 },
          ],
        },
      },
      budgets: [
        { name: 'one', period: 'day', usd: 0 },
        { name: 'key', period: 'day', usd: 1, scope: { key: 'prod-api-kye' } },
      ],
    });
    assert.deepEqual(found, [
      'budgets[0].usd: expected an amount above 0 of at most 9 digits on either side of the point, got 0: write dollars, as 25.50',
      'clients.checkout.budgets: expected budgets without scope, because they count the client, got a scope: leave it out',
      'clients.checkout.budgets[1].period: expected day, month, { rollingHours } or { rollingMs }, got "week": a window is a minute to 366 days long',
    ]);
    const names = wrong({
      clients: { checkout: { budgets: [{ name: 'one', period: 'day', usd: 1 }] } },
      budgets: [
        { name: 'one', period: 'day', usd: 1 },
        { name: 'key', period: 'day', usd: 1, scope: { key: 'prod-api-kye' } },
      ],
    });
    assert.deepEqual(names, [
      'budgets: expected names of their own, got one more than once: rename one',
      'budgets: expected key to name a key in keys, got an unknown alias: use prod-api-key',
    ]);
  });

  test('is read from YAML, and says where it is not YAML without quoting it', () => {
    const yaml = 'keys:\n  prod-api-key: { env: ANTHROPIC_API_KEY }\nclients:\n  checkout:\n';
    assert.ok(configurationInFile(file(yaml, 'yaml'), ENV).clients.has('checkout'));
    assert.deepEqual(problems(`${yaml}x: [${KEY}`, ENV, 'yaml'), [
      'expected YAML, got a text that cannot be parsed (line 5, column ' + String(KEY.length + 5) + ')',
    ]);
    assert.deepEqual(problems('[]'), ['expected fields such as keys and clients, got a list of 0']);
    assert.throws(
      () => configurationInFile(join(folder, 'absent.yaml'), ENV),
      /expected to read the file, got no such file: check the path$/m,
    );
  });

  test('reports everything else in it as problems, and never shows a key', () => {
    const names = fc.constantFrom(
      ...[
        'listen',
        'metrics',
        'baseUrl',
        'keys',
        'clients',
        'labelHeaders',
        'attribution',
        'budgets',
        'ledger',
        'tokens',
      ],
      ...[
        'prices',
        'tier',
        'serviceVersion',
        'limits',
        'cors',
        'host',
        'port',
        'env',
        'file',
        'sqlite',
        'redis',
        'labels',
        'models',
        'key',
      ],
      ...['maxTokens', 'tokens', 'above', 'mints', 'origins', 'name', 'scope', 'period', 'usd', 'label', 'value'],
      ...['prod-api-key', 'checkout', '__proto__', 'constructor', KEY],
    );
    const leaf = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null), fc.constant(KEY), names);
    const tree = fc.letrec((tie) => ({
      node: fc.oneof({ depthSize: 'medium' }, leaf, fc.array(tie('node'), { maxLength: 3 }), tie('object')),
      object: fc.dictionary(names, tie('node'), { maxKeys: 5 }),
    })).object;
    const path = file({});
    fc.assert(
      fc.property(tree, (content) => {
        writeFileSync(path, JSON.stringify(content));
        try {
          configurationInFile(path, ENV);
        } catch (error) {
          assert.ok(error instanceof ConfigurationError, inspect(error));
          assert.ok(!error.message.includes(KEY.slice(14, 40)), error.message);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('the endpoints of a client', () => {
  test('are a word, or a list of groups', () => {
    const named = (endpoints: unknown) => read({ clients: { a: { endpoints } } }).clients.get('a')?.endpoints;
    assert.equal(named('all'), 'all');
    assert.deepEqual(named(['skills', 'messages', 'skills']), ['messages', 'skills']);
    assert.deepEqual(named([]), []);
    assert.match(
      wrong({ clients: { a: { endpoints: ['organizations'] } } }).join(),
      /one of messages, models, batches/,
    );
  });
});

describe('a list of models', () => {
  const noticed = (models: readonly string[]) =>
    read({ clients: { checkout: { models } } }).notices.map(({ text }) => text);

  test('takes ids, families and patterns, and notices those that are no known model', () => {
    assert.deepEqual(
      noticed(['claude-haiku-5-5', 'claude-haiku-4-5-20251001', 'haiku', 'claude-opus', 'claude-*-5']),
      [],
    );
    assert.deepEqual(noticed(['claude-haiko-*', 'hiku']).length, 2);
    assert.match(
      wrong({ clients: { checkout: { models: ['claude haiku'] } } }).join(),
      /a family such as haiku, or a pattern/,
    );
  });

  test('says with tokenCounts whether token counts are requests of the limit', () => {
    assert.equal(read({ clients: { a: { tokenCounts: 'limited' } } }).clients.get('a')?.tokenCounts, 'limited');
    assert.match(wrong({ clients: { a: { tokenCounts: 'yes' } } }).join(), /one of limited, free/);
  });
});

describe('the address that clients call', () => {
  test('is in publicUrl, and proxies that say it are in trustProxy', () => {
    const { publicUrl, trustProxy } = read({
      publicUrl: 'https://claude.example.com/api/',
      trustProxy: ['10.0.0.0/8'],
    });
    assert.deepEqual([publicUrl, trustProxy], ['https://claude.example.com/api', ['10.0.0.0/8']]);
    const absent = read({});
    assert.deepEqual([absent.publicUrl, absent.trustProxy], [null, ['127.0.0.0/8', '::1']]);
    assert.deepEqual(read({ trustProxy: [] }).trustProxy, []);
  });

  test('is refused where it has what no address has', () => {
    for (const publicUrl of [
      'claude.example.com',
      'https://a/v1',
      'https://a/v1/',
      'https://u:p@a',
      'https://a?b',
      'https://',
    ])
      assert.match(wrong({ publicUrl }).join(), /^publicUrl: expected an http or https address/, publicUrl);
    for (const network of ['loopback', '10.0.0.0/33', '1.2.3'])
      assert.match(
        wrong({ trustProxy: [network] }).join(),
        /^trustProxy.*: expected an IP address, or a network/,
        network,
      );
  });
});
