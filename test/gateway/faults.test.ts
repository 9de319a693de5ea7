import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Faults, apiCause, storeCause, unansweredError, type GatewayFault } from '../../src/gateway/faults.ts';
import { FAULT_CAUSES } from '../../src/record/metrics/catalogue-gateway.ts';

const codes = (code: string, more: object = {}) => Object.assign(new Error('x'), { code }, more);

describe('the cause of an error of a connection', () => {
  for (const [cause, error] of [
    ['refused', codes('ECONNREFUSED', { syscall: 'connect' })],
    ['refused', new AggregateError([codes('ECONNREFUSED')], 'all')],
    ['dns', codes('EAI_AGAIN', { syscall: 'getaddrinfo' })],
    ['unreachable', codes('EHOSTUNREACH')],
    ['connect_timeout', codes('ETIMEDOUT', { syscall: 'connect' })],
    ['timeout', codes('ETIMEDOUT', { syscall: 'read' })],
    ['tls', codes('DEPTH_ZERO_SELF_SIGNED_CERT')],
    ['tls', codes('CERT_HAS_EXPIRED')],
    ['tls', codes('ERR_TLS_CERT_ALTNAME_INVALID')],
    ['tls', codes('UNABLE_TO_GET_ISSUER_CERT_LOCALLY')],
    ['tls', codes('ERR_SSL_WRONG_VERSION_NUMBER')],
    ['reset', codes('ECONNRESET', { syscall: 'read' })],
    ['reset', codes('EPIPE', { syscall: 'write' })],
    ['closed', codes('ECONNRESET')],
    ['protocol', codes('HPE_INVALID_CONSTANT')],
    ['other', codes('toString')],
    ['other', new Error('x')],
    ['other', null],
  ] as const) {
    it(`is ${cause} for ${error === null ? 'none' : JSON.stringify({ ...error })}`, () => {
      if (error instanceof AggregateError) Object.assign(error, { code: 'ECONNREFUSED' });
      assert.equal(apiCause(error), cause);
    });
  }

  it('stands in the message of the answer', () => {
    for (const cause of FAULT_CAUSES.api) assert.match(unansweredError(cause).message, new RegExp(`\\(${cause}\\)`));
  });
});

describe('the cause of an error of a store', () => {
  for (const [cause, error] of [
    ['disk_full', codes('ERR_SQLITE_ERROR', { errcode: 13 })],
    ['disk_full', new Error('x', { cause: codes('ENOSPC') })],
    ['disk_failed', codes('ERR_SQLITE_ERROR', { errcode: 10 | (3 << 8) })],
    ['disk_failed', codes('EROFS')],
    ['ledger_unavailable', codes('ERR_SQLITE_ERROR', { errcode: 5 })],
    ['ledger_unavailable', new Error('x')],
    ['ledger_unavailable', undefined],
  ] as const) {
    it(`is ${cause} for ${JSON.stringify({ ...error })}`, () => {
      assert.equal(storeCause(error, 'ledger_unavailable'), cause);
    });
  }

  it('is found in an error that is its own cause', () => {
    const error = new Error('x');
    error.cause = error;
    assert.equal(storeCause(error, 'tokens_unavailable'), 'tokens_unavailable');
  });
});

function watched() {
  const told: GatewayFault[] = [];
  const counted: string[] = [];
  let nowMs = 0;
  const faults = new Faults({
    clock: { monotonicMs: () => nowMs },
    count: (part, cause) => counted.push(`${part} ${cause}`),
    onFault: (fault) => told.push(fault),
  });
  return { faults, told, counted, pass: (seconds: number) => (nowMs += seconds * 1_000) };
}

describe('a fault', () => {
  it('is told the first time, and then once a minute with how often it has happened', () => {
    const { faults, told, counted, pass } = watched();
    for (let second = 0; second < 130; second++) {
      faults.fail({ part: 'api', name: 'a' }, 'refused');
      pass(1);
    }
    assert.deepEqual(
      told.map(({ count, failingSeconds }) => [count, failingSeconds]),
      [
        [1, 0],
        [60, 60],
        [60, 120],
      ],
    );
    assert.equal(counted.length, 130);
  });

  it('of a part that comes and goes tells no more for it', () => {
    const { faults, told, pass } = watched();
    for (let second = 0; second < 59; second++) {
      faults.fail({ part: 'api', name: 'a' }, 'closed');
      faults.work('api', 'a');
      pass(1);
    }
    assert.deepEqual(
      told.map(({ cause }) => cause),
      ['closed', null],
    );
  });

  it('with another cause, or of another part, is told at once', () => {
    const { faults, told } = watched();
    faults.fail({ part: 'api', name: 'a' }, 'refused');
    faults.fail({ part: 'api', name: 'a' }, 'dns');
    faults.fail({ part: 'api', name: 'b' }, 'dns');
    faults.fail({ part: 'ledger', name: '' }, 'disk_full');
    assert.deepEqual(
      told.map(({ part, name, cause }) => `${part} ${name} ${cause}`),
      ['api a refused', 'api a dns', 'api b dns', 'ledger  disk_full'],
    );
    for (const { message } of told)
      assert.match(message, /^(?:The API at [ab] cannot be reached|The ledger of the budgets fails): .+\. .+\.$/);
  });

  it('of a state that is asked again and again counts once until it changes', () => {
    const { faults, told, counted } = watched();
    for (const cause of ['key_file_empty', 'key_file_empty', 'key_file_unreadable', null, null] as const)
      faults.set('key', 'prod-api-key', cause);
    assert.deepEqual(counted, ['key key_file_empty', 'key key_file_unreadable']);
    assert.deepEqual(
      told.map(({ cause }) => cause),
      ['key_file_empty', 'key_file_unreadable', null],
    );
    assert.equal(faults.isAny, false);
  });
});

describe('readiness', () => {
  const AFTER = { apiMs: 60_000, ledgerMs: 60_000 };

  it('ends when a part has failed for too long, and a probe has not found it working', async () => {
    const { faults, pass } = watched();
    let probes = 0;
    faults.fail({ part: 'api', name: 'a' }, 'refused', async () => void (probes += 1));
    pass(59);
    assert.deepEqual(await faults.readiness(AFTER, ['a']), { isReady: true, lines: ['api a: refused for 59 s'] });
    assert.equal(probes, 0);
    pass(1);
    assert.deepEqual(await faults.readiness(AFTER, ['a']), { isReady: false, lines: ['api a: refused for 60 s'] });
    await faults.readiness(AFTER, ['a']);
    assert.equal(probes, 1, 'not more than one probe in five seconds');
    pass(5);
    await faults.readiness(AFTER, ['a']);
    assert.equal(probes, 2);
  });

  it('lasts as long as one API of several can be reached', async () => {
    const { faults, pass } = watched();
    faults.fail({ part: 'api', name: 'a' }, 'refused');
    pass(3_600);
    const { isReady, lines } = await faults.readiness(AFTER, ['a', 'b']);
    assert.deepEqual([isReady, lines], [true, ['api a: refused for 3600 s']]);
    faults.fail({ part: 'api', name: 'b' }, 'dns');
    pass(60);
    assert.equal((await faults.readiness(AFTER, ['a', 'b'])).isReady, false);
    faults.work('api', 'b');
    faults.fail({ part: 'ledger', name: '' }, 'ledger_unavailable');
    pass(60);
    assert.equal((await faults.readiness(AFTER, ['a', 'b'])).isReady, false);
  });

  it('stays where a probe finds the part working', async () => {
    const { faults, pass } = watched();
    faults.fail({ part: 'api', name: 'a' }, 'refused', async () => faults.work('api', 'a'));
    pass(3_600);
    assert.deepEqual(await faults.readiness(AFTER, ['a']), { isReady: true, lines: [] });
  });

  it('does not end for a key, of which the previous text is in use', async () => {
    const { faults, pass } = watched();
    faults.set('key', 'prod-api-key', 'key_file_empty');
    pass(3_600);
    const { isReady, lines } = await faults.readiness(AFTER, ['a']);
    assert.deepEqual([isReady, lines], [true, ['key prod-api-key: key_file_empty for 3600 s']]);
  });
});
