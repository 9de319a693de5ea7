import { createHash } from 'node:crypto';
import { Stream } from 'node:stream';

const DEEPEST = 6;
const LONGEST = 2_000;

/**
 * A value as text: the same for two values that no program can tell apart by looking, however they came to be.
 * Identity, functions' bodies and stacks are left out.
 */
export function describe(value: unknown, depth = 0): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(clipped(value));
    case 'function':
      return `function ${value.name}`;
    case 'symbol':
    case 'bigint':
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'object':
      return value === null ? 'null' : describeObject(value, depth);
  }
}

function clipped(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, 100)}… ${text.length} characters, ${digest(text)}`;
}

function digest(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

function describeObject(value: object, depth: number): string {
  if (depth >= DEEPEST) return '…';
  if (value instanceof Error) return describeError(value, depth);
  if (value instanceof Uint8Array) return describeBytes(value);
  if (value instanceof ArrayBuffer) return `ArrayBuffer ${describeBytes(new Uint8Array(value))}`;
  if (Array.isArray(value)) return `[${value.map((each) => describe(each, depth + 1)).join(', ')}]`;
  if (isHeaders(value)) return describeHeaders(value);
  if (isResponse(value)) return describeResponse(value);
  if (
    value instanceof ReadableStream ||
    value instanceof Stream ||
    value instanceof AbortSignal ||
    value instanceof AbortController
  ) {
    return className(value);
  }
  return `${className(value)}${describeFields(value, depth)}`;
}

/** Chunk borders depend on the network; the bytes do not. */
export function describeBytes(bytes: Uint8Array): string {
  return `${bytes.length} bytes ${digest(bytes)}`;
}

function className(value: object): string {
  const name = chain(value)[0] ?? 'null';
  return name === 'Object' ? '' : `${name} `;
}

/** The names of an object's classes, from its own outwards. */
export function chain(value: object): readonly string[] {
  const names: string[] = [];
  for (let proto = prototype(value); proto !== null; proto = prototype(proto)) {
    const made = Object.getOwnPropertyDescriptor(proto, 'constructor')?.value as unknown;
    names.push(typeof made === 'function' ? made.name : '(no constructor)');
  }
  return names;
}

const prototype = (value: object): object | null => Object.getPrototypeOf(value) as object | null;

/** What an error of undici's says of its socket is of the moment. */
const OF_THE_MOMENT = new Set(['stack', 'socket', 'cause', 'message']);

function describeError(error: Error, depth: number): string {
  const fields = Object.getOwnPropertyNames(error)
    .filter((name) => !OF_THE_MOMENT.has(name))
    .map((name) => `${name}: ${describe(read(error, name), depth + 1)}`);
  const cause = 'cause' in error ? ` caused by ${describe(error.cause, depth + 1)}` : '';
  return `${chain(error).join(' < ')} ${describe(error.message)} {${fields.join(', ')}}${cause}`;
}

function describeFields(value: object, depth: number): string {
  const fields = Object.getOwnPropertyNames(value).map((name) => {
    const isShown = Object.prototype.propertyIsEnumerable.call(value, name);
    return `${isShown ? '' : '#'}${name}: ${describe(read(value, name), depth + 1)}`;
  });
  return `{${fields.join(', ')}}`;
}

function read(value: object, name: string): unknown {
  try {
    return Reflect.get(value, name);
  } catch (error) {
    return `throws ${String(error)}`;
  }
}

function isHeaders(value: object): value is Headers {
  return 'getSetCookie' in value || ('entries' in value && 'append' in value && 'has' in value);
}

function describeHeaders(headers: Headers): string {
  return `Headers ${JSON.stringify([...headers.entries()])}`;
}

function isResponse(value: object): value is Response {
  return 'status' in value && 'headers' in value && 'json' in value;
}

export function describeResponse(response: Response): string {
  const { status, statusText, ok, url, redirected, type, bodyUsed, headers } = response;
  return `${className(response)}${JSON.stringify({ status, statusText, ok, url, redirected, type, bodyUsed })} ${describeHeaders(headers)}`;
}
