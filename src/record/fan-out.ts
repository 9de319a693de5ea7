import type { Attempt, BatchResult, Call, Recorder, RetryDenial } from '../vocabulary.ts';

/**
 * One recorder that tells many, in order. One that throws is told to `onError` and is never felt: neither
 * by the caller nor by those after it. A promise that one returns is not waited for, and told of when it is broken.
 * `onError` must not throw.
 */
export function fanOut(recorders: readonly Recorder[], onError: (error: unknown) => void): Required<Recorder> {
  const each = (tell: (recorder: Recorder) => unknown): void => {
    for (const recorder of recorders) {
      try {
        const told = tell(recorder);
        if (told instanceof Promise) told.catch(onError);
      } catch (error) {
        onError(error);
      }
    }
  };
  return {
    started: (call: Call) => each((recorder) => recorder.started?.(call)),
    attempted: (call: Call, attempt: Attempt) => each((recorder) => recorder.attempted?.(call, attempt)),
    firstToken: (call: Call) => each((recorder) => recorder.firstToken?.(call)),
    usageKnown: (call: Call) => each((recorder) => recorder.usageKnown?.(call)),
    batchResult: (call: Call, result: BatchResult) => each((recorder) => recorder.batchResult?.(call, result)),
    retryDenied: (call: Call, reason: RetryDenial) => each((recorder) => recorder.retryDenied?.(call, reason)),
    finished: (call: Call) => each((recorder) => recorder.finished?.(call)),
  };
}
