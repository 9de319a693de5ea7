import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { NotFoundError } from '@anthropic-ai/sdk';
import { clientGuards } from 'plimsoll/gateway';
import { collected } from '../../testing/client-workbench.ts';
import { gatewayBench, type GatewayBenchOptions } from '../../testing/gateway/workbench.ts';
import { HEADERS, answering, asked, bench as written, bytesOf } from '../../testing/gateway/written-api.ts';

async function bound(t: TestContext, models: readonly string[], options: GatewayBenchOptions = {}) {
  const bench = await gatewayBench({ ...options, grant: { guards: clientGuards({ models }), models: [models] } });
  t.after(() => bench.close());
  return bench;
}

interface Page {
  readonly data: readonly { readonly id: string }[];
  readonly has_more: boolean;
  readonly first_id: string | null;
  readonly last_id: string | null;
}

async function page(url: string, query: string): Promise<Page> {
  const response = await fetch(`${url}/v1/models${query}`, { headers: HEADERS });
  assert.equal(response.status, 200);
  return (await response.json()) as Page;
}

const ids = ({ data }: Page) => data.map(({ id }) => id);

/** The family as the simulated API serves it, newest first, from its models.json. */
const HAIKUS = [
  'claude-haiku-5-5',
  'claude-haiku-4-5-20251001',
  'claude-3-5-haiku-20241022',
  'claude-3-haiku-20240307',
];

describe('a token that is bound to models', () => {
  it('is shown those and no others, whole entries as the API sends them', async (t) => {
    const { claude, direct } = await bound(t, ['haiku', 'claude-opus-4-1']);
    const all = (await collected(claude().models.list())).map(({ id }) => id);
    const live = await collected(direct().models.list({ limit: 1_000 }));
    const expected = [...HAIKUS, 'claude-opus-4-1-20250805'];
    assert.deepEqual(
      all,
      live.map(({ id }) => id).filter((id) => expected.includes(id)),
    );
    assert.ok(all.length > 1);
    const [first] = (await claude().models.list()).data;
    assert.deepEqual(
      first,
      live.find(({ id }) => id === all[0]),
    );
  });

  it('pages through them, forward and back, without an empty page before the last', async (t) => {
    const { url, claude } = await bound(t, ['haiku']);
    const whole = ids(await page(url, ''));
    const forward: string[] = [];
    for await (const { id } of claude().models.list({ limit: 1 })) forward.push(id);
    assert.deepEqual(forward, whole);
    const first = await page(url, '?limit=2');
    assert.deepEqual([ids(first), first.has_more, first.last_id], [whole.slice(0, 2), whole.length > 2, whole[1]]);
    const next = await page(url, `?limit=2&after_id=${first.last_id}`);
    assert.deepEqual(ids(next), whole.slice(2, 4));
    const back = await page(url, `?limit=1&before_id=${whole[2]}`);
    assert.deepEqual([ids(back), back.has_more], [[whole[1]], true]);
    // A model that it may not use has a place in the list all the same.
    assert.deepEqual(ids(await page(url, '?after_id=claude-opus-4-8')), whole.slice(1));
  });

  it('may use none: the list is empty, and has no more', async (t) => {
    const { url } = await bound(t, ['claude-nothing']);
    assert.deepEqual(await page(url, ''), { data: [], has_more: false, first_id: null, last_id: null });
  });

  it('finds no other by its id, as if the API had none, and asks the API for its own', async (t) => {
    const { claude, sim } = await bound(t, ['haiku']);
    assert.equal((await claude().models.retrieve('claude-haiku-5-5')).id, 'claude-haiku-5-5');
    const before = sim.truth.requests.length;
    await assert.rejects(claude().models.retrieve('claude-opus-5-5'), NotFoundError);
    assert.equal(sim.truth.requests.length, before);
  });

  it('gets a page that the API refuses refused, and none that the gateway cannot read', async (t) => {
    const models = [['haiku']];
    const refusing = await written(
      t,
      answering((outgoing, incoming) => {
        assert.equal(incoming.url, '/v1/models?limit=0');
        outgoing.writeHead(400, { 'content-type': 'application/json' }).end('{"type":"error"}');
      }),
      { grant: { models } },
    );
    const ask = { method: 'GET', path: '/v1/models?limit=0' };
    assert.equal((await asked(refusing.url, ask)).statusCode, 400);
    for (const body of ['<html>', '{}', '{"data":[{}]}', '{"data":[],"has_more":true}']) {
      const { url } = await written(
        t,
        answering((outgoing) => outgoing.writeHead(200).end(body)),
        { grant: { models } },
      );
      const answer = await asked(url, { method: 'GET', path: '/v1/models' });
      assert.equal(answer.statusCode, 502, body);
      assert.match((await bytesOf(answer)).toString(), /cannot read the list of models/);
    }
  });

  it('is shown its own in a list that comes compressed, though the API was asked not to', async (t) => {
    const list = JSON.stringify({ data: [{ id: 'claude-opus-5-5' }, { id: 'claude-haiku-5-5' }], has_more: false });
    const { url } = await written(
      t,
      answering((outgoing) => outgoing.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(list))),
      { grant: { models: [['haiku']] } },
    );
    assert.deepEqual(ids(await page(url, '')), ['claude-haiku-5-5']);
  });

  it('gets no part of the list with models that it may not use', async (t) => {
    const list = JSON.stringify({ data: [{ id: 'claude-opus-5-5' }, { id: 'claude-haiku-5-5' }], has_more: false });
    const { url } = await written(
      t,
      answering((outgoing) => outgoing.writeHead(206, { 'content-range': `bytes 0-20/${list.length}` }).end(list)),
      { grant: { models: [['haiku']] } },
    );
    const answer = await asked(url, { method: 'GET', path: '/v1/models', headers: { ...HEADERS, range: 'bytes=0-' } });
    assert.doesNotMatch((await bytesOf(answer)).toString(), /opus/);
  });

  it('ends the request to the API when its client leaves', async (t) => {
    let gone = (): void => undefined;
    const closed = new Promise<void>((resolve) => (gone = resolve));
    let come = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (come = resolve));
    const { url } = await written(
      t,
      (_incoming, outgoing) => {
        outgoing.once('close', gone);
        come();
      },
      { grant: { models: [['haiku']] } },
    );
    const leaving = new AbortController();
    const answer = fetch(`${url}/v1/models`, { headers: HEADERS, signal: leaving.signal });
    await arrived;
    leaving.abort();
    await assert.rejects(answer);
    await closed;
  });
});
