import {
  CHOICES,
  type CallPlan,
  type ChangePlan,
  type Choice,
  type ClientPlan,
  type Plan,
  type Reply,
} from './plan.ts';
import type { Random } from './random.ts';

/**
 * Draws a plan whose outcome does not depend on timing: nobody waits but for what comes or for an abort that is part
 * of the plan, and no read races with what the server sends next.
 */
export function drawPlan(random: Random): Plan {
  const calls = Array.from({ length: random.one([1, 1, 1, 2, 3]) }, () => drawCall(random));
  const together = calls.length > 1 && random.whether(0.4);
  const isWatchedRetrying = calls.some(({ abort }) => abort === 'on-retry');
  const client = { ...drawClient(random), ...(isWatchedRetrying && { logLevel: 'info' as const }) };
  return withoutWaiting({ ...(Object.keys(client).length > 0 && { client }), calls, ...(together && { together }) });
}

/** Middleware that waits for the end of a body, which may not come. */
const READS_ALL: readonly Choice<'middleware'>[] = ['clone', 'clone-unread', 'parse', 'replace', 'consume'];

/** Canceling a body waits for its clones. */
const HOLDS: readonly Choice<'middleware'>[] = ['clone-unread'];

/** Takes away what would make a plain client wait forever. A hang proves little and takes long. */
function withoutWaiting(plan: Plan): Plan {
  const replies = plan.calls.flatMap((call) => call.replies ?? []);
  const stands = replies.some(({ trouble }) => trouble === 'stall-body' || trouble === 'reset-body');
  const isGivenUp =
    replies.some(({ status = 200 }) => status >= 400) || plan.calls.some(({ reading }) => reading === 'break');
  const taken = stands ? READS_ALL : isGivenUp ? HOLDS : [];
  const { hands, ...client } = plan.client ?? {};
  return {
    ...plan,
    client: { ...withoutMiddleware(client, taken), ...(hands !== undefined && !stands && { hands }) },
    calls: plan.calls.map((call) => withoutMiddleware(call, taken)),
  };
}

function withoutMiddleware<T extends Pick<CallPlan, 'middleware'>>(plan: T, taken: readonly Choice<'middleware'>[]): T {
  if (plan.middleware === undefined) return plan;
  return { ...plan, middleware: plan.middleware.filter((kind) => !taken.includes(kind)) };
}

function drawClient(random: Random): ClientPlan {
  const sometimes = <T>(probability: number, draw: () => T): T | undefined =>
    random.whether(probability) ? draw() : undefined;
  const { credential, ...drawn } = compact<ClientPlan>({
    sdk: sometimes(0.5, () => random.one(['lowest', 'lowest', 'lowest', ...CHOICES.sdk])),
    fetchOptions: sometimes(0.05, () => random.one(CHOICES.fetchOptions)),
    fetch: sometimes(0.5, () => random.one(CHOICES.fetch)),
    hands: sometimes(0.06, () => random.one(CHOICES.hands)),
    shape: sometimes(0.1, () => random.one(CHOICES.shape)),
    credential: sometimes(0.1, () => random.one(CHOICES.credential)),
    headers: sometimes(0.1, () => random.one(CHOICES.headers)),
    logLevel: sometimes(0.4, () => random.one(CHOICES.logLevel)),
    maxRetries: sometimes(0.3, () => random.one([0, 2])),
    timeoutMs: sometimes(0.1, () => 30_000),
    query: sometimes(0.1, () => true),
    middleware: sometimes(0.15, () => [random.one(CHOICES.middleware), ...random.several(CHOICES.middleware, 1)]),
    changes: sometimes(0.1, () => [drawChange(random)]),
    copied: sometimes(0.06, () => true),
    twice: sometimes(0.05, () => true),
    looked: sometimes(0.04, () => true),
  });
  // Where a function gives the key, the lowest SDK leaves rejections that nobody handles, now and then so late that they
  // would be seen in the next sequence.
  const isTaken = credential !== undefined && (drawn.sdk !== 'lowest' || credential === 'token');
  return { ...drawn, ...(isTaken && { credential }) };
}

/** Leaves out what was not drawn. */
function compact<T extends object>(fields: { readonly [Name in keyof T]: T[Name] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

function drawChange(random: Random): ChangePlan {
  return { field: random.one(CHOICES.field), ...(random.whether(0.3) && { after: true }) };
}

/** What a call waits for, besides what the server sends at once. Everything of these belongs together. */
type Scene = (random: Random, operation: Choice<'operation'>) => Partial<CallPlan>;

const SCENES: readonly (readonly [weight: number, Scene])[] = [
  [12, (random, operation) => ({ reading: drawReading(random, operation), replies: drawReplies(random) })],
  [1, () => ({ abort: 'before' })],
  [1, (random) => ({ abort: 'on-request', replies: [...drawRefusals(random), { trouble: 'stall' }] })],
  [1, (random) => ({ abort: 'on-retry', replies: [retriedIn(random.one([20, 2_000]))], maxRetries: 1 })],
  [1, (_random, operation) => leftStream(operation, { abort: 'on-read' })],
  [1, (random, operation) => leftStream(operation, { reading: random.one(['break', 'controller-abort']) })],
  [1, (_random, operation) => leftStream(operation, {}, 'reset-body')],
  [1, () => ({ operation: 'create', timeoutMs: 120, maxRetries: 0, replies: [{ trouble: 'stall' }] })],
  [1, (random) => ({ maxRetries: 2, replies: [{ ...retriedIn(1, random.one(RETRIED)), trouble: 'stall-body' }] })],
  [1, (random) => ({ maxTokens: random.one([21_333, 21_334, 64_000]) })],
];

const STREAMED = ['create-stream', 'stream', 'beta-create-stream', 'beta-stream'] as const;

/** A stream that stands still in its middle. Its one write is one chunk, so what was read by then is always the same. */
function leftStream(
  operation: Choice<'operation'>,
  how: Partial<CallPlan>,
  trouble: 'stall-body' | 'reset-body' = 'stall-body',
): Partial<CallPlan> {
  const streamed = STREAMED.find((name) => name === operation) ?? 'create-stream';
  return { operation: streamed, reading: 'iterate', ...how, replies: [{ trouble }] };
}

function drawCall(random: Random): CallPlan {
  const operation = random.whether(0.45) ? random.one(['create', ...STREAMED] as const) : random.one(CHOICES.operation);
  const weights = SCENES.reduce((sum, [weight]) => sum + weight, 0);
  let at = random.next() * weights;
  const [, scene] = SCENES.find(([weight]) => (at -= weight) < 0) ?? SCENES[0] ?? [0, () => ({})];
  const call: CallPlan = {
    ...(operation !== 'create' && { operation }),
    ...(random.whether(0.06) && { headers: random.one(CHOICES.headers) }),
    ...(random.whether(0.1) && { middleware: [random.one(CHOICES.middleware)] }),
    ...(random.whether(0.3) && { abort: 'never' as const }),
    ...(random.whether(0.1) && { promptLength: random.one([3_000, 200_000]) }),
    ...scene(random, operation),
  };
  // What is not awaited has to come to its end while the sequence runs, or its failure falls into the next one.
  return call.reading === 'unawaited' ? { ...call, maxRetries: 0 } : call;
}

const RESPONSES: readonly Choice<'reading'>[] = [
  ...([
    'text',
    'json',
    'bytes',
    'array-buffer',
    'blob',
    'text-twice',
    'json-after-text',
    'clone',
    'clone-unread',
  ] as const),
  ...(['reader', 'reader-cancel', 'body-tee', 'body-iterate', 'body-break', 'body-return', 'pipe-through'] as const),
  ...(['pipe-through-nothing', 'pipe-to', 'cancel', 'look'] as const),
];
const PROMISES: readonly Choice<'reading'>[] = [
  ...([
    'await',
    'await',
    'await',
    'twice',
    'with-response',
    'catch',
    'await-then-text',
    'unread',
    'unawaited',
  ] as const),
];
const STREAMS: readonly Choice<'reading'>[] = [
  ...(['iterate', 'iterate', 'iterate', 'break', 'iterate-twice', 'tee', 'tee-one', 'readable'] as const),
  ...(['controller-abort', 'with-response', 'unread'] as const),
];

function drawReading(random: Random, operation: Choice<'operation'>): Choice<'reading'> {
  switch (operation) {
    case 'create-stream':
    case 'beta-create-stream':
      return random.one(random.whether(0.7) ? STREAMS : RESPONSES);
    case 'stream':
    case 'beta-stream':
      return random.one(['iterate', 'final', 'events', 'break', 'with-response', 'readable', 'controller-abort']);
    case 'runner':
    case 'runner-stream':
      return random.one(['iterate', 'iterate', 'await', 'break']);
    case 'batch-list':
    case 'models':
      return random.one(['iterate', 'break', 'next-page', 'await', 'with-response', 'text']);
    case 'batch-results':
      return random.one(['iterate', 'break', 'unread']);
    default:
      return random.one(random.whether(0.5) ? PROMISES : RESPONSES);
  }
}

const RETRIED = [408, 409, 429, 500, 502, 503, 529];
const STATUSES = [400, 401, 402, 403, 404, 413, 418, 422, ...RETRIED, ...RETRIED];

function drawReplies(random: Random): readonly Reply[] {
  const refusals = random.whether(0.45) ? drawRefusals(random) : [];
  const answer = random.whether(0.6) ? [drawAnswer(random)] : [];
  return [...refusals, ...answer];
}

function drawRefusals(random: Random): readonly Reply[] {
  return Array.from({ length: random.one([1, 1, 1, 2, 3]) }, () =>
    random.whether(0.2) ? { trouble: random.one(['reset', 'close', 'garbage']) } : drawRefusal(random, STATUSES),
  );
}

function drawRefusal(random: Random, statuses: readonly number[]): Reply {
  const told = random.whether(0.2) && { 'x-should-retry': random.one(['true', 'false']) };
  return {
    ...retriedIn(1, random.one(statuses)),
    headers: { 'retry-after-ms': '1', ...told },
    body: random.one(['error', 'error', 'error', 'html', 'empty', 'malformed', 'null']),
    ...drawTransfer(random),
    ...(random.whether(0.1) && { trouble: 'cut-body' as const }),
  };
}

function retriedIn(waitMs: number, status = 429): Reply {
  return { status, headers: { 'retry-after-ms': String(waitMs) }, body: 'error' };
}

function drawAnswer(random: Random): Reply {
  if (random.whether(0.1)) return { trouble: 'redirect', status: random.one([301, 302, 303, 307, 308]) };
  const cut = random.whether(0.12);
  return {
    ...(random.whether(0.1) && { status: random.one([201, 204, 206, 304]) }),
    ...(random.whether(0.25) && { body: random.one(CHOICES.body) }),
    ...(random.whether(0.2) && { headers: random.one(ODD_HEADERS) }),
    ...(cut ? { trouble: 'cut-body' as const } : drawTransfer(random)),
    ...(cut && random.whether(0.5) && { framing: random.one(['chunked', 'close']) }),
  };
}

const ODD_HEADERS: readonly Readonly<Record<string, string>>[] = [
  { 'anthropic-ratelimit-requests-remaining': 'many' },
  { 'set-cookie': 'a=1' },
  { 'X-Odd': 'ä' },
  { 'request-id': 'req_02' },
  { 'content-type': 'text/plain' },
];

/** How a whole body travels. */
function drawTransfer(random: Random): Reply {
  return {
    ...(random.whether(0.4) && { framing: random.one(CHOICES.framing) }),
    ...(random.whether(0.2) && { encoding: random.one(CHOICES.encoding) }),
    ...(random.whether(0.3) && {
      borders: Array.from({ length: random.one([1, 3, 12]) }, () => rounded(random.next())),
    }),
    ...(random.whether(0.12) && { bytes: random.one([1_000, 100_000]) }),
    ...(random.whether(0.06) && { informational: [random.one([100, 103])] }),
  };
}

const rounded = (part: number): number => Math.round(part * 1_000) / 1_000;
