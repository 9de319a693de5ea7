/**
 * The samples of one metric as a scraper reads them. prom-client writes every label of every sample at every scrape; here
 * the bytes of the last scrape are kept, and only the values that have changed since are written.
 */
import { HistogramSeries, type AnyFamily, type Exemplar, type LabelPairs, type Series } from './series.ts';

/** The lines of one family. Its bytes are kept, and 16 more for each line. */
export class FamilyPage {
  readonly defaultLabels: LabelPairs;
  readonly #family: AnyFamily;
  /** Lines of each series, shown or not: by bucket, then sum and count, for a histogram. */
  readonly #width: number;
  #bytes: Buffer = Buffer.alloc(0);
  #values = new Float64Array(0);
  /** Where the value of a line begins, and where the line ends: the same for one that is not shown. */
  #starts = new Uint32Array(0);
  #ends = new Uint32Array(0);
  #edit = new Edit(this.#bytes);
  /** The end, before the edit, of the last line that was shown. */
  #lastEnd = 0;

  constructor(family: AnyFamily, defaultLabels: LabelPairs) {
    const { type, buckets = [] } = family.declaration;
    this.defaultLabels = defaultLabels;
    this.#family = family;
    this.#width = type === 'histogram' ? buckets.length + 3 : 1;
  }

  /** The lines as they are now, as pieces that the next call may change. */
  pieces(withExemplars: boolean): readonly Buffer[] {
    const all = this.#family.all().slice();
    this.#makeRoom(all.length * this.#width);
    this.#edit = new Edit(this.#bytes);
    this.#lastEnd = 0;
    let line = 0;
    for (const series of all) {
      const value = series.value();
      if (series instanceof HistogramSeries) this.#writeHistogram(series, line, value);
      else this.#write(series, line, value);
      line += this.#width;
    }
    this.#bytes = this.#edit.finish();
    return withExemplars ? this.#withExemplars(all) : [this.#bytes];
  }

  #makeRoom(lines: number): void {
    if (lines <= this.#values.length) return;
    const room = Math.max(lines, Math.ceil(this.#values.length * 1.25));
    const [values, starts, ends] = [this.#values, this.#starts, this.#ends];
    this.#values = new Float64Array(room);
    this.#starts = new Uint32Array(room);
    this.#ends = new Uint32Array(room);
    this.#values.set(values);
    this.#starts.set(starts);
    this.#ends.set(ends);
  }

  #writeHistogram(series: HistogramSeries, line: number, count: number | null): void {
    const buckets = this.#width - 2;
    let cumulated = 0;
    for (let bucket = 0; bucket < buckets; bucket += 1) {
      cumulated += series.countIn(bucket);
      this.#write(series, line + bucket, count === null ? null : cumulated);
    }
    this.#write(series, line + buckets, count === null ? null : series.sum());
    this.#write(series, line + buckets + 1, count);
  }

  #write(series: Series, line: number, value: number | null): void {
    const edit = this.#edit;
    const start = this.#starts[line] ?? 0;
    const end = this.#ends[line] ?? 0;
    if (end > start) {
      const lineStart = this.#lastEnd;
      this.#lastEnd = end;
      if (value === null) {
        edit.replace(lineStart, end, '');
        this.#starts[line] = this.#ends[line] = 0;
        return;
      }
      this.#starts[line] = start + edit.shift;
      if (value !== this.#values[line]) edit.replace(start, end - 1, numberText(value));
      this.#ends[line] = end + edit.shift;
    } else if (value === null) return;
    else {
      const at = this.#lastEnd;
      edit.replace(at, at, this.#before(series, line % this.#width));
      this.#starts[line] = at + edit.shift;
      edit.replace(at, at, `${numberText(value)}\n`);
      this.#ends[line] = at + edit.shift;
    }
    this.#values[line] = value;
  }

  /** The text before the value. A sample has the same name in both formats, since every counter is named `…_total`. */
  #before(series: Series, line: number): string {
    const { name } = this.#family.declaration;
    const labels = withDefaults(series.labels, this.defaultLabels);
    if (!(series instanceof HistogramSeries)) return `${name}${labelText(labels)} `;
    const buckets = this.#width - 2;
    if (line === buckets) return `${name}_sum${labelText(labels)} `;
    if (line > buckets) return `${name}_count${labelText(labels)} `;
    const le = numberText(series.bounds()[line] ?? Infinity);
    return `${name}_bucket${labelText([...labels, ['le', le]])} `;
  }

  #withExemplars(all: readonly Series[]): readonly Buffer[] {
    const pieces: Buffer[] = [];
    let from = 0;
    let line = 0;
    const add = (at: number, exemplar: Exemplar | null): void => {
      if (exemplar === null) return;
      const valueEnd = (this.#ends[at] ?? 0) - 1;
      pieces.push(this.#bytes.subarray(from, valueEnd), Buffer.from(traceText(exemplar)));
      from = valueEnd;
    };
    for (const series of all) {
      if (series instanceof HistogramSeries)
        for (let bucket = 0; bucket < this.#width - 2; bucket += 1) add(line + bucket, series.exemplarIn(bucket));
      else add(line, series.exemplar());
      line += this.#width;
    }
    pieces.push(this.#bytes.subarray(from));
    return pieces;
  }
}

/** Replaces bytes of the last scrape, in order. Copies only from where a length changes. */
class Edit {
  readonly #from: Buffer;
  #to: Buffer | null = null;
  /** Copied or replaced so far. */
  #read = 0;
  #written = 0;

  constructor(from: Buffer) {
    this.#from = from;
  }

  /** How far the bytes that come next have moved from the beginning. */
  get shift(): number {
    return this.#written - this.#read;
  }

  /** A text of the same length replaces bytes in place, and must be ASCII. */
  replace(from: number, to: number, text: string): void {
    if (text.length === to - from) {
      for (let at = 0; at < text.length; at += 1) this.#from[from + at] = text.charCodeAt(at);
      return;
    }
    const target = this.#roomFor(from - this.#read + 3 * text.length);
    this.#from.copy(target, this.#written, this.#read, from);
    this.#written += from - this.#read;
    this.#written += target.write(text, this.#written);
    this.#read = to;
  }

  #roomFor(more: number): Buffer {
    const needed = this.#written + more;
    if (this.#to !== null && needed <= this.#to.length) return this.#to;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#from.length + 1_024, Math.ceil(1.5 * this.#written)));
    this.#to?.copy(grown, 0, 0, this.#written);
    return (this.#to = grown);
  }

  finish(): Buffer {
    if (this.#to === null) return this.#from;
    const bytes = this.#roomFor(this.#from.length - this.#read);
    this.#from.copy(bytes, this.#written, this.#read);
    const all = bytes.subarray(0, this.#written + this.#from.length - this.#read);
    return all.length * 1.25 < bytes.length ? Buffer.from(all) : all;
  }
}

/** `{a="1",b="2"}`, or nothing if there is no label. */
export function labelText(labels: LabelPairs): string {
  let text = '';
  for (const [name, value] of labels) text += `${text === '' ? '' : ','}${name}="${escapedInQuotes(value)}"`;
  return text === '' ? '' : `{${text}}`;
}

/** Adds the registry's labels that the sample does not have itself. */
export function withDefaults(labels: LabelPairs, defaultLabels: LabelPairs): LabelPairs {
  if (defaultLabels.length === 0) return labels;
  const own = new Set(labels.map(([name]) => name));
  return [...labels, ...defaultLabels.filter(([name]) => !own.has(name))];
}

/** Writes a number as both formats spell it. */
export function numberText(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return `${value}`;
}

/** Writes an exemplar after a sample, which only OpenMetrics has. */
export function exemplarText(labels: LabelPairs, value: number, timestampSeconds: number): string {
  return ` # ${labelText(labels)} ${numberText(value)} ${numberText(timestampSeconds)}`;
}

function traceText({ traceId, spanId, value, timestampSeconds }: Exemplar): string {
  const labels: LabelPairs = [
    ['trace_id', traceId],
    ['span_id', spanId],
  ];
  return exemplarText(labels, value, timestampSeconds);
}

/** Escapes a text for quotes. Almost none has anything to escape, and a test is cheaper than a replacement that finds nothing. */
export function escapedInQuotes(text: string): string {
  return /["\\\n]/.test(text) ? escaped(text).replaceAll('"', '\\"') : text;
}

/** Escapes backslashes and ends of lines. */
export function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
