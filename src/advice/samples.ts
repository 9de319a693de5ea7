/** One line of a `/metrics` page. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]|$)/;

/** Parses a page in the text format of Prometheus or OpenMetrics; `null` for any other text. */
export function samplesIn(text: string): readonly Sample[] | null {
  const samples: Sample[] = [];
  for (const line of text.split(/\r?\n/)) {
    // The rest of the line is an exemplar.
    const match = line.startsWith('#') || line === '' ? null : LINE.exec(line.split(' # ')[0] ?? '');
    if (match === null && line !== '' && !line.startsWith('#')) return null;
    const [, name = '', labels = '', value = ''] = match ?? [];
    if (match !== null)
      samples.push({ name, labels: labelsIn(labels), value: Number(value.replace(/Inf$/, 'Infinity')) });
  }
  return samples;
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
      text
        .slice(at + 2, end)
        .replace(/\\n/g, '\n')
        .replace(/\\(.)/g, '$1'),
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
