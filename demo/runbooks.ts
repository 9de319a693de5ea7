import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '..', 'docs', 'runbooks');

/** The runbook that `runbook_url` of an alert leads to, as plain text; a list of all for no name, a 404 for a name that none has. */
export async function runbook(name: string): Promise<Response> {
  const names = (await readdir(FOLDER)).map((file) => file.replace(/\.md$/, '')).sort();
  const headers = { 'content-type': 'text/plain; charset=utf-8' };
  if (name === '') return new Response(`${names.join('\n')}\n`, { headers });
  // Only names that were listed are read: a path cannot lead out of the folder.
  if (!names.includes(name)) return new Response('No runbook has this name.\n', { status: 404, headers });
  return new Response(await readFile(join(FOLDER, `${name}.md`)), { headers });
}
