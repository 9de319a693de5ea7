/** What each organisation has been billed in each calendar month, UTC, in whole nano-dollars. */
export class MonthlySpend {
  readonly #nanoUsd = new Map<string, number>();
  readonly #firstMonths = new Map<string | null, string>();
  readonly #headStartNanoUsd: number;

  /** `headStartNanoUsd` counts as spent before the first request, in every organisation and in the first month seen. */
  constructor(headStartNanoUsd: number) {
    this.#headStartNanoUsd = headStartNanoUsd;
  }

  add(organization: string | null, atMs: number, nanoUsd: number): void {
    const month = `${organization} ${monthOf(atMs)}`;
    this.#nanoUsd.set(month, (this.#nanoUsd.get(month) ?? 0) + nanoUsd);
  }

  spent(organization: string | null, atMs: number): number {
    const month = monthOf(atMs);
    const first = this.#firstMonths.get(organization) ?? month;
    this.#firstMonths.set(organization, first);
    return (this.#nanoUsd.get(`${organization} ${month}`) ?? 0) + (month === first ? this.#headStartNanoUsd : 0);
  }
}

/** The first day of the month after, as the API names the day on which access returns. */
export function regainDay(atMs: number): string {
  const at = new Date(atMs);
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1)).toISOString().slice(0, 10);
}

function monthOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 7);
}
