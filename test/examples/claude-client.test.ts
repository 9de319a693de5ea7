import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { serve } from 'plimsoll/http';
import { simulator, type Fault } from 'plimsoll/simulator';
import { tool } from '../../testing/tools.ts';
import { pythonFiles, ran } from '../../testing/examples/programs.ts';

const python = tool('python3');

/** A program of Python's after `waits` and `claude` are there: a client that writes down how long it would have waited. */
const setting = `
import os
from claude_client import Claude, ClaudeError
waits = []
claude = Claude(os.environ["ANTHROPIC_BASE_URL"], "test", sleep=waits.append)
asked = dict(model="claude-haiku-4-5", max_tokens=50, messages=[dict(role="user", content="Ahoy")])
def streamed():
    return [event["type"] for event in claude.stream(**asked)]
`;

/** What the program prints, whose requests meet these faults one by one, and the number of tries that each request told. */
async function meets(t: TestContext, faults: readonly Fault[], program: string) {
  const api = simulator({ respond: () => ({ text: 'Ahoy yourself.' }) });
  api.script(faults);
  const tries: (string | null)[] = [];
  const serving = await serve(
    (request) => {
      tries.push(request.headers.get('x-stainless-retry-count'));
      return api.handle(request);
    },
    { port: 0 },
  );
  t.after(() => serving.close(0));
  const env = { ...pythonFiles, ANTHROPIC_BASE_URL: serving.url };
  const { code, out, err } = await ran(python.path, ['-'], { env, input: setting + program });
  assert.equal(code, 0, err);
  return { printed: out.trim().split('\n'), tries };
}

const refusedBy = (name: 'requests_limit' | 'overloaded', headers: Readonly<Record<string, string | null>>): Fault => ({
  fault: name,
  headers,
});

describe("the client in Python's standard library", { skip: python.skip }, () => {
  it('waits as long as the API says, and sends the number of its try', async (t) => {
    const faults = [
      refusedBy('requests_limit', { 'retry-after': '7' }),
      refusedBy('overloaded', { 'retry-after-ms': '250', 'retry-after': '1' }),
    ];
    const { printed, tries } = await meets(t, faults, 'print(claude.create(**asked)["content"][0]["text"], waits)');
    assert.deepEqual(printed, ['Ahoy yourself. [7.0, 0.25]']);
    assert.deepEqual(tries, ['0', '1', '2']);
  });

  it('waits for a quarter to half a second, then twice that, where nothing is said', async (t) => {
    const faults = [refusedBy('overloaded', { 'retry-after': null }), { fault: 'connection_reset' } as const];
    const program = 'claude.create(**asked)\nprint(0.25 <= waits[0] <= 0.5, 0.5 <= waits[1] <= 1, len(waits))';
    assert.deepEqual((await meets(t, faults, program)).printed, ['True True 2']);
  });

  it('gives up at once where another try cannot help, or comes too late', async (t) => {
    const program = `
for _ in range(2):
    try:
        claude.create(**asked)
    except ClaudeError as error:
        print(error.status, error.type, error.request_id.startswith("req_"), waits)
`;
    const faults = [
      refusedBy('requests_limit', { 'x-should-retry': 'false' }),
      refusedBy('requests_limit', { 'retry-after': '3600' }),
    ];
    const { printed, tries } = await meets(t, faults, program);
    assert.deepEqual(printed, ['429 rate_limit_error True []', '429 rate_limit_error True []']);
    assert.deepEqual(tries, ['0', '0']);
  });

  it('raises what a stream says went wrong, and does not take a stream without its end for an answer', async (t) => {
    const program = `
for _ in range(3):
    try:
        print(streamed())
    except ClaudeError as error:
        print(error.type)
    except ConnectionError as error:
        print(error)
print(streamed()[-1], waits)
`;
    const faults: readonly Fault[] = [
      { fault: 'error_event', at: 'content_block_delta', type: 'overloaded_error' },
      { fault: 'cut_body', at: 'message_stop' },
      { fault: 'body_reset', at: 'message_stop' },
    ];
    const ended = 'the stream ended before the answer did';
    const { printed, tries } = await meets(t, faults, program);
    assert.deepEqual(printed, ['overloaded_error', ended, ended, 'message_stop []']);
    assert.equal(tries.length, 4);
  });
});
