/**
 * One sequence as data: a client, the calls made with it, and what the server does. A plan can be printed, shrunk and
 * run again. Every field may be left out; `{ "calls": [{}] }` awaits one message that the server answers at once.
 */
export interface Plan {
  readonly client?: ClientPlan;
  readonly calls: readonly CallPlan[];
  /** The calls start at the same time. Default: one after the other. */
  readonly together?: boolean;
}

/** How the client is made. */
export interface ClientPlan {
  /** Default: the highest SDK that is installed. */
  readonly sdk?: Choice<'sdk'>;
  /** Default: Node's own. */
  readonly fetch?: Choice<'fetch'>;
  /** What the fetch function hands back in place of its response. */
  readonly hands?: Choice<'hands'>;
  /** What the program made of the client class or the client. */
  readonly shape?: Choice<'shape'>;
  /** Default: an API key. */
  readonly credential?: Choice<'credential'>;
  readonly headers?: Choice<'headers'>;
  readonly fetchOptions?: Choice<'fetchOptions'>;
  readonly logLevel?: Choice<'logLevel'>;
  /** Default: 1. */
  readonly maxRetries?: number;
  readonly timeoutMs?: number;
  readonly query?: boolean;
  readonly middleware?: readonly Choice<'middleware'>[];
  /** Fields that the program sets on the finished client. */
  readonly changes?: readonly ChangePlan[];
  /** The program calls `withOptions` on the decorated client and goes on with the copy. */
  readonly copied?: boolean;
  /** The decorated client is decorated once more. */
  readonly twice?: boolean;
  /** The program looks at the client: its keys, its fields, its class. */
  readonly looked?: boolean;
}

export interface ChangePlan {
  readonly field?: Choice<'field'>;
  /** Set on what the decorator returned. Default: set before. */
  readonly after?: boolean;
}

/** One call of the program's. */
export interface CallPlan {
  /** Default: `create`. */
  readonly operation?: Choice<'operation'>;
  /** Default: `await` for what is a promise, `iterate` for what is not. */
  readonly reading?: Choice<'reading'>;
  /** A signal is passed, and aborted then. */
  readonly abort?: Choice<'abort'>;
  readonly headers?: Choice<'headers'>;
  readonly middleware?: readonly Choice<'middleware'>[];
  readonly maxRetries?: number;
  readonly timeoutMs?: number;
  /** Default: 64. */
  readonly maxTokens?: number;
  /** The prompt, in characters. */
  readonly promptLength?: number;
  /** One for each request, in order; what comes after is answered at once and in full. */
  readonly replies?: readonly Reply[];
}

/** What the server does with one request. */
export interface Reply {
  /** Default: 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: what the API would answer. */
  readonly body?: Choice<'body'>;
  /** The body is filled up to this length. */
  readonly bytes?: number;
  readonly encoding?: Choice<'encoding'>;
  /** Default: `length`. */
  readonly framing?: Choice<'framing'>;
  /** Where the body is split into writes of their own, as parts of its length from 0 to 1. */
  readonly borders?: readonly number[];
  /** Heads of 1xx that come first. */
  readonly informational?: readonly number[];
  readonly trouble?: Choice<'trouble'>;
}

/** All that a field can be. Plans are drawn from these lists and checked against them. */
export const CHOICES = {
  sdk: ['lowest', 'bedrock', 'vertex', 'foundry', 'aws', 'google-cloud'],
  fetch: ['undici', 'node-fetch-2', 'node-fetch-3'],
  hands: [
    ...['plain-object', 'read-response', 'same-response', 'other-realm', 'bound-proxy'],
    ...['throws-string', 'throws-error'],
  ],
  shape: ['subclass', 'tenant', 'warns', 'own-members', 'proxy', 'bound-proxy'],
  credential: ['token', 'function', 'failing-function'],
  headers: ['cased', 'removed', 'invalid'],
  fetchOptions: ['invalid-headers', 'keepalive', 'redirect-error', 'redirect-manual'],
  logLevel: ['debug', 'info', 'off'],
  middleware: [
    ...['pass', 'again', 'again-unread', 'retry-refusal', 'answer', 'clone', 'clone-unread', 'parse'],
    ...['replace', 'consume', 'header', 'type-error', 'retryable-error'],
  ],
  field: ['baseURL', 'timeout', 'maxRetries', 'apiKey', 'logLevel', 'fetch', 'method', 'property'],
  operation: [
    ...['create', 'create-stream', 'stream', 'parse', 'beta-create', 'beta-create-stream', 'beta-stream', 'runner'],
    ...['runner-stream', 'count-tokens', 'batch-create', 'batch-list', 'batch-results', 'models', 'model'],
    ...['upload', 'download', 'get', 'post', 'post-stream'],
  ],
  reading: [
    ...['await', 'twice', 'with-response', 'catch', 'unawaited', 'iterate', 'break', 'iterate-twice', 'tee', 'tee-one'],
    ...['readable', 'controller-abort', 'final', 'events', 'next-page', 'unread'],
    ...['text', 'json', 'bytes', 'array-buffer', 'blob', 'text-twice', 'json-after-text', 'await-then-text'],
    ...['clone', 'clone-unread', 'reader', 'reader-cancel', 'body-tee', 'body-iterate', 'body-break', 'body-return'],
    ...['pipe-through', 'pipe-through-nothing', 'pipe-to', 'cancel', 'look'],
  ],
  abort: ['never', 'before', 'on-request', 'on-read', 'on-retry'],
  body: ['malformed', 'empty', 'html', 'error', 'null', 'error-event', 'malformed-event', 'no-end', 'split-event'],
  encoding: ['gzip', 'deflate', 'br', 'false-gzip'],
  framing: ['chunked', 'trailers', 'close', 'length'],
  trouble: ['reset', 'close', 'stall', 'garbage', 'cut-body', 'stall-body', 'reset-body', 'redirect'],
} as const satisfies Record<string, readonly string[]>;

export type Choice<Field extends keyof typeof CHOICES> = (typeof CHOICES)[Field][number];

/** Reads a plan as it was printed. Throws a `TypeError` that names the first field that is none of a plan's. */
export function parsePlan(json: string): Plan {
  const plan: unknown = JSON.parse(json);
  checkFields(plan, 'the plan', PLAN_FIELDS);
  return plan as Plan;
}

type Fields = Readonly<Record<string, 'value' | readonly string[] | (() => Fields)>>;

const { sdk, fetch, hands, shape, credential, headers, fetchOptions, logLevel, middleware, field } = CHOICES;
const { operation, reading, abort, body, encoding, framing, trouble } = CHOICES;

const REPLY_FIELDS: Fields = {
  ...{ status: 'value', headers: 'value', bytes: 'value', borders: 'value', informational: 'value' },
  ...{ body, encoding, framing, trouble },
};

const CALL_FIELDS: Fields = {
  ...{ operation, reading, abort, headers, middleware },
  ...{ maxRetries: 'value', timeoutMs: 'value', maxTokens: 'value', promptLength: 'value' },
  replies: () => REPLY_FIELDS,
};

const CLIENT_FIELDS: Fields = {
  ...{ sdk, fetch, hands, shape, credential, headers, fetchOptions, logLevel, middleware },
  ...{ maxRetries: 'value', timeoutMs: 'value', query: 'value', copied: 'value', twice: 'value', looked: 'value' },
  changes: () => ({ field, after: 'value' }),
};

const PLAN_FIELDS: Fields = { client: () => CLIENT_FIELDS, calls: () => CALL_FIELDS, together: 'value' };

function checkFields(given: unknown, place: string, fields: Fields): void {
  if (Array.isArray(given)) {
    given.forEach((each, at) => checkFields(each, `${place}[${at}]`, fields));
    return;
  }
  if (typeof given !== 'object' || given === null) throw new TypeError(`Expected an object as ${place}.`);
  for (const [name, value] of Object.entries(given)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) throw new TypeError(`${place} has no field ${name}: ${Object.keys(fields).join(', ')}.`);
    if (typeof field === 'function') checkFields(value, `${place}.${name}`, field());
    if (typeof field === 'object') checkChoice(value, `${place}.${name}`, field);
  }
}

function checkChoice(given: unknown, place: string, choices: readonly string[]): void {
  for (const value of Array.isArray(given) ? (given as unknown[]) : [given]) {
    if (choices.some((choice) => choice === value)) continue;
    throw new TypeError(`Expected one of ${choices.join(', ')} as ${place}.`);
  }
}
