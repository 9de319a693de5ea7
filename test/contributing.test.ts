import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

const root = join(import.meta.dirname, '..');
const page = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
const quoted = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text);

/** What names a file or a folder; `<file>` stands for any. */
const paths = quoted.filter(
  (text) => /^(?:[\w.-]+\/)+[\w.-]*$|^\.?[\w-]+\.(?:js|json|md|ts)$/.test(text) && !text.includes('<'),
);

test('every file and folder that the map names is there', () => {
  assert.ok(paths.length > 80, `${paths.length} paths found`);
  // `access/` and its like are folders of the room whose line they are in.
  const isThere = (path: string): boolean =>
    existsSync(join(root, path)) || globSync(`src/**/${path}`, { cwd: root }).length > 0;
  assert.deepEqual(
    paths.filter((path) => !isThere(path)),
    [],
  );
});

test('every room of src/ and every folder of the repository is on the map', () => {
  const rooms = readdirSync(join(root, 'src'), { withFileTypes: true }).map(
    (entry) => `src/${entry.name}${entry.isDirectory() ? '/' : ''}`,
  );
  const ignored = new Set(['dist/', 'coverage/', 'node_modules/', 'src/']);
  const folders = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => `${name}/`)
    .filter((name) => !ignored.has(name));
  assert.deepEqual(
    [...rooms, ...folders].filter((path) => !paths.includes(path)),
    [],
  );
});

test('every name in capitals that the map sends one to is in the file beside it', () => {
  const pairs = [...page.matchAll(/`([A-Z]+(?:_[A-Z]+)+)` in `([\w/.-]+)`/g)];
  assert.ok(pairs.length > 1);
  for (const [, name = '', path = ''] of pairs) {
    assert.ok(readFileSync(join(root, path), 'utf8').includes(`const ${name}`), `${name} in ${path}`);
  }
});
