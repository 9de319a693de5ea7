import type { Entry } from './tar.ts';

/** The sources that a source map carries, as they were before the build; empty where it is none or carries none. */
export function mappedSources(bytes: Buffer): readonly Entry[] {
  const map = parsed(bytes);
  const { sources, sourcesContent } = map;
  if (!Array.isArray(sourcesContent)) return [];
  return sourcesContent.flatMap((content: unknown, index) => {
    const source: unknown = Array.isArray(sources) ? sources[index] : undefined;
    const name = typeof source === 'string' ? source : String(index);
    return typeof content === 'string' ? [{ name, bytes: Buffer.from(content) }] : [];
  });
}

function parsed(bytes: Buffer): { readonly sources?: unknown; readonly sourcesContent?: unknown } {
  try {
    // Some servers expect a line in front that no script can run past.
    const value: unknown = JSON.parse(bytes.toString('utf8').replace(/^\)\]\}'[^\n]*\n/, ''));
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {}; // it was scanned as a text already
  }
}
