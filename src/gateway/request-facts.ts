import { isJson, type Json } from '../observe/usage.ts';
import type { PassingBody } from './upstream.ts';

/** The body of a request, as far as it is known here. */
export interface RequestBody {
  /** Parsed; `null` where it was not read, or is not a JSON object. */
  readonly json: Json | null;
  /** `null` where it was not read. */
  readonly text: string | null;
  /** What is sent, where nothing has to be changed. */
  readonly asItCame: Uint8Array | PassingBody | null;
}

/** A body that was read to its end. Of a name that comes twice the last counts, as it does for most who read JSON. */
export function readBody(bytes: Uint8Array): RequestBody {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  return { json: parsed(text), text, asItCame: bytes };
}

function parsed(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : null;
  } catch {
    return null; // the API says what is wrong with it
  }
}

/** What the body of a Messages request says of the call. */
export interface RequestFacts {
  readonly model: string | null;
  readonly stream: boolean;
  readonly maxTokens: number | null;
}

export function requestFacts({ json }: RequestBody): RequestFacts {
  const model = json?.['model'];
  const maxTokens = json?.['max_tokens'];
  return {
    model: typeof model === 'string' ? model : null,
    stream: json?.['stream'] === true,
    maxTokens: typeof maxTokens === 'number' ? maxTokens : null,
  };
}
