import { setTimeout as sleep } from 'node:timers/promises';
import type { Simulator } from 'plimsoll/simulator';

type Path = 'chat' | 'review' | 'research';

/** One user of the service. */
interface Visit {
  readonly path: Path;
  readonly token: string;
  readonly question: string;
  /** Leaves in the middle of the response. */
  readonly leaves: boolean;
}

interface TrafficOptions {
  readonly serviceUrl: string;
  /** The simulator, which is scripted to be overloaded. */
  readonly api: Pick<Simulator, 'script'>;
  readonly seed: number;
  readonly signal: AbortSignal;
}

const TICK_MS = 250;
/** Visits at the same time. More are turned away, so that the demo never grows without bound. */
const MOST_VISITS = 80;

/** Visits the service in a fixed rhythm until the signal is aborted, then waits for the last visit. */
export async function traffic({ serviceUrl, api, seed, signal }: TrafficOptions): Promise<void> {
  const random = seededRandom(seed);
  const open = new Set<Promise<void>>();
  for (let tick = 0; !signal.aborted; tick += 1) {
    const second = ((tick * TICK_MS) / 1000) % PERIOD_SECONDS;
    if (second === OVERLOAD_AT) api.script(Array.from({ length: 8 }, () => ({ fault: 'overloaded' })));
    for (const visit of visits(second, random)) {
      if (open.size >= MOST_VISITS) break;
      const visited = visitService(serviceUrl, visit, signal).finally(() => open.delete(visited));
      open.add(visited);
    }
    await sleep(TICK_MS, undefined, { signal }).catch(() => undefined); // Aborted: the loop sees it.
  }
  await Promise.all(open);
}

/** The rhythm repeats after two minutes. */
const PERIOD_SECONDS = 120;
const OVERLOAD_AT = 52;

/** Visits per second at a second of the period: a calm flow, one burst of all three models, and bursts that each hit another limit. */
function visitsPerSecond(second: number): Readonly<Record<Path, number>> {
  const burst = (from: number, perSecond: number): number => (second >= from && second < from + 4 ? perSecond : 0);
  return {
    chat: 0.3 + burst(2, 19) + burst(65, 6),
    review: 0.1 + burst(2, 7) + burst(30, 7),
    research: 0.05 + burst(2, 1.5) + burst(85, 3),
  };
}

function* visits(second: number, random: () => number): Generator<Visit> {
  for (const [path, perSecond] of Object.entries(visitsPerSecond(second)) as [Path, number][]) {
    const expected = (perSecond * TICK_MS) / 1000;
    const count = Math.floor(expected) + (random() < expected % 1 ? 1 : 0);
    for (let visit = 0; visit < count; visit += 1) yield drawnVisit(path, random);
  }
}

function drawnVisit(path: Path, random: () => number): Visit {
  const tenant = random();
  const length = random();
  return {
    path,
    token: tenant < 0.6 ? 'token-h' : tenant < 0.9 ? 'token-p' : 'token-y',
    question: `${QUESTIONS[path]} ${'The log of the harbor master says more. '.repeat(Math.floor(length * LENGTH[path]))}`,
    leaves: path === 'chat' && random() < 0.08,
  };
}

const QUESTIONS: Readonly<Record<Path, string>> = {
  chat: 'When is high water today?',
  review: 'Is this function easy to read? export const depth = (tide, draught) => tide - draught;',
  research: 'Compare the tides of the last thirty years. What follows for the new quay?',
};

/** Length of the longest question in sentences, each of about ten tokens. */
const LENGTH: Readonly<Record<Path, number>> = { chat: 8, review: 60, research: 1_400 };

/** Ignores errors: the service's metrics show them. */
async function visitService(serviceUrl: string, visit: Visit, signal: AbortSignal): Promise<void> {
  try {
    const response = await fetch(`${serviceUrl}/${visit.path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${visit.token}` },
      body: JSON.stringify({ question: visit.question }),
      signal,
    });
    const reader = response.body?.getReader();
    for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read()) {
      if (visit.leaves) return await reader?.cancel();
    }
  } catch {
    // A broken response, or the end of the demo.
  }
}

/** The mulberry32 generator: the same visits for the same seed. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
