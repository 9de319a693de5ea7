import assert from 'node:assert/strict';
import test from 'node:test';
import { CircuitBreaker, RedisUnavailableError } from '../../src/redis/circuit-breaker.ts';
import type { RedisOutage } from '../../src/redis-address.ts';
import { StandingTime } from '../../testing/budget/standing-time.ts';

class Refused extends Error {}

/** A breaker over a server that the test answers for, on a clock that stands still. */
function bench() {
  const time = new StandingTime(0);
  const changes: (RedisOutage | null)[] = [];
  const asked: {
    readonly what: string;
    readonly answer: (text: string) => void;
    readonly fail: (why: Error) => void;
  }[] = [];
  const server = { connected: true, reconnections: 0 };
  const ask = (what: string) => () =>
    new Promise<string>((answer, fail) => {
      asked.push({ what, answer, fail });
    });
  const breaker = new CircuitBreaker({
    deadlineMs: 1_000,
    isConnected: () => server.connected,
    reconnect: () => (server.reconnections += 1),
    outageOf: (error) => (error instanceof Refused ? null : 'disconnected'),
    onChange: (outage) => changes.push(outage),
    clock: time,
    timers: time,
  });
  const run = (what = 'command'): Promise<string> => {
    const result = breaker.run(ask(what), ask('probe'));
    result.catch(() => undefined);
    return result;
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { time, changes, asked, server, breaker, run, settle };
}

const away = (outage: RedisOutage) => (error: unknown) => {
  assert.ok(error instanceof RedisUnavailableError);
  assert.equal(error.outage, outage);
  return true;
};

test('the first command that is not answered in time fails all in progress, and later ones are not sent', async () => {
  const { time, changes, asked, run } = bench();
  const first = run('first');
  time.pass(900);
  const second = run('second');
  time.pass(99);
  assert.deepEqual(changes, []);
  time.pass(1);
  await assert.rejects(first, away('timeout'));
  await assert.rejects(second, away('timeout'));
  for (let requests = 0; requests < 50; requests += 1) await assert.rejects(run('later'), away('timeout'));
  assert.deepEqual(
    asked.map(({ what }) => what),
    ['first', 'second'],
  );
  assert.deepEqual(changes, ['timeout']);
});

test('a command has its own deadline, however busy the connection is', async () => {
  const { time, asked, run } = bench();
  const answered = run('one');
  time.pass(600);
  const hanging = run('two');
  asked[0]?.answer('yes');
  assert.equal(await answered, 'yes');
  time.pass(999);
  void run('three');
  time.pass(1);
  await assert.rejects(hanging, away('timeout'));
});

test('one probe at a time asks, less and less often, and its answer lets commands through again', async () => {
  const { time, changes, asked, server, run, settle } = bench();
  void run('first');
  time.pass(1_000);
  time.pass(25);
  assert.equal(asked.length, 2);
  // The probe itself hangs: the connection is replaced, and nothing is asked meanwhile.
  time.pass(999);
  assert.equal(asked.length, 2);
  time.pass(1);
  assert.equal(server.reconnections, 1);
  time.pass(50);
  assert.equal(asked.length, 3);
  asked[2]?.fail(new Error('gone'));
  await settle();
  time.pass(99);
  assert.equal(asked.length, 3);
  time.pass(1);
  assert.equal(asked.length, 4);
  await assert.rejects(run(), away('timeout'));
  asked[3]?.answer('0');
  await settle();
  assert.deepEqual(changes, ['timeout', null]);
  const again = run('again');
  asked.at(-1)?.answer('here');
  assert.equal(await again, 'here');
  assert.deepEqual(
    asked.map(({ what }) => what),
    ['first', 'probe', 'probe', 'probe', 'again'],
  );
});

test('a server that is not connected is not asked, and is probed once it is', async () => {
  const { time, changes, asked, server, run, settle } = bench();
  server.connected = false;
  await assert.rejects(run(), away('disconnected'));
  time.pass(60_000);
  assert.equal(asked.length, 0);
  server.connected = true;
  time.pass(1_000);
  asked[0]?.answer('0');
  await settle();
  assert.deepEqual(changes, ['disconnected', null]);
});

test('an error that Redis answers is its answer: of a command it is passed on, and of a probe it ends the outage', async () => {
  const { time, changes, asked, run, settle } = bench();
  const wrong = run();
  asked[0]?.fail(new Refused('WRONGTYPE'));
  await assert.rejects(wrong, Refused);
  assert.deepEqual(changes, []);
  const broken = run();
  asked[1]?.fail(new Error('closed'));
  await assert.rejects(broken, away('disconnected'));
  time.pass(25);
  asked[2]?.fail(new Refused('WRONGTYPE'));
  await settle();
  assert.deepEqual(changes, ['disconnected', null]);
});

test('a late answer to a command that has failed changes nothing', async () => {
  const { time, changes, asked, run, settle } = bench();
  const late = run();
  time.pass(1_000);
  await assert.rejects(late, away('timeout'));
  asked[0]?.fail(new Error('closed'));
  await settle();
  assert.deepEqual(changes, ['timeout']);
});

test('a breaker that has ended asks no more', () => {
  const { time, asked, breaker, run } = bench();
  void run();
  time.pass(1_000);
  breaker.end();
  time.pass(60_000);
  assert.equal(asked.length, 1);
});
