/**
 * The programs that some tests need and npm does not bring. A test that needs one says so:
 *
 *     const prometheus = tool('prometheus');
 *     test('…', { skip: prometheus.skip }, () => spawn(prometheus.path, […]));
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** By the upstream name: what the program is called on disk (Debian's names included), and who brings it. */
const TOOLS = {
  prometheus: { programs: ['prometheus'], debian: 'prometheus' },
  promtool: { programs: ['promtool'], debian: 'prometheus' },
  alertmanager: { programs: ['alertmanager', 'prometheus-alertmanager'], debian: 'prometheus-alertmanager' },
  amtool: { programs: ['amtool'], debian: 'prometheus-alertmanager' },
  'redis-server': { programs: ['redis-server'], debian: 'redis-server' },
  chromium: { programs: ['chromium'], debian: 'chromium' },
  python3: { programs: ['python3'], debian: 'python3' },
  curl: { programs: ['curl'], debian: 'curl' },
  nginx: { programs: ['nginx'], debian: 'nginx-light' },
  caddy: { programs: ['caddy'], debian: 'caddy' },
  zsh: { programs: ['zsh'], debian: 'zsh' },
  fish: { programs: ['fish'], debian: 'fish' },
  'systemd-analyze': { programs: ['systemd-analyze'], debian: 'systemd' },
} as const;

export type ToolName = keyof typeof TOOLS;

/** Where to look: `PATH` and `CI` matter. */
export interface Surroundings {
  readonly PATH?: string | undefined;
  readonly CI?: string | undefined;
}

export interface Tool {
  /** The program's path. Throws, naming the line that installs it, when it is not on this machine. */
  readonly path: string;
  /** For node:test's `skip`: why the test cannot run here, or false. Always false under CI, so that `path` fails the test. */
  readonly skip: string | false;
}

/** Looks the program up in `PATH`. Nothing is started. */
export const tool = (name: ToolName, surroundings: Surroundings = process.env): Tool => {
  const { programs, debian } = TOOLS[name];
  const found = located(programs, surroundings.PATH ?? '');
  const missing = `${name} is not installed: apt-get install ${debian}`;
  return {
    get path(): string {
      if (found === undefined) throw new Error(missing);
      return found;
    },
    skip: found === undefined && !underCi(surroundings) ? missing : false,
  };
};

const underCi = ({ CI }: Surroundings): boolean => CI !== undefined && CI !== '' && CI !== 'false';

const located = (programs: readonly string[], path: string): string | undefined =>
  path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .flatMap((folder) => programs.map((program) => join(folder, program)))
    .find(isExecutable);

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // Not there, or not ours to run: both mean that this is not the program.
  }
};
