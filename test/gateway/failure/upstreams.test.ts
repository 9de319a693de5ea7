import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { describe, it, test, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { GatewayOptions, Grant } from 'plimsoll/gateway';
import { RequestLog } from '../../../src/cli/gateway-log.ts';
import { samples } from '../../../testing/client-workbench.ts';
import { freePort } from '../../../testing/free-port.ts';
import {
  ALIAS,
  REAL_KEY,
  gatewayBench,
  listening,
  type GatewayBenchOptions,
} from '../../../testing/gateway/workbench.ts';
import { HEADERS, answering, asked, bytesOf } from '../../../testing/gateway/written-api.ts';

type Fault = Parameters<NonNullable<GatewayOptions['onFault']>>[0];

const SECOND = 'test-second-key';

interface Case {
  readonly grant?: Partial<Grant>;
  readonly options?: Partial<GatewayOptions>;
}

/** A gateway with a key at the simulator and one at an address where nothing listens, and all that it told. */
async function withDeadUpstream(t: TestContext, { grant = {}, options = {} }: Case) {
  const dead = `127.0.0.1:${await freePort()}`;
  const faults: Fault[] = [];
  const lines: Record<string, unknown>[] = [];
  const log = new RequestLog((line) => void lines.push(JSON.parse(line) as Record<string, unknown>));
  const bench = await gatewayBench({
    grant,
    gateway: {
      keys: new Map([ALIAS, SECOND].map((alias) => [alias, () => REAL_KEY])),
      keyUrls: new Map([[SECOND, `http://${dead}`]]),
      onFault: (fault) => faults.push(fault),
      random: () => 0.5,
      limits: { unreadyAfter: { apiMs: 1, ledgerMs: 0 } },
      ...options,
    },
  });
  const front = await listening(log.listener(bench.gateway.listener));
  t.after(() => Promise.all([bench.close(), front.close()]));
  const ready = async (): Promise<readonly [number, string]> => {
    const response = await fetch(`${front.url}/readyz`);
    return [response.status, (await response.text()).replaceAll(/\d+ s/g, 'N s')];
  };
  return { ...bench, url: front.url, dead, faults, lines, ready };
}

const team = (...aliases: readonly string[]): Partial<GatewayOptions> => ({
  pools: new Map([
    ['team', { keys: new Map(aliases.map((alias) => [alias, 1])), choose: 'weight' as const, sticky: false }],
  ]),
});

/** What leads to the dead upstream, and what the client gets. */
const WAYS: Readonly<Record<string, Case & { readonly status: number; readonly overloads?: true }>> = {
  'a key with an address of its own': { grant: { key: SECOND }, status: 502 },
  'the first key of a pool': { grant: { key: 'team' }, options: team(SECOND, ALIAS), status: 200 },
  'the last key of a pool': { grant: { key: 'team' }, options: team(ALIAS, SECOND), status: 502, overloads: true },
  'the key of a fallback': {
    grant: { fallbacks: [{ on: ['overloaded'], key: SECOND }] },
    status: 502,
    overloads: true,
  },
};

describe('an upstream that cannot be reached is told as the only one is, where it is', () => {
  for (const [way, { status, overloads, ...led }] of Object.entries(WAYS))
    it(way, async (t) => {
      const { url, dead, faults, lines, sim, registry, ready } = await withDeadUpstream(t, led);
      if (overloads === true) sim.script([{ fault: 'overloaded' }]);
      const answer = await asked(url);
      const body = (await bytesOf(answer)).toString();
      assert.equal(answer.statusCode, status);
      const cause = status === 200 ? undefined : 'refused';
      assert.equal(answer.headers['plimsoll-cause'], cause);
      if (cause !== undefined) assert.match(body, /\(refused\)/);
      while (lines.length === 0) await setImmediate();
      assert.equal(lines[0]?.['cause'], cause);
      assert.deepEqual(
        faults.map((fault) => [fault.part, fault.name, fault.cause, fault.count]),
        [['api', dead, 'refused', 1]],
      );
      assert.deepEqual(await samples(registry, 'plimsoll_gateway_faults_total'), { 'part=api,cause=refused': 1 });
      assert.deepEqual(await ready(), [200, `ready\napi ${dead}: refused for N s\n`]);
    });
});

test('an API or a key that is configured no more is no fault any more', async (t) => {
  const { url, dead, ready, gateway, apiUrl } = await withDeadUpstream(t, { grant: { key: SECOND } });
  await asked(url).then(bytesOf);
  assert.deepEqual(await ready(), [200, `ready\napi ${dead}: refused for N s\n`]);
  gateway.reload({
    authenticate: () => Promise.resolve('unknown'),
    keys: new Map([[ALIAS, () => REAL_KEY]]),
    baseUrl: apiUrl,
  });
  assert.deepEqual(await ready(), [200, 'ready\n']);
});

describe('what a client does is no fault of the API, however short the patience with that', () => {
  /** Longer than this machine stands still while megabytes go through it. */
  const LONG_MS = 1_000;

  async function impatient(t: TestContext, upstreamSilenceMs: number, options: GatewayBenchOptions = {}) {
    const faults: Fault[] = [];
    const limits = { upstreamSilenceMs };
    const bench = await gatewayBench({ ...options, gateway: { limits, onFault: (fault) => faults.push(fault) } });
    t.after(() => bench.close());
    return { ...bench, faults };
  }

  it('an upload that stalls', async (t) => {
    const { url, faults } = await impatient(t, 60);
    const headers = { ...HEADERS, 'content-type': 'multipart/form-data; boundary=x', 'content-length': '1000' };
    const upload = request(`${url}/v1/files`, { method: 'POST', headers, agent: false });
    upload.write('--x\r\n');
    const [answer] = (await once(upload, 'response')) as [IncomingMessage];
    upload.on('error', () => undefined).destroy();
    assert.deepEqual([answer.statusCode, answer.headers['plimsoll-cause']], [408, undefined]);
    assert.deepEqual(faults, []);
  });

  it('a response that is not read', async (t) => {
    const long = Buffer.alloc(32 << 20, ' ');
    const type = { 'content-type': 'application/json' };
    const { url, faults, log } = await impatient(t, LONG_MS, {
      api: answering((outgoing) => void outgoing.writeHead(200, type).end(long)),
    });
    const answer = await asked(url);
    answer.on('error', () => undefined).pause();
    await log.finishedCalls(1);
    assert.deepEqual([log.calls[0]?.outcome, faults], ['cancelled', []]);
    answer.destroy();
  });

  it('but an API that takes nothing of an upload is', async (t) => {
    const { url, faults } = await impatient(t, LONG_MS, { api: (incoming) => void incoming.pause() });
    const headers = { ...HEADERS, 'content-type': 'multipart/form-data; boundary=x' };
    const upload = request(`${url}/v1/files`, { method: 'POST', headers, agent: false });
    upload.write(Buffer.alloc(32 << 20));
    const [answer] = (await once(upload, 'response')) as [IncomingMessage];
    upload.on('error', () => undefined).destroy();
    assert.equal(answer.statusCode, 504);
    assert.deepEqual(
      faults.map(({ cause }) => cause),
      ['timeout'],
    );
  });
});
