import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

const root = join(import.meta.dirname, '..');
const FOLDERS = ['bench', 'demo', 'examples', 'monitoring', 'scripts', 'src', 'test', 'testing'];
const MOST_LINES = 9;

interface Line {
  readonly text: string;
  readonly number: number;
}

/** Lines of code: without indentation, blank lines, comments and imports. */
function codeLines(text: string): readonly Line[] {
  const withoutComments = text.replace(/^\s*\/\*\*?[^]*?\*\/$/gm, (comment) => comment.replace(/.+/g, ''));
  const withoutImports = withoutComments.replace(/^import [^]*?;$/gm, (imports) => imports.replace(/.+/g, ''));
  return withoutImports
    .split('\n')
    .map((line, index) => ({ text: line.trim(), number: index + 1 }))
    .filter((line) => line.text !== '' && !line.text.startsWith('//'));
}

/** Places where a run of lines begins that stood somewhere before, each with that place. */
function repetitions(files: ReadonlyMap<string, string>): readonly string[] {
  const seen = new Map<string, string>();
  const found: string[] = [];
  for (const [path, text] of files) {
    const lines = codeLines(text);
    for (let at = 0; at + MOST_LINES < lines.length; at += 1) {
      const run = lines.slice(at, at + MOST_LINES + 1);
      const place = `${path}:${run[0]?.number}`;
      const key = run.map((line) => line.text).join('\n');
      const before = seen.get(key);
      if (before === undefined) seen.set(key, place);
      else found.push(`${place} repeats ${before}`);
    }
  }
  return found;
}

test('no ten lines of code stand twice', () => {
  const paths = FOLDERS.flatMap((folder) => globSync(`${folder}/**/*.{ts,tsx,js,mjs,py}`, { cwd: root }));
  const sources = paths.filter((path) => !path.includes('node_modules')).sort();
  assert.ok(sources.length > 400);
  assert.deepEqual(repetitions(new Map(sources.map((path) => [path, readFileSync(join(root, path), 'utf8')]))), []);
});

test('ten lines that stand in two files, or twice in one, are found however they are indented and commented', () => {
  const lines = Array.from({ length: 10 }, (_, index) => `call(${index});`);
  const indented = lines.map((line) => `    ${line}\n    // why\n\n`).join('');
  assert.deepEqual(
    repetitions(
      new Map([
        ['a.ts', lines.join('\n')],
        ['b.ts', `first();\n${indented}`],
      ]),
    ),
    ['b.ts:2 repeats a.ts:1'],
  );
  assert.deepEqual(repetitions(new Map([['a.ts', `${lines.join('\n')}\nother();\n${lines.join('\n')}`]])), [
    'a.ts:12 repeats a.ts:1',
  ]);
});

test('nine lines may stand twice, and so may imports', () => {
  const nine = Array.from({ length: 9 }, (_, index) => `call(${index});`).join('\n');
  const imports = Array.from({ length: 12 }, (_, index) => `import { a${index} } from './a.ts';`).join('\n');
  assert.deepEqual(
    repetitions(
      new Map([
        ['a.ts', `${imports}\n${nine}`],
        ['b.ts', `${imports}\n${nine}`],
      ]),
    ),
    [],
  );
});
