/**
 * How long `plimsoll scan` takes for 100 MB of source in 2,000 files, beside `grep -rF` for one prefix in the same
 * files. Prints the best of three runs of each, taken in turn, and their ratio. One secret is planted: both must find
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

function seconds(command: string, args: readonly string[], expected: RegExp): number {
  const startedAt = performance.now();
  const { stdout } = spawnSync(command, args, { cwd: folder, encoding: 'utf8' });
  const took = (performance.now() - startedAt) / 1_000;
  if (!expected.test(stdout)) throw new Error(`${command} did not find the planted secret: ${stdout.slice(0, 200)}`);
  return took;
}

try {
  write();
  const node = ['--conditions=plimsoll-source', join(ROOT, 'src/cli/main.ts'), 'scan', '.'];
  const scans: number[] = [];
  const greps: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    scans.push(seconds(process.execPath, node, /planted\.env:1:5/));
    greps.push(seconds('grep', ['-rF', 'sk-ant-api03-', '.'], /planted\.env/));
  }
  const [scan, grep] = [Math.min(...scans), Math.min(...greps)];
  const mb = (FILES * FILE_BYTES) / 1e6;
  console.log(`plimsoll scan  ${scan.toFixed(2)} s for ${mb} MB in ${FILES} files, the start of Node included`);
  console.log(`grep -rF       ${grep.toFixed(2)} s`);
  console.log(`ratio          ${(scan / grep).toFixed(1)}`);
} finally {
  rmSync(folder, { recursive: true });
}
