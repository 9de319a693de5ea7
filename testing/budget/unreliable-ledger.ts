import { LedgerUnavailableError, type Eventually, type Ledger, type Posted, type Posting } from 'plimsoll/budget';

/** What becomes of a posting on its way: it arrives, it gets lost, its answer gets lost, or its answer never comes. */
export type Fate = 'arrives' | 'is lost' | 'answer is lost' | 'hangs';

/** A ledger behind a bad line: a real one whose postings and answers get lost as they are told to. */
export class UnreliableLedger implements Ledger {
  readonly kind;
  readonly #ledger: Ledger;
  readonly #fates: Fate[] = [];
  readonly #hanging: (() => void)[] = [];
  readonly #coming = new Set<Promise<unknown>>();
  /** What becomes of all that no fate is scripted for. */
  usually: Fate = 'arrives';
  posts = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.kind = ledger.kind;
  }

  readonly id = (): string | null => this.#ledger.id();

  readonly timeMs = null;

  script(...fates: readonly Fate[]): void {
    this.#fates.push(...fates);
  }

  post(posting: Posting): Eventually<Posted> {
    this.posts += 1;
    return this.#meets(() => this.#ledger.post(posting));
  }

  balance(...asked: Parameters<Ledger['balance']>): ReturnType<Ledger['balance']> {
    return this.#meets(() => this.#ledger.balance(...asked));
  }

  history(...asked: Parameters<Ledger['history']>): ReturnType<Ledger['history']> {
    return this.#ledger.history(...asked);
  }

  close(): Eventually<void> {
    return this.#ledger.close();
  }

  /** Lets answers that hang come after all, in their order. */
  release(): void {
    for (const go of this.#hanging.splice(0)) go();
  }

  /** Resolves when every answer that is on its way has come. */
  async caughtUp(): Promise<void> {
    await Promise.allSettled(this.#coming);
  }

  #meets<T>(ask: () => Eventually<T>): Eventually<T> {
    const answer = this.#answer(ask);
    if (!(answer instanceof Promise)) return answer;
    this.#coming.add(answer);
    const came = (): boolean => this.#coming.delete(answer);
    answer.then(came, came);
    return answer;
  }

  #answer<T>(ask: () => Eventually<T>): Eventually<T> {
    const fate = this.#fates.shift() ?? this.usually;
    if (fate === 'arrives') return ask();
    if (fate === 'is lost') throw new LedgerUnavailableError('lost');
    if (fate === 'hangs') {
      return new Promise<T>((resolve, reject) => {
        this.#hanging.push(() => void Promise.resolve(ask()).then(resolve, reject));
      });
    }
    const answered = ask();
    const lost = (): never => {
      throw new LedgerUnavailableError('the answer was lost');
    };
    return answered instanceof Promise ? answered.then(lost) : lost();
  }
}
