/** The version of this package: the same as in `package.json`, which a test holds together. */
export const VERSION = '0.1.0';

/** What the newest OpenTelemetry needs, and `zstd` in archives that are scanned. */
const OLDEST = [22, 15] as const;

/** What is wrong with this version of Node; `null` where nothing is. */
export function nodeProblem(version = process.versions.node): string | null {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return null;
  return `expected Node ${OLDEST.join('.')} or later, got ${version}: run this program on a newer Node`;
}
