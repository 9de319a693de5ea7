interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly happen: () => void;
}

/** A queue of what is to happen. Events of the same time happen in the order in which they were set. */
export class VirtualTime {
  #nowMs = 0;
  #set = 0;
  readonly #heap: Event[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, happen: () => void): void {
    const heap = this.#heap;
    const event = { atMs: this.#nowMs + ms, order: this.#set++, happen };
    let at = heap.push(event) - 1;
    for (let parent = (at - 1) >> 1; at > 0 && isEarlier(event, heap[parent]); at = parent, parent = (at - 1) >> 1)
      swap(heap, at, parent);
  }

  /** Lets everything happen that is set for before `untilMs`, and what comes of it. */
  run(untilMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs < untilMs; next = this.#heap[0]) {
      this.#removeFirst();
      this.#nowMs = next.atMs;
      next.happen();
    }
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const least = isEarlier(heap[left + 1], heap[left]) ? left + 1 : left;
      if (!isEarlier(heap[least], last)) return;
      swap(heap, at, least);
      at = least;
    }
  }
}

function isEarlier(one: Event | undefined, other: Event | undefined): boolean {
  if (one === undefined || other === undefined) return one !== undefined;
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}

function swap(heap: Event[], one: number, other: number): void {
  const [a, b] = [heap[one], heap[other]];
  if (a !== undefined && b !== undefined) [heap[one], heap[other]] = [b, a];
}
