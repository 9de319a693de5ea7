import { simulator, type MessagesRequest, type Reply, type Simulator } from 'plimsoll/simulator';

/** A simulated API with limits low enough for one process to reach, and faults at the rate of a bad afternoon. */
export function claudeApi(seed: number): Simulator {
  return simulator({
    seed,
    tier: 'scale',
    keepRequests: 100,
    limits: {
      'haiku-4.5': { requests: 60, inputTokens: 50_000, outputTokens: 20_000 },
      'sonnet-5.5': { requests: 50, inputTokens: 40_000, outputTokens: 3_000 },
      'opus-5.5': { requests: 50, inputTokens: 60_000, outputTokens: 10_000 },
    },
    scenario: {
      latency: {
        firstByteMs: { kind: 'lognormal', median: 350, sigma: 0.5 },
        perTokenMs: { kind: 'lognormal', median: 8, sigma: 0.3 },
      },
      outputTokens: { kind: 'lognormal', median: 110, sigma: 0.7 },
      faults: [
        { probability: 0.01, fault: { fault: 'overloaded' } },
        { probability: 0.005, fault: { fault: 'server_error' } },
        { probability: 0.004, fault: { fault: 'error_event' } },
        { probability: 0.003, fault: { fault: 'body_reset' } },
        { probability: 0.003, fault: { fault: 'connection_reset' } },
      ],
    },
    respond: cached,
  });
}

const CHARACTERS_PER_TOKEN = 4;
/** A cached prompt lasts five minutes, which is about this many requests at the demo's pace. */
const REQUESTS_PER_CACHE_WRITE = 60;

/** Reads system prompts marked for caching from the cache, and writes them now and then. */
function cached({ body, number }: MessagesRequest): Reply | undefined {
  if (!Array.isArray(body.system)) return undefined;
  const tokens = Math.ceil(JSON.stringify(body.system).length / CHARACTERS_PER_TOKEN);
  const input_tokens = Math.ceil(JSON.stringify(body.messages).length / CHARACTERS_PER_TOKEN);
  const written = number % REQUESTS_PER_CACHE_WRITE < 2;
  return {
    usage: {
      input_tokens,
      ...(written ? { cache_creation_input_tokens: tokens } : { cache_read_input_tokens: tokens }),
    },
  };
}
