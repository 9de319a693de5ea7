import type Anthropic from '@anthropic-ai/sdk';
import type { Decoration } from './decorations.ts';
import type { Fetch } from './fetches.ts';

/** A decorator that is broken on purpose, and where that must be seen. */
export interface Mutant {
  readonly mistake: string;
  /** The channel of the trace in which it shows, without its number. */
  readonly seenIn: string;
  break(client: Anthropic): void;
}

/** A mistake in what is put around the client's fetch function. */
const inFetch = (seenIn: string, mistake: string, wrapped: (base: Fetch) => Fetch): Mutant => ({
  mistake,
  seenIn,
  break(client) {
    const open = client as unknown as { fetch: Fetch };
    open.fetch = wrapped(open.fetch);
  },
});

/** Every mistake that has to be found, or the comparison proves nothing. */
export const MUTANTS: readonly Mutant[] = [
  inFetch('sequence', 'swallows the abort', (base) => (input, init) => {
    const { signal: _signal, ...rest } = init ?? {};
    return base(input, rest);
  }),
  {
    mistake: 'pins the timeout',
    seenIn: 'requests',
    break: (client) => void Object.assign(client, { timeout: 599_000 }),
  },
  inFetch('call', 'reads the body and hands it on', (base) => async (input, init) => {
    const response = await base(input, init);
    await response.text();
    return response;
  }),
  inFetch('requests', 'doubles a header', (base) => (input, init) => {
    const headers = new Headers(init?.headers);
    headers.append('anthropic-version', headers.get('anthropic-version') ?? '');
    return base(input, { ...init, headers });
  }),
  inFetch('process', 'loses a rejection', (base) => (input, init) => {
    const response = base(input, init);
    void response.then(() => undefined);
    return response;
  }),
  inFetch('sequence', 'leaves a clone of the body unread', (base) => async (input, init) => {
    const response = await base(input, init);
    kept.add(response.clone());
    return response;
  }),
];

/** Held for a while, as by a program that means to read them later: collected, they would be canceled. */
const kept = new Set<Response>();

/** `right` with a mistake in it. */
export function mutated(right: Decoration, mutant: Mutant): Decoration {
  return {
    begin() {
      kept.clear();
      return right.begin();
    },
    decorate(client) {
      const decorated = right.decorate(client);
      mutant.break(decorated);
      return decorated;
    },
  };
}
