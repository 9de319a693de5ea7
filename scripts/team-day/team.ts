import type Anthropic from '@anthropic-ai/sdk';
import { issueToken, redisTokens } from 'plimsoll/gateway';
import { sdk } from '../../testing/gateway/processes.ts';

/** Three teams. */
export const CLIENTS = ['apps', 'data', 'support'] as const;

/** A person with a token. */
export interface Owner {
  readonly name: string;
  readonly client: (typeof CLIENTS)[number];
  readonly token: string;
}

/** Gives each owner a token of one of the teams, in turn. */
export async function hire(redisUrl: string, count: number): Promise<readonly Owner[]> {
  const store = redisTokens(redisUrl);
  try {
    const owners: Owner[] = [];
    for (let index = 0; index < count; index += 1) {
      const [name, client] = [`owner-${String(index + 1).padStart(2, '0')}`, CLIENTS[index % 3] ?? 'apps'];
      const member = { owner: name, models: null, budget: null, ...UNBOUNDED };
      const { token } = await issueToken(store, { client, member });
      owners.push({ name, client, token });
    }
    return owners;
  } finally {
    await store.close();
  }
}

const UNBOUNDED = {
  requestsPerMinute: null,
  inputTokensPerMinute: null,
  outputTokensPerMinute: null,
  parallelRequests: null,
} as const;

/** What the owners did and got. */
export interface Worked {
  readonly tasks: number;
  /** Tasks that never succeeded, and why. */
  readonly lost: readonly string[];
  /** Streams that ended before their end, once they had begun. */
  readonly brokenStreams: number;
}

/** Lets every owner work until `end()`: a task after the other, each third one streamed. */
export function work(url: string, owners: readonly Owner[]): { end(): Promise<Worked> } {
  let isOn = true;
  const worked = { tasks: 0, lost: [] as string[], brokenStreams: 0 };
  const day = async (owner: Owner, seed: number): Promise<void> => {
    const claude = sdk({ url }, owner.token, { maxRetries: 2 });
    for (let task = seed; isOn; task += 1) {
      worked.tasks += 1;
      await persist(() => one({ claude, owner, task }, worked)).catch((error: unknown) =>
        worked.lost.push(String(error)),
      );
      await new Promise((resolve) => setTimeout(resolve, 200 + ((task * 37) % 300)));
    }
  };
  const all = owners.map((owner, index) => day(owner, index));
  return {
    async end() {
      isOn = false;
      await Promise.all(all);
      return worked;
    },
  };
}

/** People try again: an SDK gives up after two retries, which an outage outlasts. */
async function persist(attempt: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === 40) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

const MODELS = ['claude-haiku-4-5', 'claude-sonnet-4-6'] as const;

interface Task {
  readonly claude: Anthropic;
  readonly owner: Owner;
  readonly task: number;
}

/** One task of an owner, whose name is in the prompt: from that, the truth knows whose it was. */
async function one({ claude, owner, task }: Task, worked: { brokenStreams: number }): Promise<void> {
  const params = {
    model: MODELS[task % 2] ?? MODELS[0],
    max_tokens: 400,
    messages: [{ role: 'user' as const, content: `${owner.name}: ${'word '.repeat(1 + ((task * 13) % 50))}` }],
  };
  if (task % 3 !== 0) return void (await claude.messages.create(params));
  let hasBegun = false;
  let last = '';
  try {
    for await (const event of await claude.messages.create({ ...params, stream: true })) {
      [hasBegun, last] = [true, event.type];
    }
    if (last !== 'message_stop') throw new Error(`the stream ended after ${last}`);
  } catch (error) {
    if (hasBegun) worked.brokenStreams += 1;
    throw error;
  }
}
