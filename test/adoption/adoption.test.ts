import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import test from 'node:test';
import { scraped } from '../../testing/scraped.ts';
import { adopts, simulated } from '../../testing/adopting.ts';
import { MANUAL_PROJECT, README, README_CODE } from '../../testing/manual-project.ts';
import { packed, project } from '../../testing/packed.ts';

/** The code of the README behind a router, whose mount path has a parameter. */
const mounted = README_CODE.replace(
  "app.post('/chat'",
  "const router = express.Router();\napp.use('/tenants/:tenant', router);\nrouter.post('/chat/:topic'",
).replace('async (req, res)', 'async (req: express.Request, res: express.Response)');

const pack = await packed();
test.after(() => pack.remove());

const [esm, cjs] = await Promise.all([
  project(pack, MANUAL_PROJECT),
  project(pack, {
    name: 'cjs',
    type: 'commonjs',
    dependencies: {
      '@anthropic-ai/sdk': '0.103.0',
      express: '^4.18.0',
      '@types/express': '^4.17.0',
      '@types/node': '^22.20.5',
    },
    sources: { 'app.ts': README_CODE, 'mounted.ts': mounted },
  }),
]);

const first = { file: 'app.js', path: '/chat', labels: { route: '/chat' } };

test('the code of the README, unedited, shows its first call as an ES module on the newest SDK and Express 5', async (t) => {
  const page = await adopts(t, { ...first, folder: esm });
  const [shown = ''] = /^ {4}anthropic_tokens_total.*$/m.exec(README) ?? [];
  const [[key, value] = []] = scraped(`${shown.trim()}\n`).samples;
  assert.equal(page.samples.get(key ?? 'the line of the README'), value);
  assert.notEqual(value, undefined);
});

test('the code of the README, unedited, shows its first call as CommonJS on the oldest SDK and Express 4', async (t) => {
  await adopts(t, { ...first, folder: cjs });
});

test('a route of Express 4 behind a mount path with a parameter is its pattern, without the value', async (t) => {
  const labels = { route: '/tenants/:tenant/chat/:topic' };
  await adopts(t, { folder: cjs, file: 'mounted.js', path: '/tenants/acme/chat/tides', labels });
});

const path = '/conversations/7/chat';
const route = '/conversations/:id/chat';

test('the page on frameworks attributes calls by route, tenant and feature', async (t) => {
  await adopts(t, {
    folder: esm,
    file: 'attributed.js',
    path,
    labels: { route, tenant: 'harbor', feature: 'search' },
  });
});

test('the page on frameworks measures a Fastify service', async (t) => {
  await adopts(t, { folder: esm, file: 'fastify.js', path, labels: { route } });
});

test('the page on frameworks measures a Hono service', async (t) => {
  await adopts(t, { folder: esm, file: 'hono.js', path, labels: { route } });
});

test('the page on frameworks measures a route handler of Next', async (t) => {
  await adopts(t, { folder: esm, file: 'as-next.js', path: '/api/chat', labels: { route: '/api/chat' } });
});

test('the programs of the page on frameworks that end by themselves end well', async (t) => {
  const api = await simulated(t, esm);
  const env = { PATH: process.env['PATH'], ANTHROPIC_BASE_URL: api.url, ANTHROPIC_AUTH_TOKEN: 'test' };
  for (const file of ['job.js', 'fetched.js', 'simulated.js'])
    execFileSync(process.execPath, [file], { cwd: esm, env });
  assert.deepEqual((await api.account())['requests'], { 200: 2 });
});

/** What a program says that ends with an error. */
function complaint(node: string, args: readonly string[], code = 1): string {
  const env = { PATH: process.env['PATH'], ANTHROPIC_AUTH_TOKEN: 'test', PORT: '0', METRICS_PORT: '0' };
  const { status, stderr } = spawnSync(node, args, { cwd: esm, env, encoding: 'utf8', timeout: 300_000 });
  assert.equal(status, code);
  return stderr;
}

test('an SDK that is too old gives one error that names its code and what to install', () => {
  const program = `
    import Anthropic from 'sdk-too-old';
    import { instrument } from 'plimsoll';
    instrument(new Anthropic());`;
  const said = complaint(process.execPath, ['--input-type=module', '--eval', program]);
  assert.match(
    said,
    /expected a client that has `middleware`, .*`backendMiddleware`, as those of @anthropic-ai\/sdk 0\.103 and later have.*install @anthropic-ai\/sdk@\^1/,
  );
  assert.match(said, /PLIMSOLL_SDK_TOO_OLD/);
});

/** A Node of this machine that is older than the package runs on; `undefined` where there is none. */
function oldNode(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders
    .map((folder) => join(folder, 'node'))
    .find((node) => {
      try {
        const [major = 0, minor = 0] = execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' })
          .split('.')
          .map(Number);
        return major >= 20 && (major < 22 || (major === 22 && minor < 15));
      } catch {
        return false; // No Node there.
      }
    });
}

const old = oldNode();
const noOldNode = old === undefined && 'no Node between 20 and 22.14 is on this machine';

test('a Node that is too old gives one error that names its code and what is needed', { skip: noOldNode }, () => {
  const said = complaint(String(old), ['app.js']);
  assert.match(said, /Node: expected 22\.15 or later, got \d+\.\d+\.\d+: run this program on a newer Node/);
  assert.match(said, /PLIMSOLL_NODE_TOO_OLD/);
  const command = complaint(String(old), [join('node_modules', 'plimsoll', 'dist', 'cli', 'main.js'), 'prices'], 2);
  assert.match(command, /^Node: expected 22\.15 or later, got \d+\.\d+\.\d+: run this program on a newer Node\n$/);
});
