import type { LiveCall, Observation } from './live-call.ts';
import { isJson, usage } from './usage.ts';
import { BATCH_OUTCOMES, type BatchOutcome, type BatchResult, type CallCost, type Usage } from '../vocabulary.ts';

const LF = 0x0a;

/** As long as an answer to a request may be. A longer line is given up and counted as an error. */
const LONGEST_LINE_BYTES = 32 << 20;

/** Who reads the results, and the path or URL that it read them from. */
export interface ReadResults {
  readonly call: LiveCall;
  readonly observation: Observation;
  readonly path: string;
}

/**
 * Reads along the results of a batch, a JSON document a line, however they are cut, and tells the recorder of each
 * result that has not been told before. A line that cannot be read is counted and left out. Never throws.
 */
export class BatchResultsScanner {
  readonly #read: ReadResults;
  readonly #batchId: string;
  /** The line that is still open, in copies: the chunks belong to the reader. */
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(read: ReadResults) {
    this.#read = read;
    this.#batchId = /\/batches\/([^/?]+)\/results/.exec(read.path)?.[1] ?? '';
  }

  feed(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      this.#hold(bytes.subarray(start, end));
      this.#endLine();
      start = end + 1;
    }
    if (start < bytes.length) this.#hold(Buffer.from(bytes.subarray(start)));
  }

  /** The body has come to its end: the last line may have none of its own. */
  end(): void {
    this.#endLine();
  }

  #hold(piece: Buffer): void {
    this.#heldBytes += piece.length;
    if (this.#heldBytes > LONGEST_LINE_BYTES) this.#held = [];
    else if (piece.length > 0) this.#held.push(piece);
  }

  #endLine(): void {
    const isTooLong = this.#heldBytes > LONGEST_LINE_BYTES;
    const line = Buffer.concat(this.#held).toString('utf8');
    this.#held = [];
    this.#heldBytes = 0;
    try {
      if (isTooLong) throw new RangeError('a line of batch results is longer than 32 MiB');
      if (line.trim() !== '') this.#tell(JSON.parse(line));
    } catch (error) {
      this.#read.observation.onError('body', error);
    }
  }

  #tell(line: unknown): void {
    const { call, observation } = this.#read;
    if (!isJson(line) || !isJson(line['result'])) throw new TypeError('a line of batch results has no result');
    const { custom_id: customId, result } = line;
    const outcome = BATCH_OUTCOMES.find((known) => known === result['type']);
    if (typeof customId !== 'string' || outcome === undefined)
      throw new TypeError('a batch result is of no known kind');
    if (!observation.batches.isNew(this.#batchId, customId)) return;
    observation.recorder.batchResult?.(call, this.#result(outcome, result['message']));
  }

  #result(outcome: BatchOutcome, message: unknown): BatchResult {
    if (outcome !== 'succeeded' || !isJson(message)) return { outcome, model: null, usage: null, cost: null };
    const model = typeof message['model'] === 'string' ? message['model'] : null;
    if (!isJson(message['usage'])) return { outcome, model, usage: null, cost: null };
    const used = usage(message['usage']);
    if (used.malformed) this.#read.observation.onError('usage', new RangeError('a usage figure is not a count'));
    return { outcome, model, usage: used, cost: this.#cost(used, model) };
  }

  #cost(used: Usage, model: string | null): CallCost | null {
    const { call, observation } = this.#read;
    try {
      return observation.batchPrice(used, model, observation.batches.createdAtMs(this.#batchId) ?? call.startedAtMs);
    } catch (error) {
      observation.onError('pricing', error);
      return null;
    }
  }
}
