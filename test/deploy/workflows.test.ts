import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, '.github', 'workflows');

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly name: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const workflows = readdirSync(folder).map((file) => {
  const text = readFileSync(join(folder, file), 'utf8');
  return { file, text, workflow: parse(text) as Workflow };
});
const jobs = workflows.flatMap(({ file, workflow }) =>
  Object.entries(workflow.jobs).map(([name, job]) => ({ place: `${file} ${name}`, job })),
);
const steps = jobs.flatMap(({ place, job }) => job.steps.map((step) => ({ place, step })));

test('a workflow may read the code, and a job asks for the rest that it needs', () => {
  for (const { file, workflow } of workflows) assert.deepEqual(workflow.permissions, { contents: 'read' }, file);
  const more = jobs.filter(({ job }) => job.permissions !== undefined).map(({ place }) => place);
  assert.deepEqual(more.toSorted(), ['docs.yml publish', 'release.yml image', 'release.yml package']);
});

test('every job ends by itself, and no checkout leaves its token behind', () => {
  for (const { place, job } of jobs) assert.ok((job['timeout-minutes'] ?? Infinity) <= 60, place);
  for (const { place, step } of steps) {
    if (step.uses?.startsWith('actions/checkout@')) assert.equal(step.with?.['persist-credentials'], false, place);
  }
});

test('an action is named by its commit, with the version beside it', () => {
  for (const { file, text } of workflows) {
    for (const line of text.split('\n').filter((each) => /\buses:/.test(each))) {
      assert.match(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, file);
    }
  }
});

test('every script and npm script that a workflow runs is there', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const commands = steps.map(({ step }) => step.run ?? '').join('\n');
  const files = [...commands.matchAll(/(?:^|\s)((?:scripts|\.ci)\/[\w./-]+)/g)].map(([, path = '']) => path);
  assert.ok(files.length >= 5, commands);
  for (const path of files) assert.ok(existsSync(join(root, path)), path);
  for (const [, name = ''] of commands.matchAll(/npm run ([\w:]+)/g)) assert.ok(Object.hasOwn(scripts, name), name);
});

test('what comes from outside reaches a command as a variable, never as part of its text', () => {
  for (const { place, step } of steps) assert.doesNotMatch(step.run ?? '', /\$\{\{/, place);
});

test('bash reads the whole of what CI runs', () => {
  const { status, stderr } = spawnSync('bash', ['-n', join(root, '.ci', 'run')], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
