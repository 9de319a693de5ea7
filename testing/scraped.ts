/** A reader of Prometheus text and OpenMetrics, made for tests: strict enough to refuse what a scrape would. */
export interface Scraped {
  /** By family name as printed. */
  readonly types: ReadonlyMap<string, string>;
  readonly helps: ReadonlyMap<string, string>;
  /** Values by name and sorted labels: `a{b="c",d="e"}`. */
  readonly samples: ReadonlyMap<string, number>;
  /** What stands behind the `#` of a sample. */
  readonly exemplars: ReadonlyMap<string, string>;
  readonly ended: boolean;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)(?: # (.*))?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/gy;

/** Throws for a line that is neither a comment nor a sample, and for a sample that is there twice. */
export function scraped(text: string): Scraped {
  const types = new Map<string, string>();
  const helps = new Map<string, string>();
  const samples = new Map<string, number>();
  const exemplars = new Map<string, string>();
  if (!text.endsWith('\n')) throw new Error('the last line is not ended');
  const lines = text.split('\n').filter((line) => line !== '');
  for (const line of lines) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'HELP') helps.set(name, rest);
    else if (keyword === 'TYPE') types.set(name, rest);
    else if (line !== '# EOF') readSample(line, samples, exemplars);
  }
  return { types, helps, samples, exemplars, ended: lines.at(-1) === '# EOF' };
}

function readSample(line: string, samples: Map<string, number>, exemplars: Map<string, string>): void {
  const [, name, labels = '', value = '', exemplar] = SAMPLE.exec(line) ?? [];
  if (name === undefined) throw new Error(`not a sample: ${line}`);
  const key = sampleKey(name, labelsOf(labels));
  if (samples.has(key)) throw new Error(`twice: ${key}`);
  samples.set(key, number(value));
  if (exemplar !== undefined) exemplars.set(key, exemplar);
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  let end = 0;
  for (let found = LABEL.exec(text); found !== null; found = LABEL.exec(text)) {
    labels[found[1] ?? ''] = (found[2] ?? '').replace(/\\(.)/g, (_, escaped: string) =>
      escaped === 'n' ? '\n' : escaped,
    );
    end = LABEL.lastIndex;
  }
  if (end !== text.length) throw new Error(`not labels: ${text}`);
  return labels;
}

/** The key of a sample in `samples`; labels in any order, and an empty value is no label. */
export function sampleKey(name: string, labels: Readonly<Record<string, string | number>> = {}): string {
  const shown = Object.entries(labels).filter(([, value]) => value !== '');
  const sorted = shown.map(([label, value]) => `${label}=${JSON.stringify(String(value))}`).sort();
  return sorted.length === 0 ? name : `${name}{${sorted.join(',')}}`;
}

function number(text: string): number {
  if (text === '+Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  if (/^nan$/i.test(text)) return NaN;
  const value = Number(text);
  if (Number.isNaN(value)) throw new Error(`not a number: ${text}`);
  return value;
}
