import { once } from 'node:events';
import type { WriteStream } from 'node:fs';

/** The result of one scrape of a job. */
export interface Scrape {
  readonly job: string;
  readonly atMs: number;
  /** `null` for a process that Prometheus does not reach. */
  readonly processes: readonly { readonly instance: string; readonly scrape: (() => Promise<string>) | null }[];
}

/** Writes what Prometheus would have kept of a scrape of every process, as OpenMetrics with its time. */
export async function scraped(out: WriteStream, { job, atMs, processes }: Scrape): Promise<void> {
  for (const { instance, scrape } of processes) {
    const target = `job="${job}",instance="${instance}"`;
    const page = scrape === null ? '' : await scrape();
    const lines = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const stamped = [`up{} ${scrape === null ? 0 : 1}`, ...lines]
      .map((line) => stampedLine(line, target, atMs / 1_000))
      .join('');
    if (!out.write(stamped)) await once(out, 'drain');
  }
}

/** Exemplars cannot be brought in afterwards: they are left out. */
function stampedLine(line: string, target: string, atSeconds: number): string {
  const [sample = ''] = line.split(' # ');
  const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(sample) ?? [];
  return `${name}{${target}${labels === '' ? '' : ','}${labels}} ${value} ${atSeconds}\n`;
}
