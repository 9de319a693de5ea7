import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Marked } from 'marked';

const root = join(import.meta.dirname, '..');
const names = globSync('docs/runbooks/*.md', { cwd: root })
  .map((path) => basename(path, '.md'))
  .toSorted();

/** The runbooks by name, as the HTML that `src/console/runbooks.ts` puts into a page. */
export function runbookPages(): string {
  const marked = new Marked({
    renderer: {
      // Other pages of the manual are not served beside the runbooks: they are in the package.
      link({ href, text }) {
        return href.startsWith('../') ? `${text} (<code>${href.replace(/^\.\.\/([^#]*).*/, 'docs/$1')}</code>)` : false;
      },
    },
  });
  const pages = names.map((name) => {
    const text = readFileSync(join(root, 'docs', 'runbooks', `${name}.md`), 'utf8');
    const html = marked.parse(text, { async: false }).trim();
    // Another runbook that is named is one click away.
    const linked = html.replace(/\bPlimsoll[A-Z]\w+/g, (other) =>
      other !== name && names.includes(other) ? `<a href="./${other}">${other}</a>` : other,
    );
    return [name, linked] as const;
  });
  return `${JSON.stringify(Object.fromEntries(pages), null, 2)}\n`;
}
