import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '..', 'docs', 'runbooks');

/** Serves the runbook that an alert's `runbook_url` points to, as plain text. Lists all for an empty name; 404 for an unknown one. */
export async function runbook(name: string): Promise<Response> {
  const names = (await readdir(FOLDER)).map((file) => file.replace(/\.md$/, '')).sort();
  const headers = { 'content-type': 'text/plain; charset=utf-8' };
  if (name === '') return new Response(`${names.join('\n')}\n`, { headers });
  // Only names that were listed are read: a path cannot lead out of the folder.
  if (!names.includes(name)) return new Response('No runbook has this name.\n', { status: 404, headers });
  return new Response(await readFile(join(FOLDER, `${name}.md`)), { headers });
}
