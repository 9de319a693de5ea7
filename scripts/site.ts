/**
 * `npm run site`: builds the manual and the API reference into `site/dist`, to be served as files. The pages are those of the
 * repository, and the reference is made of the exported types. Fails on a page that no group of `site/manual.json` has, on a
 * link that leads nowhere, on an export without a comment, and on a page that would ask another host for anything.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const site = join(root, 'site');
const pages = join(site, 'pages');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Manual {
  readonly groups: readonly { readonly title: string; readonly pages: readonly string[] }[];
  readonly elsewhere: readonly string[];
}

interface Manifest {
  readonly homepage: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

const manual = JSON.parse(read('site/manual.json')) as Manual;
const manifest = JSON.parse(read('package.json')) as Manifest;
const repository = `${manifest.homepage.replace('#readme', '')}/blob/main`;

/** Where a page of the repository stands on the site. */
function placeOf(source: string): string {
  if (source === 'README.md') return 'index.md';
  if (source === 'examples/README.md') return 'examples.md';
  return source.replace(/^docs\//, '').replace(/^[A-Z]+\.md$/, (name) => name.toLowerCase());
}

const runbooks = globSync('docs/runbooks/*.md', { cwd: root }).toSorted();
const listed = manual.groups.flatMap((group) => group.pages);
const sources = [...listed, ...manual.elsewhere, ...runbooks];
const places = new Map(sources.map((source) => [source, placeOf(source)]));

/** Links between pages stay links between pages; those to code lead to the repository. */
function linked(source: string): string {
  const here = dirname(places.get(source) ?? '');
  const link = /\]\((?!https?:|#)([^)#\s]+)((?:#[^)\s]*)?(?: "[^"]*")?)\)/g;
  return read(source).replace(link, (_link, path: string, anchorAndTitle: string) => {
    const target = relative('', join(dirname(source), path));
    const place = places.get(target);
    if (place !== undefined) return `](${relative(here, place)}${anchorAndTitle})`;
    if (!existsSync(join(root, target))) throw new Error(`${source} links to ${path}, which is not there.`);
    if (target.startsWith('docs/pictures/'))
      return `](${relative(here, target.slice('docs/'.length))}${anchorAndTitle})`;
    if (target === 'docs/runbooks') return `](${relative(here, 'runbooks/index.md')}${anchorAndTitle})`;
    return `](${repository}/${target}${anchorAndTitle})`;
  });
}

function write(place: string, text: string): void {
  mkdirSync(dirname(join(pages, place)), { recursive: true });
  writeFileSync(join(pages, place), text);
}

function run(program: string, args: readonly string[]): void {
  const { status } = spawnSync(join(site, 'node_modules', '.bin', program), args, { cwd: site, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${program} ended with ${status}.`);
}

function reference(): readonly string[] {
  const entries = Object.values(manifest.exports).flatMap((target) =>
    typeof target === 'string' ? [] : [join('..', target['plimsoll-source'] ?? '')],
  );
  run('typedoc', ['--options', 'typedoc.json', ...entries.flatMap((entry) => ['--entryPoints', entry])]);
  const modules = globSync('api/*.md', { cwd: pages }).toSorted();
  for (const place of modules) write(place, readFileSync(join(pages, place), 'utf8').replace(/^# (.+)$/m, titled));
  return modules;
}

/** The names that a program imports in place of those of the files. */
function titled(_heading: string, name: string): string {
  if (name === 'plimsoll') return '# API reference';
  return name === 'index' ? '# plimsoll' : `# plimsoll/${name}`;
}

function runbookList(): string {
  const lines = runbooks.map((source) => `- [${basename(source, '.md')}](${basename(source)})`);
  return `# Runbooks\n\nA page for each alert: what it means, what to do first, and what to look at.\n\n${lines.join('\n')}\n`;
}

/** What the built pages load from elsewhere: nothing. Links that a reader follows are no loads. */
function foreignLoads(): readonly string[] {
  return globSync('dist/**/*.{html,css}', { cwd: site }).filter((file) =>
    /<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?\/\/|url\(["']?(?:https?:)?\/\//.test(
      readFileSync(join(site, file), 'utf8'),
    ),
  );
}

const missing = globSync('docs/*.md', { cwd: root }).filter((page) => !sources.includes(page));
if (missing.length > 0) throw new Error(`site/manual.json has no group for ${missing.join(', ')}.`);

rmSync(pages, { recursive: true, force: true });
for (const [source, place] of places) write(place, linked(source));
cpSync(join(root, 'docs', 'pictures'), join(pages, 'pictures'), { recursive: true });
write('runbooks/index.md', runbookList());
write('places.json', JSON.stringify(Object.fromEntries(places)));
write('api.json', JSON.stringify(reference()));
run('vitepress', ['build', '.']);
const foreign = foreignLoads();
if (foreign.length > 0) throw new Error(`These pages load from another host: ${foreign.join(', ')}.`);
console.log(`site/dist: ${globSync('dist/**/*.html', { cwd: site }).length} pages, nothing loaded from elsewhere`);
