import { webHeaders } from './headers.ts';
import type { GatewayAnswer, Passage } from './response-body.ts';

/** An answer as the web has it. `over` is called once, when its body has ended or is not wanted any more. */
export function responseOf({ status, headers, body }: GatewayAnswer, over: () => void): Response {
  const head = { status, headers: webHeaders(headers) };
  if (Buffer.isBuffer(body)) {
    over();
    return new Response(body.length === 0 ? null : new Uint8Array(body), head);
  }
  if (!BODILESS.has(status)) return new Response(streamOf(body, over), head);
  body.open({ write: () => true, end: over, breakOff: over });
  return new Response(null, head);
}

/** Of these the web makes no response that has a body, even an empty one. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

function streamOf(passage: Passage, over: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        passage.open({
          write(bytes) {
            controller.enqueue(bytes);
            return (controller.desiredSize ?? 0) > 0;
          },
          end() {
            controller.close();
            over();
          },
          breakOff() {
            const broken = Object.assign(new Error('the connection to the API broke'), { code: 'ECONNRESET' });
            controller.error(new TypeError('terminated', { cause: broken }));
            over();
          },
        });
      },
      pull: () => passage.resume(),
      cancel() {
        passage.cancel();
        over();
      },
    },
    { highWaterMark: 1 },
  );
}
