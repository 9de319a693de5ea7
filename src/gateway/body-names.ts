import type { PROMPT_FACTS, PromptFacts } from '../prompt.ts';

/** The first thing in a body that rules and the API could understand differently. */
export type BodyProblem =
  | 'not_json'
  | 'too_deep'
  | 'no_object'
  | 'repeated'
  | 'model'
  | 'max_tokens'
  | 'speed'
  | 'inference_geo'
  | 'bill_to'
  | 'requests'
  | 'too_many';

/**
 * Fields with content of the user's own, and settings of others than the API, a server of tools for one: a `model` in them
 * names none of the API's models.
 */
export const CONTENT_NAMES = [
  ...['system', 'metadata', 'mcp_servers', 'output_config', 'output_format', 'input_schema', 'input_examples'],
  ...['configs', 'default_config'],
] as const;

/**
 * What a request can ask for whose cost nobody can bound before it is sent. `server_tools`: tools that the API runs, each with
 * further passes of the model. `mcp_servers`: tools that run anywhere. `compaction`: a further pass over the whole prompt.
 */
export const UNBOUNDED = ['server_tools', 'mcp_servers', 'compaction'] as const;

export type Unbounded = (typeof UNBOUNDED)[number];

/** Names that mean something, each a bit: one that comes twice in an object is understood differently by two readers. */
const NAMES = [
  ...['model', 'max_tokens', 'stream', 'speed', 'inference_geo', 'fallbacks', 'messages', 'requests', 'params'],
  ...['content', 'source', 'type', 'data', 'cache_control', 'thread', 'billing_policy', 'bill_to'],
  ...['tools', 'tool', 'context_management', 'compaction'],
  ...CONTENT_NAMES,
] as const;

export type Name = (typeof NAMES)[number];

export const BITS: ReadonlyMap<string, number> = new Map(NAMES.map((name, index) => [name, 1 << index]));

/** By length, each with its bytes: most names in a body mean nothing, and are told apart without being made a string. */
const BY_LENGTH: readonly (readonly { readonly name: Name; readonly bytes: Uint8Array }[])[] = Array.from(
  { length: Math.max(...NAMES.map((name) => name.length)) + 1 },
  (_, length) => NAMES.filter((name) => name.length === length).map((name) => ({ name, bytes: Buffer.from(name) })),
);

/** What a value is to those who read the body. */
export const PLACE = {
  /** Content of the user's own, and settings that name no model: nothing in it is read. */
  content: 0,
  /** A request for a message. */
  message: 1,
  /** Whatever else is in one: a `model` in it is another model that is asked, as in a fallback or an advisor. */
  settings: 2,
  batch: 3,
  requests: 4,
  entry: 5,
  /** The conversation: a list of turns, with their blocks, whose sources can be images and documents. */
  turns: 6,
  turn: 7,
  blocks: 8,
  block: 9,
  source: 10,
  /** Turns before that the API keeps. */
  thread: 11,
  /** Who pays. */
  billing: 12,
} as const;

export type Place = (typeof PLACE)[keyof typeof PLACE];

const NONE: ReadonlySet<string> = new Set();

export const MEANT_IN: Readonly<Record<Place, ReadonlySet<string>>> = {
  [PLACE.content]: NONE,
  [PLACE.message]: new Set<Name>([
    ...(['model', 'max_tokens', 'stream', 'speed', 'inference_geo', 'fallbacks', 'messages'] as const),
    ...(['cache_control', 'thread', 'tools', 'context_management', 'compaction', 'billing_policy'] as const),
    ...CONTENT_NAMES,
  ]),
  [PLACE.settings]: new Set<Name>([
    ...(['model', 'max_tokens', 'speed', 'inference_geo', 'cache_control', 'type'] as const),
    ...(['tools', 'context_management', 'compaction'] as const),
    ...CONTENT_NAMES,
  ]),
  [PLACE.batch]: new Set<Name>(['requests']),
  [PLACE.requests]: NONE,
  [PLACE.entry]: new Set<Name>(['params']),
  [PLACE.turns]: NONE,
  [PLACE.turn]: new Set<Name>(['content']),
  [PLACE.blocks]: NONE,
  [PLACE.block]: new Set<Name>(['content', 'source', 'type', 'cache_control', 'tool']),
  [PLACE.source]: new Set<Name>(['type', 'data', 'content']),
  [PLACE.thread]: new Set<Name>(['type']),
  [PLACE.billing]: new Set<Name>(['bill_to']),
};

/** What an object or array is, by the place that it is in and its name there. */
export const WITHIN: Readonly<Record<Place, (name: Name | '', isObject: boolean) => Place>> = {
  [PLACE.content]: () => PLACE.content,
  [PLACE.message]: placeOfField,
  [PLACE.settings]: placeOfField,
  [PLACE.batch]: (name, isObject) => (name === 'requests' && !isObject ? PLACE.requests : PLACE.content),
  [PLACE.requests]: (_name, isObject) => (isObject ? PLACE.entry : PLACE.content),
  [PLACE.entry]: (name, isObject) => (name === 'params' && isObject ? PLACE.message : PLACE.content),
  [PLACE.turns]: (_name, isObject) => (isObject ? PLACE.turn : PLACE.content),
  [PLACE.turn]: (name, isObject) => (name === 'content' && !isObject ? PLACE.blocks : PLACE.content),
  [PLACE.blocks]: (_name, isObject) => (isObject ? PLACE.block : PLACE.content),
  [PLACE.block](name, isObject) {
    if (name === 'source' && isObject) return PLACE.source;
    if (name === 'tool' && isObject) return PLACE.settings; // a tool that a turn adds
    return name === 'content' && !isObject ? PLACE.blocks : PLACE.content;
  },
  [PLACE.source]: (name, isObject) => (name === 'content' && !isObject ? PLACE.blocks : PLACE.content),
  [PLACE.thread]: () => PLACE.content,
  [PLACE.billing]: () => PLACE.content,
};

function placeOfField(name: Name | '', isObject: boolean): Place {
  switch (name) {
    case '':
    case 'tools':
    case 'context_management':
    case 'fallbacks':
      return PLACE.settings;
    case 'messages':
      return isObject ? PLACE.content : PLACE.turns;
    case 'system':
      return isObject ? PLACE.content : PLACE.blocks;
    case 'thread':
      return isObject ? PLACE.thread : PLACE.content;
    case 'billing_policy':
      return isObject ? PLACE.billing : PLACE.content;
    default:
      return PLACE.content;
  }
}

/** A string in the body, with its quotes. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly hasEscape: boolean;
}

/** The name in a span, if it may mean something; else empty. */
export function nameIn(bytes: Uint8Array, span: Span): Name | '' {
  if (span.hasEscape) {
    const text = stringIn(bytes, span, LONGEST_NAME) ?? '';
    return NAMES.find((name) => name === text) ?? '';
  }
  const { start, end } = span;
  for (const { name, bytes: own } of BY_LENGTH[end - start - 2] ?? []) {
    let at = 0;
    while (at < own.length && bytes[start + 1 + at] === own[at]) at++;
    if (at === own.length) return name;
  }
  return '';
}

/** With each character as an escape. */
const LONGEST_NAME = 6 * BY_LENGTH.length;

/** A string of at most so many bytes as it is written; `undefined` for a longer one. */
export function stringIn(bytes: Uint8Array, { start, end, hasEscape }: Span, mostBytes: number): string | undefined {
  if (end - start - 2 > mostBytes) return undefined;
  const text = utf8(bytes, start, end);
  return hasEscape ? (JSON.parse(text) as string) : text.slice(1, -1);
}

function utf8(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8');
}

export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

/** More than any model can give, and little enough that its price in nano-dollars is a safe integer. */
const MOST_TOKENS = 1_000_000_000;

/** A whole number as everyone writes it: no sign, fraction or exponent, over which readers differ. */
export function numberIn(text: string): number | undefined {
  const value = /^(?:0|[1-9]\d{0,9})$/.test(text) ? Number(text) : Number.NaN;
  return value <= MOST_TOKENS ? value : undefined;
}

/** A request for a message as rules and budgets read it, or a further model in one. */
export interface AskedNode {
  model?: string;
  max_tokens?: number;
  stream?: boolean;
  speed?: string;
  inference_geo?: string;
  billing_policy?: { readonly bill_to: string };
  /** A text in place of a list: the API chooses the models to fall back on. */
  fallbacks?: string;
  /** Further models of the request: those of its fallbacks, and of tools that ask one. */
  tools?: AskedNode[];
  /** Of a request. */
  [PROMPT_FACTS]?: PromptFacts;
  /** What a request asks for whose cost has no bound. */
  [UNBOUNDED_PARTS]?: Set<Unbounded>;
}

/** A symbol, because it is no field of the body. */
export const UNBOUNDED_PARTS = Symbol('plimsoll.unbounded_parts');

/** The lists of settings whose entries say by their type whether their cost has a bound. */
export type SettingsList = 'tools' | 'context_management';

/** Tools that the client runs; those without a type are its own. Of any other the API decides how often it runs. */
const RUN_BY_CLIENT = /^(?:|custom|(?:bash|text_editor|computer|computer_toolset|memory)_\d{8})$/;

/** Edits that only leave out parts of a prompt. */
const CLEARS = /^clear_(?:tool_uses|thinking)_\d{8}$/;

/** Tells by the type of an entry what has no bound; `null` for an entry that has one. */
export function unboundedEntry(list: SettingsList, type: string): Unbounded | null {
  if (list === 'context_management') return CLEARS.test(type) ? null : 'compaction';
  if (type === 'mcp_toolset') return 'mcp_servers';
  return RUN_BY_CLIENT.test(type) ? null : 'server_tools';
}

/** The value of a field; `undefined` for one that is none of these, or beyond all bounds. */
export type FieldValue = string | number | boolean | null | undefined;

/** A field that is read. */
interface Field {
  /** The problem of a body in which it has a value of another kind. None where that is none of the gateway's business. */
  readonly problem?: BodyProblem;
  /** Keeps a value; `false` for one of another kind. */
  readonly set?: (node: AskedNode, value: FieldValue) => boolean;
}

export const FIELDS: ReadonlyMap<Name | '', Field> = new Map<Name | '', Field>([
  [
    'model',
    {
      problem: 'model',
      set(node, value) {
        if (typeof value !== 'string' || value === '') return false;
        node.model = value;
        return true;
      },
    },
  ],
  [
    'max_tokens',
    {
      problem: 'max_tokens',
      set(node, value) {
        if (typeof value !== 'number') return false;
        node.max_tokens = value;
        return true;
      },
    },
  ],
  [
    'speed',
    {
      problem: 'speed',
      set(node, value) {
        if (value !== 'standard' && value !== 'fast') return false;
        node.speed = value;
        return true;
      },
    },
  ],
  [
    'inference_geo',
    {
      problem: 'inference_geo',
      set(node, value) {
        if (typeof value !== 'string') return false;
        node.inference_geo = value;
        return true;
      },
    },
  ],
  [
    'bill_to',
    {
      problem: 'bill_to',
      set(node, value) {
        if (value !== null && value !== 'self' && value !== 'user_profile') return false;
        node.billing_policy = { bill_to: value ?? 'self' };
        return true;
      },
    },
  ],
  // An object, or none: whatever else it is, no rule can be kept of it.
  ['billing_policy', { problem: 'bill_to', set: (_node, value) => value === null }],
  ['stream', { set: (node, value) => ((node.stream = value === true), true) }],
  [
    'fallbacks',
    {
      set(node, value) {
        if (typeof value === 'string') node.fallbacks = value;
        return true;
      },
    },
  ],
  ['requests', { problem: 'requests' }],
  ['params', { problem: 'requests' }],
]);

export const SCALARS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
]);
