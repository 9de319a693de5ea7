import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import test, { after } from 'node:test';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..', '..');
const text = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The instructions of each stage of a Dockerfile, with continued lines joined. */
function stages(path: string): readonly (readonly string[])[] {
  const lines = text(path)
    .replace(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '');
  const starts = lines.flatMap((line, index) => (line.startsWith('FROM ') ? [index] : []));
  return starts.map((start, index) => lines.slice(start, starts[index + 1]));
}

/** Tells whether the build context has the path: the last pattern of .dockerignore that matches it or a folder of it decides. */
function isSent(path: string): boolean {
  const parts = path.split('/').map((_, index, all) => all.slice(0, index + 1).join('/'));
  return text('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .reduce((sent, line) => {
      const [isException, pattern] = line.startsWith('!') ? [true, line.slice(1)] : [false, line];
      const expression = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`);
      return parts.some((part) => expression.test(part)) ? isException : sent;
    }, true);
}

const [building = [], final = []] = stages('Dockerfile');

test('the build context has everything that the Dockerfiles copy', () => {
  const copied = [...building, ...final, ...stages('deploy/gateway/Dockerfile').flat()].flatMap((line) => {
    const [, list] = /^COPY (?!--from)(.+)$/.exec(line) ?? [];
    return list?.split(' ').slice(0, -1) ?? [];
  });
  assert.ok(copied.includes('dashboards') && copied.length > 8, copied.join(' '));
  for (const path of copied) assert.ok(existsSync(join(root, path)) && isSent(path), path);
  for (const path of ['.git', '.env', 'node_modules', 'docs/gateway.md']) assert.ok(!isSent(path), path);
});

const app = mkdtempSync(join(tmpdir(), 'plimsoll-image-'));
after(() => rmSync(app, { recursive: true }));

async function bundled(home: string): Promise<string> {
  const main = join(home, 'dist/cli/main.js');
  await build({
    entryPoints: [join(root, 'src/cli/main.ts')],
    outfile: main,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  });
  return main;
}

/**
 * Lays out /app as the Dockerfile does, but for the dependencies: what the build leaves in node_modules/plimsoll, and then
 * each COPY of the last stage. The command is bundled in place of the build, which takes longer and writes the same code.
 */
async function laidOut(): Promise<string> {
  const home = join(app, 'node_modules/plimsoll');
  const assembled = building.find((line) => line.startsWith('RUN npm ci --omit=dev')) ?? '';
  assert.match(assembled, /cp -r \/build\/dist \/build\/package\.json node_modules\/plimsoll\/ /);
  mkdirSync(home, { recursive: true });
  cpSync(join(root, 'package.json'), join(home, 'package.json'));
  const main = await bundled(home);
  for (const line of final) {
    const [, from, to] = /^COPY (?!--from)(\S+) (\S+)$/.exec(line) ?? [];
    if (from !== undefined && to !== undefined && !to.startsWith('/')) {
      assert.match(relative(app, join(app, to)), /^[^.]/, line);
      cpSync(join(root, from), join(app, to), { recursive: true });
    }
  }
  // The SDK and the other dependencies, which npm installs there.
  for (const name of readdirSync(join(root, 'node_modules')).filter((each) => !each.startsWith('.')))
    if (name !== 'plimsoll') symlinkSync(join(root, 'node_modules', name), join(app, 'node_modules', name));
  return main;
}

test('the image has its runbooks, can export its dashboards, and says in a sentence where it may not write', async () => {
  const main = await laidOut();
  assert.ok(existsSync(join(app, 'node_modules/plimsoll/docs/runbooks/PlimsollErrors.md')));
  const run = (...args: readonly string[]) =>
    spawnSync(process.execPath, [main, 'dashboards', 'export', ...args], { cwd: app, encoding: 'utf8' });
  const written = run('--out', join(app, 'out'));
  assert.equal(written.status, 0, written.stderr);
  for (const kind of ['dashboards', 'alerts'])
    assert.deepEqual(readdirSync(join(app, 'out', kind)), readdirSync(join(root, kind)));
  const printed = run('--format', 'configmap');
  assert.equal(printed.status, 0, printed.stderr);
  assert.equal(printed.stdout.split('kind: ConfigMap').length - 1, readdirSync(join(root, 'dashboards')).length);
  // A file stands where a folder is needed: so it fails for root too.
  const refused = run('--out', join(app, 'node_modules/plimsoll/package.json'));
  assert.equal(refused.status, 1);
  assert.doesNotMatch(refused.stderr, /Error:|at .*\(/);
  assert.match(refused.stderr, /package\.json\/dashboards\/\w+\.json:\s+expected to write the file, got /);
  rmSync(join(app, 'node_modules/plimsoll/dashboards'), { recursive: true });
  assert.match(run('--format', 'configmap').stderr, /expected the\s+dashboards of the package, got no such file/);
});

test('the image of the gateway alone starts with its five packages, as a user that may write nothing', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-gateway-image-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const { dependencies } = JSON.parse(text('deploy/gateway/package.json')) as { readonly dependencies: object };
  const { dependencies: ofDemo } = JSON.parse(text('deploy/demo/package.json')) as { readonly dependencies: object };
  assert.deepEqual(dependencies, { ...dependencies, ...pick(ofDemo, Object.keys(dependencies)) });
  const home = join(folder, 'node_modules/plimsoll');
  const main = await bundled(home);
  cpSync(join(root, 'package.json'), join(home, 'package.json'));
  for (const name of Object.keys(dependencies)) {
    mkdirSync(join(folder, 'node_modules', name, '..'), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  }
  const [, runs = []] = stages('deploy/gateway/Dockerfile');
  assert.ok(runs.includes('USER node'));
  assert.ok(runs.includes('COPY docs/runbooks node_modules/plimsoll/docs/runbooks'));
  const [, command = ''] = /^CMD (.*)$/m.exec(runs.join('\n')) ?? [];
  const [program, ...args] = JSON.parse(command) as readonly string[];
  assert.deepEqual([program, args.at(-1)], ['plimsoll', '/etc/plimsoll/gateway.yaml']);
  const file = join(folder, 'gateway.yaml');
  writeFileSync(file, 'keys: { prod-api-key: { env: KEY } }\nclients: { team: {} }\nbaseUrl: http://127.0.0.1:9\n');
  const ports = ['--port', '0', '--metrics-port', '0', '--json'];
  const child = spawn(process.execPath, [main, ...args.slice(0, -1), file, ...ports], {
    cwd: folder,
    env: { KEY: 'not-a-key' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = once(child, 'exit');
  const first = once(createInterface(child.stdout), 'line') as Promise<[string]>;
  const [line] = await Promise.race([first, gone.then(() => assert.fail('it ended at once'))]);
  const { url } = JSON.parse(line) as { readonly url: string };
  assert.equal((await fetch(new URL('/healthz', url))).status, 200);
  child.kill('SIGTERM');
  assert.deepEqual(await gone, [0, null]);
});

function pick(all: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)));
}
