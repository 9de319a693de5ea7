import type { BodyKind } from '../../src/gateway/body-facts.ts';
import { BodyScanner } from '../../src/gateway/body-scanner.ts';

/** A small request, in which every field has its place. */
export const REQUEST = '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}';

/** A body as the gateway read it. */
export interface Scanned {
  readonly problem: string | null;
  readonly body: unknown;
  readonly textLength: number;
}

/** Reads a body, in portions of so many bytes. */
export function scan(
  text: string | Uint8Array,
  kind: BodyKind = 'message',
  portion = Number.MAX_SAFE_INTEGER,
): Scanned {
  const scanner = new BodyScanner(typeof text === 'string' ? Buffer.from(text) : text, kind);
  do scanner.run(portion);
  while (!scanner.isDone);
  const { problem, body } = scanner.facts;
  // Without the facts of its prompt, which are no field.
  return { problem, body: JSON.parse(JSON.stringify(body)) as unknown, textLength: scanner.textLength };
}
