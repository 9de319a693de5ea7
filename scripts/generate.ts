/**
 * Writes every generated file of the repository; with `--check` writes nothing and fails, naming what is stale.
 * What is generated stands in `generated.ts`.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GENERATED, GENERATED_PARTS, type GeneratedPart } from './generated.ts';

const root = join(import.meta.dirname, '..');
const check = process.argv.includes('--check');

const written = (path: string): string | undefined => {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return undefined; // Not there yet: as stale as can be.
  }
};

/** The page with the part as it should be. Throws if the page has no place for it. */
async function withPart({ path, name, text }: GeneratedPart): Promise<string> {
  const page = readFileSync(join(root, path), 'utf8');
  const [begin, end] = [`<!-- ${name}: made by npm run generate -->`, `<!-- /${name} -->`];
  const [before, , after] = page.split(new RegExp(`(?<=${begin}\\n)([^]*?)(?=^${end}$)`, 'm'));
  if (before === undefined || after === undefined) throw new Error(`${path} has no place for the part ${name}.`);
  return `${before}\n${await text()}\n\n${after}`;
}

const parts = GENERATED_PARTS.map((part) => ({ path: part.path, text: () => withPart(part) }));
const stale: string[] = [];
for (const { path, text } of [...GENERATED, ...parts]) {
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
  console.log(`${GENERATED.length + parts.length} generated files, ${stale.length} ${check ? 'stale' : 'written'}`);
}
