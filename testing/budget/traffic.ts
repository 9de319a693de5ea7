import type { Spend } from 'plimsoll/budget';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How spend goes over a year. */
export interface Traffic {
  readonly name: string;
  /** Spend on a Saturday or Sunday, as part of that of a weekday. */
  readonly weekend: number;
  /** Spend at night, as part of that of the day; it goes up and down between the two as a sine does. */
  readonly night: number;
  /** Growth in 30 days: 0.1 is 10%. */
  readonly growth: number;
  /** Chance that a day has a burst of one to six hours, three to ten times as dear. */
  readonly bursts: number;
  /** Scatter of each hour: the standard deviation of its logarithm. */
  readonly noise: number;
}

/** Kinds of traffic that services have. */
export const TRAFFICS: readonly Traffic[] = [
  { name: 'office hours, growing 10% a month', weekend: 0.3, night: 0.1, growth: 0.1, bursts: 0.05, noise: 0.3 },
  { name: 'round the clock, steady', weekend: 1, night: 0.8, growth: 0, bursts: 0, noise: 0.2 },
  { name: 'nightly batches, bursts', weekend: 0.9, night: 4, growth: 0.03, bursts: 0.15, noise: 0.5 },
  { name: 'young, growing 40% a month', weekend: 0.6, night: 0.3, growth: 0.4, bursts: 0.1, noise: 0.5 },
];

/** How long, from when and by which chance. */
export interface TrafficSpan {
  readonly fromMs: number;
  readonly days: number;
  readonly seed: number;
}

/** Spend of each hour, about $1 at first; the same for the same seed. */
export function traffic(kind: Traffic, { fromMs, days, seed }: TrafficSpan): readonly Spend[] {
  const random = generator(seed);
  let burstUntilMs = 0;
  let burst = 1;
  return Array.from({ length: days * 24 }, (_, hour) => {
    const startMs = fromMs + hour * HOUR_MS;
    if (hour % 24 === 0 && random() < kind.bursts) {
      burstUntilMs = startMs + DAY_MS * random() + HOUR_MS * (1 + 5 * random());
      burst = 3 + 7 * random();
    }
    const weekday = new Date(startMs).getUTCDay();
    const ofWeek = weekday === 0 || weekday === 6 ? kind.weekend : 1;
    const daylight = (1 - Math.cos((((hour % 24) + 0.5) / 24) * 2 * Math.PI)) / 2;
    const ofDay = kind.night + (1 - kind.night) * daylight;
    const grown = (1 + kind.growth) ** ((startMs - fromMs) / (30 * DAY_MS));
    const isBurst = startMs < burstUntilMs && startMs >= burstUntilMs - 6 * HOUR_MS;
    const usd = ofWeek * ofDay * grown * (isBurst ? burst : 1) * Math.exp(kind.noise * normal(random));
    return { startMs, nanoUsd: BigInt(Math.round(usd * 1e9)) };
  });
}

function generator(seed: number): () => number {
  let state = seed * 7_919;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(random() || 1e-9)) * Math.cos(2 * Math.PI * random());
}
