/**
 * Writes every generated file of the repository; with `--check` writes nothing and fails, naming what is stale.
 * What is generated stands in `generated.ts`.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GENERATED } from './generated.ts';

const root = join(import.meta.dirname, '..');
const check = process.argv.includes('--check');

const written = (path: string): string | undefined => {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return undefined; // Not there yet: as stale as can be.
  }
};

const stale: string[] = [];
for (const { path, text } of GENERATED) {
  const wanted = await text();
  if (wanted === written(path)) continue;
  stale.push(path);
  if (check) continue;
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), wanted);
}

if (check && stale.length > 0) {
  console.error(`Stale: ${stale.join(', ')}. Run npm run generate and commit what changed.`);
  process.exitCode = 1;
} else {
  console.log(`${GENERATED.length} generated files, ${stale.length} ${check ? 'stale' : 'written'}`);
}
