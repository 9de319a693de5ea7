import { bytesOf, type Ending } from './body.ts';
import { errorEvent, type BodyItem } from './event-stream.ts';
import type { BodyFault, Place } from './scenario.ts';

/**
 * An event stream with its fault in it. `errorJson` is what an `error` event carries.
 * Where the place never comes, the fault is before `message_stop`: one that was chosen always happens.
 */
export function* faultyStream(
  items: Iterable<BodyItem>,
  fault: BodyFault,
  errorJson: Record<string, unknown>,
): Generator<BodyItem, Ending> {
  const place = fault.at ?? DEFAULT_PLACE[fault.fault];
  let before = 0;
  let outputTokens = 0;
  let happened = false;
  for (const item of items) {
    const here = item.event === 'message_stop' || (typeof place === 'number' ? before >= place : item.event === place);
    if (here && !happened) {
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

/** A document with its fault in its middle: in front of the middle line, where it has lines. It has no error events. */
export function* faultyDocument(items: Iterable<BodyItem>, fault: BodyFault): Generator<BodyItem, Ending> {
  const all = [...items];
  const [first] = all;
  const pieces = all.length === 1 && first !== undefined ? halves(first) : all;
  const middle = fault.fault === 'error_event' ? -1 : Math.floor(pieces.length / 2);
  for (const [index, item] of pieces.entries()) {
    if (index !== middle) {
      yield item;
      continue;
    }
    const ending = yield* atPlace(fault, item, item);
    if (ending !== null) return ending;
  }
  return 'complete';
}

function halves(item: BodyItem): readonly BodyItem[] {
  const bytes = bytesOf(item);
  const middle = Math.floor(bytes.length / 2);
  return [
    { text: bytes.subarray(0, middle), event: null, outputTokens: 0, reports: null, pauseMs: 0 },
    { ...item, text: bytes.subarray(middle) },
  ];
}

const DEFAULT_PLACE: Readonly<Record<BodyFault['fault'], Place>> = {
  body_reset: 'message_delta',
  cut_body: 'message_delta',
  stalled_body: 'content_block_delta',
  malformed_json: 'content_block_delta',
  error_event: 'message_delta',
};

/** What happens in place of the item; `null` where the body goes on. */
function* atPlace(fault: BodyFault, item: BodyItem, error: BodyItem): Generator<BodyItem, Ending | null> {
  switch (fault.fault) {
    case 'body_reset':
      return 'reset';
    case 'cut_body':
      return 'cut';
    case 'stalled_body':
      yield { ...item, pauseMs: fault.stallMs ?? Infinity };
      return null;
    case 'malformed_json': {
      const { sent: _sent, ...unread } = item;
      yield { ...unread, text: malformed(item), reports: null };
      return null;
    }
    case 'error_event':
      yield error;
      return 'cut';
  }
}

/** No JSON value has a comma in front of a bare `}`: the document breaks at its last brace. */
function malformed(item: BodyItem): string {
  const text = Buffer.from(bytesOf(item)).toString();
  const brace = text.lastIndexOf('}');
  return `${text.slice(0, brace)},${text.slice(brace)}`;
}
