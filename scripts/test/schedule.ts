import { SHORT_SECONDS, type Durations } from './durations.ts';

export interface ScheduleOptions {
  readonly remembered: Durations;
  /** How many files run at once. */
  readonly atOnce: number;
}

/** Says which file runs next, and how long the rest will take. Long files begin first, so that all end together. */
export class Schedule {
  readonly #waiting: string[];
  readonly #unfinished: Set<string>;
  readonly #total: number;
  readonly #atOnce: number;
  readonly #remembered: Durations;
  #expectedOfEnded = 0;
  #secondsOfEnded = 0;

  constructor(files: readonly string[], { remembered, atOnce }: ScheduleOptions) {
    this.#remembered = remembered;
    this.#atOnce = atOnce;
    this.#total = files.length;
    this.#waiting = files.toSorted((one, other) => this.#expected(other) - this.#expected(one));
    this.#unfinished = new Set(files);
  }

  /** The file to run now; undefined when all have been handed out. */
  next(): string | undefined {
    return this.#waiting.shift();
  }

  ended(file: string, seconds: number): void {
    this.#unfinished.delete(file);
    this.#expectedOfEnded += this.#expected(file);
    this.#secondsOfEnded += seconds;
  }

  /**
   * Seconds until all files have run that have not ended, those that run now counted whole, at the pace of this machine
   * so far; null when no duration of them is remembered.
   */
  expectedSeconds(): number | null {
    const left = [...this.#unfinished];
    if (!left.some((file) => file in this.#remembered) && this.#expectedOfEnded === 0) return null;
    const seconds = left.map((file) => this.#expected(file));
    const pace = this.#expectedOfEnded === 0 ? 1 : this.#secondsOfEnded / this.#expectedOfEnded;
    const shared = seconds.reduce((sum, each) => sum + each, 0) / this.#atOnce;
    return pace * Math.max(shared, ...seconds);
  }

  /** `[ 37/142]  1:12 of about 4:40`; after the last file without what was expected. */
  progress(elapsedSeconds: number): string {
    const done = String(this.#total - this.#unfinished.size).padStart(String(this.#total).length);
    const left = this.#unfinished.size === 0 ? null : this.expectedSeconds();
    const about = left === null ? '' : ` of about ${clock(elapsedSeconds + left)}`;
    return `[${done}/${this.#total}] ${clock(elapsedSeconds)}${about}`;
  }

  #expected(file: string): number {
    return this.#remembered[file] ?? SHORT_SECONDS;
  }
}

/** Minutes and seconds, as on a clock: `4:05`. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
