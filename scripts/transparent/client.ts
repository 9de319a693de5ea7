import { Anthropic, AnthropicError, APIError, BaseAnthropic } from '@anthropic-ai/sdk';
import { AnthropicAws } from '@anthropic-ai/aws-sdk';
import { AnthropicBedrock } from '@anthropic-ai/bedrock-sdk';
import { AnthropicFoundry } from '@anthropic-ai/foundry-sdk';
import { AnthropicGoogleCloud } from '@anthropic-ai/google-cloud-sdk';
import { AnthropicVertex } from '@anthropic-ai/vertex-sdk';
import { Anthropic as LowestAnthropic, APIError as LowestAPIError, BaseAnthropic as LowestBase } from 'sdk-lowest';
import { chain, describe } from './describe.ts';
import { fetchOf, type Fetch } from './fetches.ts';
import { middlewareOf, type Witness } from './middleware.ts';
import type { ChangePlan, Choice, ClientPlan } from './plan.ts';

type Options = Readonly<Record<string, unknown>>;
type ClientClass = new (options: Options) => Anthropic;

/** Where the requests go: to `home`, and to `away` in place of the public API, where an assignment to `baseURL` is lost. */
export interface Origins {
  readonly home: string;
  readonly away: string;
}

/** A class of the SDK's and what it needs besides. All clouds talk to the loopback server; none asks for credentials. */
interface Backend {
  readonly made: ClientClass;
  readonly options: Options;
}

const GOOGLE = { getRequestHeaders: async () => new Headers({ authorization: 'Bearer google' }), projectId: 'project' };
const AWS = { awsRegion: 'us-east-1', workspaceId: 'wrkspc_01' };

const backend = (made: unknown, options: Options): Backend => ({ made: made as ClientClass, options });

const BACKENDS: Readonly<Record<Choice<'sdk'> | 'highest', Backend>> = {
  highest: backend(Anthropic, {}),
  lowest: backend(LowestAnthropic, {}),
  bedrock: backend(AnthropicBedrock, AWS),
  vertex: backend(AnthropicVertex, { region: 'us-east5', projectId: 'project', authClient: GOOGLE, apiKey: null }),
  foundry: backend(AnthropicFoundry, {}),
  aws: backend(AnthropicAws, AWS),
  'google-cloud': backend(AnthropicGoogleCloud, {
    ...{ bearerTokenProvider: async () => 'google', project: 'project', workspaceId: 'workspace', apiKey: undefined },
  }),
};

// Without this each connection error would cost half a second, and a random part of it.
for (const { prototype } of [BaseAnthropic, LowestBase]) {
  Object.defineProperty(prototype, 'calculateDefaultRetryTimeoutMillis', { value: () => 1, configurable: true });
}

const KEY = 'sk-house';

const CREDENTIALS: Readonly<Record<Choice<'credential'>, Options>> = {
  token: { apiKey: null, authToken: 'token' },
  function: { apiKey: async () => 'sk-rotated' },
  'failing-function': {
    apiKey: async () => {
      throw new Error('no key today');
    },
  },
};

export const HEADERS: Readonly<Record<Choice<'headers'>, Readonly<Record<string, string | null>>>> = {
  cased: { 'X-Mixed-CASE': 'Value', 'anthropic-beta': 'one' },
  removed: { 'user-agent': null, 'x-stainless-retry-count': null },
  invalid: { 'x-broken\n': 'value' },
};

const FETCH_OPTIONS: Readonly<Record<Choice<'fetchOptions'>, RequestInit>> = {
  'invalid-headers': { headers: { 'x broken': 'value' } },
  keepalive: { keepalive: true },
  'redirect-error': { redirect: 'error' },
  'redirect-manual': { redirect: 'manual' },
};

/** Makes the client of a plan, before it is decorated: with the class, the options and the fields of its program. */
export function clientOf(plan: ClientPlan, origins: Origins, witness: Witness): Anthropic {
  const { changes = [] } = plan;
  const { made } = BACKENDS[plan.sdk ?? 'highest'];
  const client = shaped(plan.shape, made, {
    options: optionsOf(plan, origins, witness),
    note: witness.note,
  });
  for (const change of changes) if (change.after !== true) applyChange(client, change, origins);
  return client;
}

function optionsOf(plan: ClientPlan, { home, away }: Origins, witness: Witness): Options {
  const { credential, timeoutMs, logLevel, headers, maxRetries = 1, changes = [] } = plan;
  const isMoved = changes.some(({ field }) => field === 'baseURL');
  const given = fetchOf(plan.fetch, plan.hands);
  const fetch = isMoved ? movedFetch(given, away) : given;
  const log =
    (level: string) =>
    (...given: unknown[]) =>
      witness.note(`log ${level}`, given.map((each) => describe(each)).join(' '));
  return {
    ...{ apiKey: KEY, maxRetries },
    ...(!isMoved && { baseURL: home }),
    ...BACKENDS[plan.sdk ?? 'highest'].options,
    ...(credential !== undefined && CREDENTIALS[credential]),
    logger: { error: log('error'), warn: log('warn'), info: log('info'), debug: log('debug') },
    ...(fetch !== undefined && { fetch }),
    ...(timeoutMs !== undefined && { timeout: timeoutMs }),
    ...(logLevel !== undefined && { logLevel }),
    ...(headers !== undefined && { defaultHeaders: HEADERS[headers] }),
    ...(plan.fetchOptions !== undefined && { fetchOptions: FETCH_OPTIONS[plan.fetchOptions] }),
    ...(plan.query === true && { defaultQuery: { tenant: 'a b' } }),
    ...(plan.middleware !== undefined && { middleware: plan.middleware.map((kind) => middlewareOf(kind, witness)) }),
  };
}

/** Sends to `away` what would go to the public API. */
function movedFetch(base: Fetch = fetch, away: string): Fetch {
  return (input, init) => base(input instanceof Request ? input : String(input).replace(PUBLIC, away), init);
}

/** Where a client goes that was told nothing, each kind its own. */
const PUBLIC = /^https:\/\/[^/]+/;

interface Making {
  readonly options: Options;
  readonly note: Witness['note'];
}

function shaped(shape: Choice<'shape'> | undefined, made: ClientClass, making: Making): Anthropic {
  const { options } = making;
  switch (shape) {
    case undefined:
      return new made(options);
    case 'own-members':
      return Object.assign(new made(options), { tenant: 'a', getUserAgent: () => 'Program/1.0' });
    case 'proxy':
      return new Proxy(new made(options), {});
    case 'bound-proxy':
      return boundProxy(new made(options));
    default:
      return subclassed(shape, made, making);
  }
}

/** Classes as programs derive them, which the SDK's `withOptions` constructs again with options. */
function subclassed(shape: 'subclass' | 'tenant' | 'warns', made: ClientClass, { options, note }: Making): Anthropic {
  // eslint-disable-next-line no-restricted-syntax -- what is tested is what programs do
  class Derived extends made {
    readonly tenant: string;

    constructor(given: string | Options) {
      super(typeof given === 'string' ? { ...options, apiKey: `sk-${given}` } : given);
      this.tenant = typeof given === 'string' ? given : 'house';
      note('constructed', this.tenant);
      if (shape === 'warns') console.warn('Derived is deprecated');
    }

    override getUserAgent(): string {
      return `Derived/1.0 ${this.tenant}`;
    }
  }
  return shape === 'tenant' ? new Derived('tenant') : new Derived(options);
}

function boundProxy(client: Anthropic): Anthropic {
  return new Proxy(client, {
    get(target, name) {
      if (name === 'wrapped') return true;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Sets the fields that the plan sets after decoration. */
export function changeDecorated(client: Anthropic, { changes = [] }: ClientPlan, origins: Origins): void {
  for (const change of changes) if (change.after === true) applyChange(client, change, origins);
}

function applyChange(client: Anthropic, { field = 'property' }: ChangePlan, { home }: Origins): void {
  const { fetch } = client as unknown as { fetch: typeof globalThis.fetch };
  const values: Readonly<Record<Choice<'field'>, Options>> = {
    baseURL: { baseURL: home },
    timeout: { timeout: 5_000 },
    maxRetries: { maxRetries: 2 },
    apiKey: { apiKey: 'sk-changed' },
    logLevel: { logLevel: 'debug' },
    fetch: {
      fetch: (input: string, init: RequestInit) =>
        fetch(input, {
          ...init,
          headers: [...new Headers(init.headers), ['x-fetch', 'changed']] as [string, string][],
        }),
    },
    method: { getUserAgent: () => 'Changed/1.0' },
    property: { tenant: 'changed' },
  };
  Object.assign(client, values[field]);
}

const FIELDS = ['baseURL', 'timeout', 'maxRetries', 'apiKey', 'authToken', 'logLevel', 'tenant', 'wrapped'] as const;

/** What a program sees of a client by looking: classes, keys, fields. */
export function lookAt(client: Anthropic, { sdk }: ClientPlan, note: Witness['note']): void {
  note('classes', chain(client).join(' < '));
  note('is an instance', String(client instanceof BACKENDS[sdk ?? 'highest'].made));
  note('enumerable keys', Object.keys(client).join(' '));
  note('middleware', String(client.middleware.length));
  for (const field of FIELDS) note(field, describe(Reflect.get(client, field)));
  note('extensible', String(Object.isExtensible(client)));
  note('own keys', Reflect.ownKeys(client).map(String).join(' '));
}

/** Which of the SDKs' error classes an error is an instance of. */
export function errorClasses(error: unknown): string {
  const classes = { AnthropicError, APIError, LowestAPIError, TypeError, DOMException };
  return Object.entries(classes)
    .filter(([, made]) => error instanceof made)
    .map(([name]) => name)
    .join(' ');
}
