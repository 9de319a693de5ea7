/** One line of a `/metrics` page. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const HEAD = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?$/s;

const VALUE = /^[ \t]+(\S+)(?:[ \t]|$)/;

/** Parses a page in the text format of Prometheus or OpenMetrics; `null` for any other text. */
export function samplesIn(text: string): readonly Sample[] | null {
  const samples: Sample[] = [];
  for (const line of text.split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue;
    const end = headEnd(line);
    const series = seriesIn(line.slice(0, end));
    const value = valueAfter(line, end);
    if (series === null || value === null) return null;
    samples.push({ ...series, value });
  }
  return samples;
}

/** A value, perhaps a time, perhaps an exemplar. */
const REST = /^[ \t]+[-+\dIN][^\s"{}]*(?:[ \t]+[-\d.]+)?(?:[ \t]+#.*)?[ \t]*$/;

/**
 * Where name and labels of a line end: after the brace that is in no value, since an exemplar has braces of its own. In a
 * broken line, after the last brace.
 */
export function headEnd(line: string): number {
  const open = line.indexOf('{');
  const blank = line.search(/[ \t]/);
  if (open === -1 || (blank !== -1 && blank < open)) return blank === -1 ? line.length : blank;
  let at = open + 1;
  while (at < line.length && line[at] !== '}') at = line[at] === '"' ? afterQuote(line, at + 1) : at + 1;
  if (REST.test(line.slice(at + 1))) return at + 1;
  return line.lastIndexOf('}') + 1 || line.length;
}

/** Name and labels of a line; `null` for what is no line of metrics. */
export function seriesIn(head: string): Omit<Sample, 'value'> | null {
  const match = HEAD.exec(head);
  return match === null ? null : { name: match[1] ?? '', labels: labelsIn(match[2] ?? '') };
}

/** The value that stands after name and labels; `null` if there is none. What follows is a time or an exemplar. */
export function valueAfter(line: string, end: number): number | null {
  const [, value] = VALUE.exec(line.slice(end)) ?? [];
  const number = Number((value ?? '').replace(/Inf$/, 'Infinity'));
  return value === undefined || (Number.isNaN(number) && value !== 'NaN') ? null : number;
}

/** Goes from one `="` to the next and reads each character once: an expression would begin anew at each letter of a name. */
function labelsIn(text: string): Readonly<Record<string, string>> {
  const labels: [name: string, value: string][] = [];
  let from = 0;
  for (let at = text.indexOf('="'); at !== -1; at = text.indexOf('="', from)) {
    const name = nameBefore(text, from, at);
    from = at + 1;
    if (name === '') continue;
    const end = closingQuote(text, at + 2);
    if (end === -1) break;
    labels.push([
      name,
      text.slice(at + 2, end).replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    ]);
    from = end + 1;
  }
  return Object.fromEntries(labels);
}

/** The name that ends before `end`; empty if there is none. */
function nameBefore(text: string, from: number, end: number): string {
  let start = end;
  while (start > from && /\w/.test(text.charAt(start - 1))) start -= 1;
  while (start < end && /\d/.test(text.charAt(start))) start += 1;
  return text.slice(start, end);
}

function afterQuote(text: string, from: number): number {
  const end = closingQuote(text, from);
  return end === -1 ? text.length : end + 1;
}

function closingQuote(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at < text.length ? at : -1;
}

/** The samples of one metric. */
export function samplesOf(samples: readonly Sample[], name: string): readonly Sample[] {
  return samples.filter((sample) => sample.name === name);
}

/** The label, empty if the sample has none. */
export function label({ labels }: Sample, name: string): string {
  return labels[name] ?? '';
}

/** Sums one metric, grouped by `key`. */
export function sums(
  samples: readonly Sample[],
  name: string,
  key: (sample: Sample) => string,
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const sample of samplesOf(samples, name)) found.set(key(sample), (found.get(key(sample)) ?? 0) + sample.value);
  return found;
}
