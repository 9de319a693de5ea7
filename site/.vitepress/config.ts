import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitepress';

const site = join(import.meta.dirname, '..');
const pages = join(site, 'pages');

interface Group {
  readonly title: string;
  readonly pages: readonly string[];
}

const { groups } = JSON.parse(readFileSync(join(site, 'manual.json'), 'utf8')) as { readonly groups: readonly Group[] };
/** Written by scripts/site.ts: the page of the site that a page of the repository became. */
const places = JSON.parse(readFileSync(join(pages, 'places.json'), 'utf8')) as Readonly<Record<string, string>>;
const api = JSON.parse(readFileSync(join(pages, 'api.json'), 'utf8')) as readonly string[];

const titleOf = (place: string): string => /^# (.+)$/m.exec(readFileSync(join(pages, place), 'utf8'))?.[1] ?? place;
/** As the generator names pages: it marks the present one in the sidebar, and links the next, by this name. */
const linkOf = (place: string): string => `/${place.replace(/(?:(?<=^|\/)index)?\.md$/, '')}`;
const item = (place: string) => ({ text: titleOf(place).replaceAll('`', ''), link: linkOf(place) });

export default defineConfig({
  title: 'plimsoll',
  description: 'Observability middleware for the Claude API',
  base: process.env['SITE_BASE'] ?? '/',
  srcDir: 'pages',
  outDir: 'dist',
  cleanUrls: false,
  lastUpdated: false,
  // A page of the reader's own machine, which nobody can check from here.
  ignoreDeadLinks: 'localhostLinks',
  markdown: { languageAlias: { promql: 'sql', caddyfile: 'nginx' } },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/guide' },
      { text: 'Metrics', link: '/metrics' },
      { text: 'API', link: '/api/' },
      { text: 'Runbooks', link: '/runbooks/' },
    ],
    sidebar: [
      ...groups.map(({ title, pages: sources }) => ({
        text: title,
        collapsed: false,
        items: sources.map((source) => item(places[source] ?? source)),
      })),
      { text: 'API', collapsed: true, items: api.map(item) },
    ],
  },
});
