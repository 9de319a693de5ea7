import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { GatewayOptions } from 'plimsoll/gateway';
import { currentKey } from '../../../src/gateway/configuration/keys.ts';
import { RequestLog } from '../../../src/cli/gateway-log.ts';
import { certified } from '../../../testing/certificates.ts';
import { PARAMS, samples } from '../../../testing/client-workbench.ts';
import { freePort } from '../../../testing/free-port.ts';
import { ALIAS, REAL_KEY, gatewayBench, listening } from '../../../testing/gateway/workbench.ts';
import { asked, bytesOf } from '../../../testing/gateway/written-api.ts';

type Fault = Parameters<NonNullable<GatewayOptions['onFault']>>[0];

/** A gateway with a request log before an API at this address, and all that it told. */
async function before(t: TestContext, baseUrl: string, options: Partial<GatewayOptions> = {}) {
  const faults: Fault[] = [];
  const lines: Record<string, unknown>[] = [];
  let logged = (): void => undefined;
  const log = new RequestLog((line) => {
    lines.push(JSON.parse(line) as Record<string, unknown>);
    logged();
  });
  const bench = await gatewayBench({ gateway: { baseUrl, onFault: (fault) => faults.push(fault), ...options } });
  const front = await listening(log.listener(bench.gateway.listener));
  t.after(async () => {
    await Promise.all([bench.close(), front.close()]);
  });
  const line = async (): Promise<Record<string, unknown>> => {
    while (lines.length === 0) await new Promise<void>((resolve) => (logged = resolve));
    return lines[0] ?? {};
  };
  return { ...bench, url: front.url, faults, line };
}

/** A server that does this to each connection. */
async function server(t: TestContext, behave: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const listener: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    behave(socket);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  const address = listener.address();
  assert.ok(typeof address === 'object' && address !== null);
  return `127.0.0.1:${address.port}`;
}

const reads = (socket: Socket, then: (socket: Socket) => void): unknown => socket.once('data', () => then(socket));

interface Case {
  readonly cause: string;
  readonly when: string;
  readonly status: number;
  readonly address: (t: TestContext) => Promise<string> | string;
  readonly options?: Partial<GatewayOptions>;
}

const CASES: readonly Case[] = [
  {
    cause: 'refused',
    when: 'nothing listens there',
    status: 502,
    address: async () => `http://127.0.0.1:${await freePort()}`,
  },
  { cause: 'dns', when: 'its name has no address', status: 502, address: () => 'http://api.invalid' },
  {
    cause: 'tls',
    when: 'its certificate is not trusted',
    status: 502,
    address: async (t) => `https://${(await certified(t)).host}`,
  },
  {
    cause: 'tls',
    when: 'it speaks no TLS',
    status: 502,
    address: async (t) => `https://${await server(t, (socket) => socket.write('220 mail.example ESMTP\r\n'))}`,
  },
  {
    cause: 'reset',
    when: 'it resets the connection',
    status: 502,
    address: async (t) => `http://${await server(t, (socket) => reads(socket, () => socket.resetAndDestroy()))}`,
  },
  {
    cause: 'closed',
    when: 'it closes the connection without an answer',
    status: 502,
    address: async (t) => `http://${await server(t, (socket) => reads(socket, () => socket.end()))}`,
  },
  {
    cause: 'timeout',
    when: 'it never answers',
    status: 504,
    address: async (t) => `http://${await server(t, () => undefined)}`,
    options: { limits: { upstreamSilenceMs: 30 } },
  },
  {
    cause: 'connect_timeout',
    when: 'it takes no connection, as behind a firewall that drops packets',
    status: 504,
    // The handshake of TLS is never answered, so the connection cannot be used.
    address: async (t) => `https://${await server(t, () => undefined)}`,
    options: { limits: { upstreamConnectMs: 30 } },
  },
  {
    cause: 'protocol',
    when: 'it does not speak HTTP',
    status: 502,
    address: async (t) =>
      `http://${await server(t, (socket) => reads(socket, () => socket.end('SSH-2.0-OpenSSH_9.2\r\n')))}`,
  },
];

describe('an API that cannot be reached is named by its cause in the answer, log, fault and metric', () => {
  for (const { cause, when, status, address, options = {} } of CASES) {
    it(`${cause}: ${when}`, async (t) => {
      const baseUrl = await address(t);
      const { url, faults, line, registry } = await before(t, baseUrl, options);
      const answer = await asked(url);
      const body = (await bytesOf(answer)).toString();
      assert.equal(answer.statusCode, status);
      assert.match(body, new RegExp(`\\(${cause}\\)`));
      assert.equal(answer.headers['plimsoll-cause'], cause);
      assert.equal((await line())['cause'], cause);
      assert.deepEqual(
        faults.map((fault) => [fault.part, fault.name, fault.cause, fault.count]),
        [['api', new URL(baseUrl).host, cause, 1]],
      );
      const counted = await samples(registry, 'plimsoll_gateway_faults_total');
      assert.deepEqual(counted, { [`part=api,cause=${cause}`]: 1 });
    });
  }
});

describe('a response that breaks off', () => {
  const start = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{';
  for (const [cause, breakOff] of [
    ['closed', (socket: Socket) => socket.end()],
    ['reset', (socket: Socket) => socket.resetAndDestroy()],
  ] as const) {
    it(`by the API is the API's in the log, with its cause: ${cause}`, async (t) => {
      const host = await server(t, (socket) =>
        reads(socket, () => socket.write(start, () => setImmediate(breakOff, socket))),
      );
      const { url, line, faults } = await before(t, `http://${host}`);
      await assert.rejects(bytesOf(await asked(url)));
      const { brokenOff, cause: logged } = await line();
      assert.deepEqual([brokenOff, logged], ['api', cause]);
      assert.deepEqual(
        faults.map((fault) => fault.cause),
        [cause],
      );
    });
  }

  it("by silence within it is the API's", async (t) => {
    const host = await server(t, (socket) => reads(socket, () => socket.write(start)));
    const { url, line, faults } = await before(t, `http://${host}`, { limits: { upstreamSilenceMs: 40 } });
    await assert.rejects(bytesOf(await asked(url)));
    const { brokenOff, cause } = await line();
    assert.deepEqual([brokenOff, cause], ['api', 'timeout']);
    assert.deepEqual(
      faults.map((fault) => fault.cause),
      ['timeout'],
    );
  });

  it("by the client is the client's, and no fault", async (t) => {
    const host = await server(t, (socket) => reads(socket, () => socket.write(start)));
    const { url, line, faults } = await before(t, `http://${host}`);
    const answer = await asked(url);
    answer.on('error', () => undefined).destroy();
    const { brokenOff, cause } = await line();
    assert.deepEqual([brokenOff, cause, faults], ['client', undefined, []]);
  });

  it("because the gateway's time for shutdown is over is the gateway's", async (t) => {
    const host = await server(t, (socket) => reads(socket, () => socket.write(start)));
    const { url, line, faults, gateway } = await before(t, `http://${host}`);
    const answer = await asked(url);
    answer.on('error', () => undefined);
    await gateway.close({ deadlineMs: 1 });
    assert.deepEqual([(await line())['brokenOff'], faults], ['gateway', []]);
  });
});

describe('/readyz', () => {
  async function ready(url: string): Promise<readonly [number, string]> {
    const response = await fetch(`${url}/readyz`);
    return [response.status, (await response.text()).replaceAll(/\d+ s/g, 'N s')];
  }

  it('is red while the API cannot be reached for long, says why, and asks it again before it does', async (t) => {
    const port = await freePort();
    const unreadyAfter = { apiMs: 1, ledgerMs: 0 };
    const { url, faults } = await before(t, `http://127.0.0.1:${port}`, { limits: { unreadyAfter } });
    assert.deepEqual(await ready(url), [200, 'ready\n']);
    await asked(url).then(bytesOf);
    while ((await ready(url))[0] !== 503);
    assert.deepEqual(await ready(url), [503, `not ready\napi 127.0.0.1:${port}: refused for N s\n`]);
    assert.ok(faults.length >= 1);
  });

  it('stays green where it may be away for ever, and says why all the same', async (t) => {
    const port = await freePort();
    const limits = { unreadyAfter: { apiMs: 0, ledgerMs: 0 } };
    const { url } = await before(t, `http://127.0.0.1:${port}`, { limits });
    await asked(url).then(bytesOf);
    assert.deepEqual(await ready(url), [200, `ready\napi 127.0.0.1:${port}: refused for N s\n`]);
  });

  it('is green again as soon as the API answers, without a request of a client', async (t) => {
    let isUp = false;
    const host = await server(t, (socket) =>
      reads(socket, () =>
        isUp ? socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n') : socket.destroy(),
      ),
    );
    const { url, faults } = await before(t, `http://${host}`, { limits: { unreadyAfter: { apiMs: 1, ledgerMs: 0 } } });
    await asked(url).then(bytesOf);
    isUp = true;
    while ((await ready(url))[1] !== 'ready\n');
    assert.deepEqual(
      faults.map(({ cause }) => cause),
      ['closed', null],
    );
  });
});

test('a token store that fails is told, counted and named in the answer', async (t) => {
  const authenticate = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOSPC' }));
  const { url, faults, line, registry } = await before(t, 'http://127.0.0.1:9', { authenticate });
  const answer = await asked(url);
  assert.equal(answer.statusCode, 529);
  assert.match((await bytesOf(answer)).toString(), /tokens_unavailable/);
  assert.equal((await line())['cause'], 'tokens_unavailable');
  assert.deepEqual(
    faults.map(({ part, cause }) => [part, cause]),
    [['tokens', 'disk_full']],
  );
  assert.deepEqual(await samples(registry, 'plimsoll_gateway_faults_total'), { 'part=tokens,cause=disk_full': 1 });
});

test('a key whose file was emptied stays in use, and is told, counted and shown', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-key-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'key');
  writeFileSync(file, REAL_KEY);
  let nowMs = 0;
  const key = currentKey({ text: REAL_KEY, file }, { epochMs: () => 0, monotonicMs: () => (nowMs += 5_000) }, isKey);
  const faults: Fault[] = [];
  const keys = new Map([[ALIAS, key]]);
  const bench = await gatewayBench({ gateway: { keys, onFault: (fault) => faults.push(fault) } });
  t.after(() => bench.close());
  const claude = bench.claude({ maxRetries: 0 });
  writeFileSync(file, '');
  for (let call = 0; call < 3; call++) await claude.messages.create(PARAMS);
  const response = await fetch(`${bench.url}/readyz`);
  assert.equal(response.status, 200);
  assert.equal(await response.text(), `ready\nkey ${ALIAS}: key_file_empty for 0 s\n`);
  const counted = await samples(bench.registry, 'plimsoll_gateway_faults_total');
  assert.deepEqual(counted, { 'part=key,cause=key_file_empty': 1 });
  writeFileSync(file, REAL_KEY);
  assert.equal(await (await fetch(`${bench.url}/readyz`)).text(), 'ready\n');
  assert.deepEqual(
    faults.map(({ part, name, cause }) => [part, name, cause]),
    [
      ['key', ALIAS, 'key_file_empty'],
      ['key', ALIAS, null],
    ],
  );
  for (const { message } of faults) assert.ok(!message.includes(REAL_KEY));
});

const isKey = (text: string): boolean => text === REAL_KEY;

const mounts = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
const noMounts = mounts.status === 0 ? false : 'this user may mount no file system';

test(
  'a ledger on a full disk is told as such, makes the gateway not ready, and recovers when there is room',
  { skip: noMounts },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'plimsoll-full-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const script = join(import.meta.dirname, '..', '..', '..', 'testing', 'gateway', 'full-disk.ts');
    const node = `'${process.execPath}' --no-warnings --conditions=plimsoll-source '${script}' '${folder}'`;
    const command = `mount -t tmpfs -o size=1m tmpfs '${folder}' && exec ${node}`;
    const { stdout } = await promisify(execFile)('unshare', ['-rm', 'sh', '-c', command]);
    const { before: empty, during, after, told, statuses } = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(
      [empty, during, after],
      [
        [200, 'ready\n'],
        [503, 'not ready\nledger: disk_full for N s\n'],
        [200, 'ready\n'],
      ],
    );
    assert.deepEqual(told, [
      {
        part: 'ledger',
        cause: 'disk_full',
        message:
          'The ledger of the budgets fails: its disk is full. Make room: what is spent meanwhile is kept in memory only.',
      },
      { part: 'ledger', cause: null, message: 'The ledger of the budgets works again.' },
    ]);
    assert.deepEqual(statuses, [200, 529]);
  },
);
