import type { Problem } from './errors.ts';

/** The version of this package; a test compares it with `package.json`. */
export const VERSION = '0.1.0';

/** The newest OpenTelemetry needs it, and so does `zstd` in scanned archives. */
const OLDEST = [22, 15] as const;

/** The problem of a Node that is too old; `null` if this one is not. */
export function nodeProblem(version = process.versions.node): Problem | null {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return null;
  return {
    kind: 'too_old',
    field: 'Node',
    expected: `${OLDEST.join('.')} or later`,
    got: version,
    advice: 'run this program on a newer Node',
  };
}
