/** What is read of a refusal's body at the most: the API's are below 1 KiB. */
const LARGEST_BYTES = 64 << 10;
const LONGEST_WAIT_MS = 1_000;

/**
 * The parsed body of a refused attempt, or `null` where it is not JSON, too large, or does not come within a second.
 * The SDK gives up the bodies of responses that it retries without reading them, so this is read from a clone, off the
 * call's path: giving up the original does not wait for it.
 */
export async function refusalBody(response: Response): Promise<unknown> {
  if (response.body === null) return null;
  const copy = response.clone();
  if (copy.body === null) return null;
  cancelWithoutWaiting(response.body);
  const text = await limitedText(copy.body);
  try {
    return text === null ? null : (JSON.parse(text) as unknown);
  } catch {
    return null; // a refusal by something before the API, such as a proxy's page
  }
}

/**
 * Cancelling one branch of a tee is done only when the other is done too: a refusal whose body stalls would hold up the
 * SDK's retry for as long as the clone is read.
 */
function cancelWithoutWaiting(body: ReadableStream<Uint8Array>): void {
  const values = body.values.bind(body);
  body[Symbol.asyncIterator] = () => {
    const iterator = values();
    const giveUp = iterator.return?.bind(iterator);
    const given = { done: true, value: undefined } as const;
    return Object.assign(iterator, {
      return: () => {
        giveUp?.().catch(() => undefined); // nobody is left to read it
        return Promise.resolve(given);
      },
    });
  };
}

async function limitedText(body: ReadableStream<Uint8Array>): Promise<string | null> {
  const reader = body.getReader();
  let expired = false;
  const timer = setTimeout(() => {
    expired = true;
    reader.cancel().catch(() => undefined); // a body that failed has nothing to give up
  }, LONGEST_WAIT_MS);
  timer.unref();
  try {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.byteLength;
      if (bytes > LARGEST_BYTES) {
        reader.cancel().catch(() => undefined);
        return null;
      }
      chunks.push(value);
    }
    return expired ? null : Buffer.concat(chunks).toString('utf8');
  } catch {
    return null; // the connection broke: the headers must do
  } finally {
    clearTimeout(timer);
  }
}
