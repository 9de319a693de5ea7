import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Scan } from '../src/scan/scan.ts';

/** What a scan of one file finds. */
export function scanned(name: string, bytes: Buffer | string) {
  const scan = new Scan();
  scan.add({ name, bytes: Buffer.from(bytes) });
  return scan.result;
}

/** Where it finds something, as `path:line:column`. */
export function places(name: string, bytes: Buffer | string): readonly string[] {
  return scanned(name, bytes).findings.map(({ path, line, column }) => `${path}:${line}:${column}`);
}

/** A file in a tar, made by the tar of the system: not by one written for the test. */
export function tarred(name: string, text: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-tar-'));
  writeFileSync(join(folder, name), text);
  execFileSync('tar', ['-czf', 'made.tgz', name], { cwd: folder });
  const bytes = readFileSync(join(folder, 'made.tgz'));
  rmSync(folder, { recursive: true });
  return bytes;
}
