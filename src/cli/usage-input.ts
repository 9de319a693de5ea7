import { EventStreamScanner } from '../observe/event-stream.ts';
import { estimatedOutputTokens } from '../observe/output-estimate.ts';
import { isJson, type Json, mergedUsage, usage, withEstimatedOutput } from '../observe/usage.ts';
import type { Usage } from '../vocabulary.ts';

/** A usage found in a text, with what stood around it. */
export interface FoundUsage {
  /** `null` for a usage object that stands alone. */
  readonly model: string | null;
  readonly usage: Usage;
  /** It is of a result of a message batch. */
  readonly batch: boolean;
  /** The stream ended before the server reported its output, which is therefore estimated. */
  readonly cut: boolean;
}

/**
 * The usages in a Messages response, a usage object, a Messages event stream, or a batch's results (one JSON object a
 * line; those that errored, expired or were cancelled have none). `null` where the text is none of these.
 */
export function usagesIn(text: string): readonly FoundUsage[] | null {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  if (/^(?:event|data|:)/.test(trimmed)) return inEventStream(trimmed);
  const whole = parsed(trimmed);
  if (whole !== null) return inObject(whole);
  const found = trimmed.split('\n').map((line) => {
    const object = parsed(line);
    return object && inObject(object);
  });
  return found.includes(null) ? null : found.flatMap((usages) => usages ?? []);
}

function parsed(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : null;
  } catch {
    return null; // said to the user by the caller
  }
}

function inObject(object: Json): readonly FoundUsage[] | null {
  const result = object['result'];
  if (isJson(result) && typeof result['type'] === 'string') {
    return isJson(result['message']) ? ofMessage(result['message'], true) : [];
  }
  return ofMessage(object, false);
}

function ofMessage(message: Json, batch: boolean): readonly FoundUsage[] | null {
  const raw = isJson(message['usage']) ? message['usage'] : message;
  if (typeof raw['input_tokens'] !== 'number' && typeof raw['output_tokens'] !== 'number') return null;
  const model = typeof message['model'] === 'string' ? message['model'] : null;
  return [{ model, usage: usage(raw), batch, cut: false }];
}

function inEventStream(text: string): readonly FoundUsage[] | null {
  const scanner = new EventStreamScanner();
  scanner.feed(Buffer.from(`${text}\n\n`));
  const raw = mergedUsage(scanner.startUsage, scanner.deltaUsage);
  if (raw === null) return null;
  const cut = scanner.deltaUsage === null;
  const reported = usage(raw);
  return [
    {
      model: scanner.model,
      usage: cut
        ? withEstimatedOutput(reported, estimatedOutputTokens(scanner.contentBytes, scanner.toolUses))
        : reported,
      batch: false,
      cut,
    },
  ];
}
