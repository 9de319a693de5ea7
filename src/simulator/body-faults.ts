import type { Ending } from './body.ts';
import { errorEvent, type BodyItem } from './event-stream.ts';
import type { BodyFault, Place } from './scenario.ts';

/**
 * The same body with its fault in it. `errorJson` is what an `error` event would carry.
 * Where the place never comes, the fault is at the end: one that was chosen always happens.
 */
export function* faultyBody(
  items: Iterable<BodyItem>,
  fault: BodyFault,
  errorJson: Record<string, unknown>,
): Generator<BodyItem, Ending> {
  let before = 0;
  let outputTokens = 0;
  let happened = false;
  for (const item of items) {
    if (!happened && (isPlace(fault.at ?? DEFAULT_PLACE[fault.fault], item, before) || item.event === 'message_stop')) {
      happened = true;
      const ending = yield* atPlace(fault, item, errorEvent(errorJson, outputTokens));
      if (ending !== null) return ending;
    } else {
      yield item;
    }
    before += 1;
    outputTokens = Math.max(outputTokens, item.outputTokens);
  }
  return 'complete';
}

/** A document in two pieces, so that it has a middle where something can go wrong. */
export function halves(items: Iterable<BodyItem>): readonly BodyItem[] {
  const all = [...items];
  const text = all.map((item) => item.text).join('');
  const middle = Math.floor(text.length / 2);
  const last = { event: null, outputTokens: 0, reports: null, pauseMs: 0, ...all.at(-1) };
  return [
    { ...last, text: text.slice(0, middle), reports: null },
    { ...last, text: text.slice(middle) },
  ];
}

const DEFAULT_PLACE: Readonly<Record<BodyFault['fault'], Place>> = {
  body_reset: 'message_delta',
  cut_body: 'message_delta',
  stalled_body: 'content_block_delta',
  malformed_json: 'content_block_delta',
  error_event: 'message_delta',
};

/** Pieces of JSON have no event: their place is the second half. */
function isPlace(place: Place, item: BodyItem, before: number): boolean {
  if (item.event === null) return before === 1;
  return typeof place === 'number' ? before >= place : item.event === place;
}

/** What happens in place of, or before, the item; `null` where the body goes on. */
function* atPlace(fault: BodyFault, item: BodyItem, error: BodyItem): Generator<BodyItem, Ending | null> {
  switch (fault.fault) {
    case 'body_reset':
      return 'reset';
    case 'cut_body':
      return 'cut';
    case 'stalled_body':
      yield { ...item, pauseMs: fault.stallMs ?? Infinity };
      return null;
    case 'malformed_json':
      yield { ...item, text: malformed(item.text), reports: null };
      return null;
    case 'error_event':
      yield error;
      return 'cut';
  }
}

/** No JSON value has a bare `}` where a name is expected: the document breaks at its last brace. */
function malformed(text: string): string {
  const brace = text.lastIndexOf('}');
  return `${text.slice(0, brace)},${text.slice(brace)}`;
}
