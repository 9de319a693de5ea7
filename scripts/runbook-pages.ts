import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Marked, type Tokens } from 'marked';

const root = join(import.meta.dirname, '..');
const names = globSync('docs/runbooks/*.md', { cwd: root })
  .map((path) => basename(path, '.md'))
  .toSorted();

/** The runbooks by name, as the HTML that `src/console/runbooks.ts` puts into a page. */
export function runbookPages(): string {
  const { repository } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly repository: { readonly url: string };
  };
  const docs = `${repository.url.replace(/^git\+/, '').replace(/\.git$/, '')}/blob/main/docs/`;
  const marked = new Marked({
    // Other pages of the manual are not served beside the runbooks.
    walkTokens(token) {
      if (token.type === 'link') token['href'] = (token as Tokens.Link).href.replace(/^\.\.\//, docs);
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
