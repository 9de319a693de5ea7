import { once } from 'node:events';
import type { WriteStream } from 'node:fs';

/** The result of one scrape of a job. */
interface Scrape {
  readonly job: string;
  readonly atMs: number;
  readonly processes: readonly { readonly instance: string; readonly scrape: () => Promise<string> }[];
}

/** Writes what Prometheus would have kept of a scrape of every process, as OpenMetrics with its time. */
export async function scraped(out: WriteStream, { job, atMs, processes }: Scrape): Promise<void> {
  for (const { instance, scrape } of processes) {
    const target = `job="${job}",instance="${instance}"`;
    const lines = (await scrape()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const stamped = [`up{} 1`, ...lines].map((line) => stampedLine(line, target, atMs / 1_000)).join('');
    if (!out.write(stamped)) await once(out, 'drain');
  }
}

/** Exemplars cannot be brought in afterwards: they are left out. */
function stampedLine(line: string, target: string, atSeconds: number): string {
  const [sample = ''] = line.split(' # ');
  const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(sample) ?? [];
  return `${name}{${target}${labels === '' ? '' : ','}${labels}} ${value} ${atSeconds}\n`;
}
