import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shippedFolder } from '../installed.ts';

const TEXT = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' } as const;

/**
 * Serves the runbook that an alert's `runbook_url` points to, as plain text. Lists all for an empty name; 404 for an unknown
 * one, and in a bundle, which has no runbooks.
 */
export async function runbook(name: string): Promise<Response> {
  const folder = shippedFolder('docs', 'runbooks');
  const files = folder === null ? [] : await readdir(folder).catch(() => []);
  const names = files.map((file) => file.replace(/\.md$/, '')).sort();
  if (folder !== null && name === '') return new Response(`${names.join('\n')}\n`, { headers: TEXT });
  // Only names that were listed are read: a path cannot lead out of the folder.
  if (folder === null || !names.includes(name))
    return new Response('No runbook has this name.\n', { status: 404, headers: TEXT });
  return new Response(await readFile(join(folder, `${name}.md`)), { headers: TEXT });
}
