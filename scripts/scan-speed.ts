/**
 * How long `plimsoll scan` takes for 100 MB of source in 2,000 files, beside `grep -rF` for one prefix in the same
 * files. Prints the best of three runs of each, taken in turn, what they used of the processor, and their ratio. One secret is planted: both must find
 * it, or the figures would be of nothing.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const FILES = 2_000;
const FILE_BYTES = 50_000;
const ROUNDS = 3;

const source = readFileSync(join(ROOT, 'node_modules/@anthropic-ai/sdk/src/client.ts'));
const folder = mkdtempSync(join(tmpdir(), 'plimsoll-scan-speed-'));

function write(): void {
  for (let n = 0; n < FILES; n++) {
    const path = join(folder, String(n % 40));
    mkdirSync(path, { recursive: true });
    // Each file begins elsewhere in the source, so that no two are alike.
    const from = (n * 7_919) % source.length;
    const text = Buffer.concat([source.subarray(from), source, source]).subarray(0, FILE_BYTES);
    writeFileSync(join(path, `${n}.ts`), text);
  }
  writeFileSync(join(folder, 'planted.env'), `KEY=sk-ant-api03-${randomBytes(71).toString('base64url')}AA\n`);
}

interface Took {
  readonly seconds: number;
  /** Of the processor, which says more than the clock where others work on the same machine. */
  readonly processorSeconds: number;
}

function took(command: string, args: readonly string[], expected: RegExp): Took {
  const startedAt = performance.now();
  // What `times` prints last is what the shell's children used.
  const { stdout } = spawnSync('sh', ['-c', '"$0" "$@"; times', command, ...args], { cwd: folder, encoding: 'utf8' });
  const seconds = (performance.now() - startedAt) / 1_000;
  if (!expected.test(stdout)) throw new Error(`${command} did not find the planted secret: ${stdout.slice(0, 200)}`);
  const used = [...(stdout.trimEnd().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  const processorSeconds = used.reduce((sum, [, minutes, rest]) => sum + Number(minutes) * 60 + Number(rest), 0);
  return { seconds, processorSeconds };
}

function least(all: readonly Took[]): Took {
  return {
    seconds: Math.min(...all.map(({ seconds }) => seconds)),
    processorSeconds: Math.min(...all.map(({ processorSeconds }) => processorSeconds)),
  };
}

try {
  write();
  const node = ['--conditions=plimsoll-source', join(ROOT, 'src/cli/main.ts'), 'scan', '.'];
  const scans: Took[] = [];
  const greps: Took[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    scans.push(took(process.execPath, node, /planted\.env:1:5/));
    greps.push(took('grep', ['-rF', 'sk-ant-api03-', '.'], /planted\.env/));
  }
  const [scan, grep] = [least(scans), least(greps)];
  const mb = (FILES * FILE_BYTES) / 1e6;
  const line = (name: string, { seconds, processorSeconds }: Took): string =>
    `${name.padEnd(15)}${seconds.toFixed(2)} s, ${processorSeconds.toFixed(2)} s of the processor`;
  console.log(`${mb} MB in ${FILES} files, the start of Node included; the best of ${ROUNDS} runs`);
  console.log(line('plimsoll scan', scan));
  console.log(line('grep -rF', grep));
  console.log(`${'ratio'.padEnd(15)}${(scan.seconds / grep.seconds).toFixed(1)}`);
} finally {
  rmSync(folder, { recursive: true });
}
