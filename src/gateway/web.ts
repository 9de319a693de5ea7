import { webHeaders } from './headers.ts';
import type { GatewayResponse, ResponseBody } from './response-body.ts';

/** Converts to a `Response`. `over` is called once, when the body has ended or is no longer wanted. */
export function toWebResponse({ status, headers, body }: GatewayResponse, over: () => void): Response {
  const head = { status, headers: webHeaders(headers) };
  if (Buffer.isBuffer(body)) {
    over();
    return new Response(body.length === 0 ? null : new Uint8Array(body), head);
  }
  if (!BODILESS.has(status)) return new Response(streamOf(body, over), head);
  body.pipe({ write: () => true, end: over, breakOff: over });
  return new Response(null, head);
}

/** Statuses whose `Response` cannot have a body, even an empty one. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

function streamOf(body: ResponseBody, over: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        body.pipe({
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
      pull: () => body.resume(),
      cancel() {
        body.cancel();
        over();
      },
    },
    { highWaterMark: 1 },
  );
}
