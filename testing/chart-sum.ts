import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** The sum of all files of the chart, by which a test knows that a rendering is of this chart. */
export function chartSum(): string {
  const sum = createHash('sha256');
  const folder = join(root, 'deploy/chart');
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (/\.\w+$/.test(path)) sum.update(`${path}\n${readFileSync(join(folder, path), 'utf8')}\n`);
  }
  return sum.digest('hex');
}
