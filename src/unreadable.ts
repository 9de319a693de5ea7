const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file: check the path',
  ENOTDIR: 'no such file: check the path',
  EISDIR: 'a folder: name a file in it',
  EACCES: 'no permission: check who may read it',
  EPERM: 'no permission: check who may read it',
};

/**
 * What came instead of a file, and what to do, as the end of a sentence that begins with what was expected. Of an error its
 * code alone is shown.
 */
export function unreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'no reason given';
  return REASONS[code] ?? `${code}: check the path and who may read it`;
}
