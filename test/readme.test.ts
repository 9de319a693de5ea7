import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');

/** What a page's heading is called in a link. */
function anchors(markdown: string): ReadonlySet<string> {
  const headings = [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'examples/README.md',
  ...globSync('docs/**/*.md', { cwd: root }),
];

for (const page of pages) {
  test(`every link of ${page} leads to a file, and to a heading of it`, () => {
    const lost = [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?(?: "[^"]*")?\)/g)].filter(
      ([, path = '', anchor]) => {
        const target = path === '' ? page : join(dirname(page), path);
        if (!existsSync(join(root, target))) return true;
        return anchor !== undefined && !anchors(read(target)).has(anchor);
      },
    );
    assert.deepEqual(
      lost.map(([link]) => link),
      [],
    );
  });
}

test('every npm script that the pages name is there', () => {
  const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
  const named = [readme, read('docs/guide.md'), read('docs/frameworks.md'), read('CONTRIBUTING.md')].flatMap((page) =>
    [...page.matchAll(/npm (?:run ([\w:]+)|(start|test))/g)].map(([, script, short]) => script ?? short ?? ''),
  );
  assert.ok(named.length > 3);
  assert.deepEqual(
    named.filter((script) => !Object.hasOwn(scripts, script)),
    [],
  );
});

test('the picture is small enough for a page that is read on a train', () => {
  assert.ok(statSync(join(root, 'docs', 'pictures', 'demo.png')).size < 150_000);
});

test('the version that the pages install is the version of the package', () => {
  const { version } = JSON.parse(read('package.json')) as { readonly version: string };
  const named = [readme, read('docs/frameworks.md'), read('docs/guide.md')].flatMap((page) => [
    ...page.matchAll(/plimsoll-(\d[\w.-]*)\.tgz/g),
  ]);
  assert.ok(named.length > 0);
  assert.deepEqual([...new Set(named.map(([, found]) => found))], [version]);
});

test('every error code that troubleshooting explains is one that the package has', () => {
  const codes = [...read('docs/troubleshooting.md').matchAll(/`(PLIMSOLL_[A-Z_]+)`/g)].map(([, code = '']) => code);
  const sources = globSync(join(root, 'src/**/*.ts'));
  const known = sources.map((file) => readFileSync(file, 'utf8')).join('\n');
  assert.ok(codes.length > 3);
  assert.deepEqual(
    codes.filter((code) => !known.includes(`'${code}'`)),
    [],
  );
});
