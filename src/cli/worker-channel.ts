/** What goes between a process that supervises and one of its workers: questions with answers, and news. */
type Message =
  | { readonly plimsoll: 'ask'; readonly number: number; readonly name: string; readonly about: unknown }
  | { readonly plimsoll: 'answer'; readonly number: number; readonly value: unknown; readonly problem: string | null }
  | { readonly plimsoll: 'tell'; readonly name: string; readonly about: unknown };

/** What one end does when the other asks or tells, by name. An answer may be a promise. */
export type Answers = Readonly<Record<string, (about: never) => unknown>>;

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** One end of the connection of two processes, for values that can be cloned. Messages keep their order. */
export class WorkerChannel {
  readonly #send: (message: object) => void;
  readonly #answers: Answers;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;
  #isClosed = false;

  constructor(send: (message: object) => void, answers: Answers) {
    this.#send = send;
    this.#answers = answers;
  }

  /** Takes a message of the other end; any other is ignored. */
  receive(given: unknown): void {
    if (typeof given !== 'object' || given === null || !('plimsoll' in given)) return;
    const message = given as Message;
    if (message.plimsoll === 'answer') this.#settle(message);
    else void this.#act(message);
  }

  /** Rejects where the other end failed, or is gone. */
  ask<Answer>(name: string, about?: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(GONE);
      const number = (this.#asked += 1);
      this.#waiting.set(number, { resolve, reject });
      this.#post({ plimsoll: 'ask', number, name, about });
    });
  }

  tell(name: string, about?: unknown): void {
    this.#post({ plimsoll: 'tell', name, about });
  }

  /** The other end is gone: what was asked of it fails, and nothing is sent any more. */
  close(): void {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.values()) reject(GONE);
    this.#waiting.clear();
  }

  #post(message: Message): void {
    if (!this.#isClosed) this.#send(message);
  }

  #settle({ number, value, problem }: Extract<Message, { plimsoll: 'answer' }>): void {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (problem === null) waiting?.resolve(value as never);
    else waiting?.reject(new Error(problem));
  }

  async #act(message: Exclude<Message, { plimsoll: 'answer' }>): Promise<void> {
    const act = this.#answers[message.name] as ((about: unknown) => unknown) | undefined;
    let [value, problem]: [unknown, string | null] = [undefined, null];
    try {
      if (act === undefined) throw new Error(`nobody answers ${message.name}`);
      value = await act(message.about);
    } catch (error) {
      problem = error instanceof Error ? error.message : 'failed';
    }
    if (message.plimsoll === 'ask') this.#post({ plimsoll: 'answer', number: message.number, value, problem });
  }
}

const GONE = new Error('the other process is gone');
