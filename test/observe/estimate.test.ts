import assert from 'node:assert/strict';
import { it } from 'node:test';
import { EventStreamScanner } from '../../src/observe/event-stream.ts';
import { estimatedOutputTokens } from '../../src/observe/estimate.ts';
import { STREAMED } from '../../testing/cassettes/cassettes.ts';

/** Estimate against the server's own count, for each recorded stream. */
const rows = STREAMED.map(({ source, response }) => {
  const scanner = new EventStreamScanner();
  scanner.feed(new TextEncoder().encode(response.body));
  const reported = Number(scanner.deltaUsage?.['output_tokens']);
  const estimated = estimatedOutputTokens(scanner.contentBytes, scanner.toolUses);
  return { source, unseen: /"type":"(?:thinking|server_tool_use)"/.test(response.body), reported, estimated };
});

it('estimates the output of recordings of 100 tokens or more without thinking or server tools within a fifth', (t) => {
  const long = rows.filter(({ unseen, reported }) => !unseen && reported >= 100);
  assert.ok(long.length >= 5);
  for (const { source, reported, estimated } of long) {
    t.diagnostic(`${source}: estimated ${estimated}, reported ${reported}`);
    assert.ok(
      Math.abs(estimated - reported) <= reported / 5,
      `${source}: estimated ${estimated}, reported ${reported}`,
    );
  }
});

it('estimates the output of recordings with thinking or server tools at no less than a third', (t) => {
  for (const { source, reported, estimated } of rows.filter(({ unseen }) => unseen)) {
    t.diagnostic(`${source}: estimated ${estimated}, reported ${reported}`);
    assert.ok(
      estimated >= reported / 3 && estimated <= reported * 1.2,
      `${source}: estimated ${estimated}, reported ${reported}`,
    );
  }
});

it('estimates no output where nothing came', () => {
  assert.equal(estimatedOutputTokens(0, 0), 0);
});
