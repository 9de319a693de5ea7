/** One line of a `/metrics` page. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]|$)/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** The samples of a page in the text format of Prometheus or OpenMetrics; `null` for a text that is none. */
export function samplesIn(text: string): readonly Sample[] | null {
  const samples: Sample[] = [];
  for (const line of text.split(/\r?\n/)) {
    // What follows is an exemplar.
    const match = line.startsWith('#') || line === '' ? null : LINE.exec(line.split(' # ')[0] ?? '');
    if (match === null && line !== '' && !line.startsWith('#')) return null;
    const [, name = '', labels = '', value = ''] = match ?? [];
    if (match !== null)
      samples.push({ name, labels: labelsIn(labels), value: Number(value.replace(/Inf$/, 'Infinity')) });
  }
  return samples;
}

function labelsIn(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...text.matchAll(LABEL)].map(([, name = '', value = '']) => [
      name,
      value.replace(/\\n/g, '\n').replace(/\\(.)/g, '$1'),
    ]),
  );
}
