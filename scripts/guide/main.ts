/**
 * Does what docs/guide.md says, from the top to the bottom, and compares what came of it with what stands there; with
 * `--write` writes it there. Some two minutes; needs promtool, bash and grep.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tool } from '../../testing/tools.ts';
import { transcribed } from './transcript.ts';

const path = join(import.meta.dirname, '..', '..', 'docs', 'guide.md');
const written = readFileSync(path, 'utf8');
const made = await transcribed(written, tool('promtool').path);
if (made === written) {
  console.log('docs/guide.md is what happens');
} else if (process.argv.includes('--write')) {
  writeFileSync(path, made);
  console.log('docs/guide.md written');
} else {
  const [lines, there] = [made.split('\n'), written.split('\n')];
  const first = lines.findIndex((line, index) => line !== there[index]);
  console.error(`line ${first + 1}: what happens is ${lines[first] ?? 'its end'}`);
  console.error(`           what stands there is ${there[first] ?? 'its end'}`);
  console.error('docs/guide.md is stale: npm run guide -- --write, and look at what changed.');
  process.exitCode = 1;
}
