import type { Attempt, Call, CallRecorder, Recorder } from '../src/vocabulary.ts';

/** A recorder that keeps all events of all calls, in order. */
export class KeepingRecorder implements Recorder {
  readonly events: string[] = [];
  readonly calls: Call[] = [];
  readonly attempts: Attempt[] = [];
  #open = 0;
  readonly #waiters: { readonly calls: number; readonly resolve: () => void }[] = [];

  get inFlight(): number {
    return this.#open;
  }

  started(call: Call): CallRecorder {
    this.#open++;
    this.events.push('started');
    return {
      attempted: (attempt) => {
        this.attempts.push(attempt);
        this.events.push(`attempted ${attempt.status}`);
      },
      firstToken: () => void this.events.push('firstToken'),
      finished: () => this.#finish(call),
    };
  }

  #finish(call: Call): void {
    this.#open--;
    this.calls.push(call);
    this.events.push(`finished ${call.outcome}`);
    for (const { calls, resolve } of this.#waiters) if (this.calls.length >= calls) resolve();
  }

  /** Resolves when so many calls have finished: what a refusal came to is told after its body was read. */
  async finishedCalls(calls: number): Promise<void> {
    if (this.calls.length >= calls) return;
    await new Promise<void>((resolve) => this.#waiters.push({ calls, resolve }));
  }
}
