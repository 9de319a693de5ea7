/**
 * `release-notes.ts v1.2.3`: prints what CHANGELOG.md says of that version. Fails where package.json has another version, or
 * the changelog no section of it, so that nothing is published under a wrong name.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The text under the heading `## VERSION` or `## VERSION (date)`; `null` where there is none. */
export function sectionOf(changelog: string, version: string): string | null {
  const heading = new RegExp(`^## ${version.replaceAll('.', '\\.')}(?: .*)?$`, 'm');
  const found = heading.exec(changelog);
  if (found === null) return null;
  const rest = changelog.slice(found.index + found[0].length);
  const end = rest.search(/^## /m);
  return (end === -1 ? rest : rest.slice(0, end)).trim();
}

/** Why the tag must not be released; `null` where it may. */
export function refusedTag(tag: string, at: { readonly version: string; readonly changelog: string }): string | null {
  if (tag !== `v${at.version}`) return `Expected the tag v${at.version}, which package.json says, got ${tag}.`;
  const section = sectionOf(at.changelog, at.version);
  if (section === null || section === '')
    return `CHANGELOG.md has nothing under "## ${at.version}". Move what is under Unreleased there.`;
  return null;
}

if (import.meta.main) {
  const { version } = JSON.parse(read('package.json')) as { readonly version: string };
  const changelog = read('CHANGELOG.md');
  const refused = refusedTag(process.argv[2] ?? '', { version, changelog });
  if (refused === null) console.log(sectionOf(changelog, version));
  else {
    console.error(refused);
    process.exitCode = 1;
  }
}
