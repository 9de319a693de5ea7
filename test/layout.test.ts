import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import test from 'node:test';
import ts from 'typescript';

const root = join(import.meta.dirname, '..');
const isThere = (path: string): boolean => existsSync(join(root, path));
const testFiles = globSync('test/**/*.test.ts', { cwd: root });
const sourceFiles = globSync('src/**/*.ts', { cwd: root });

/** Folders of test/ that hold no file of src/ to its promises, but many together; what each is for. */
const TOGETHER: Readonly<Record<string, string>> = {
  'test/adoption': 'the package, installed as a user installs it: the code of README and of the page on frameworks',
  'test/contract': 'the real SDK: what plimsoll may never do to it, however it is called and whatever fails',
  'test/deploy': 'the files that are deployed, as the programs read them that they are for',
  'test/exactness': 'every number against the bill of the simulated API',
  'test/examples': 'every program in examples/, run',
  'test/gateway/failure': 'a gateway whose API, ledger or own process dies',
  'test/world': 'what programs do to the SDK that plimsoll cannot choose: their fetch functions',
  'test/gateway/security': 'what attacks a gateway: docs/threat-model.md names its tests',
};

/** Whose tests stand under their own name: `test/scripts/stack.test.ts` is of `scripts/stack.ts`. The others are of src/. */
const OUTSIDE = ['bench', 'demo', 'docs', 'monitoring', 'scripts', 'testing'];

/**
 * A source file with more decisions than this has rules, and a test file of its name. One decision is a branch, a loop, a
 * `catch`, or an operand that may not be evaluated.
 */
const MOST_DECISIONS = 15;

/** Source files with rules that a test file of another name holds to their promises, with the reason. */
const HELD_BY: Readonly<Record<string, readonly [test: string, reason: string]>> = {
  'src/budget/account.ts': ['test/budget/budgets.test.ts', 'an account is seen through the budgets that have it'],
  'src/check/api.ts': ['test/cli/check.test.ts', 'every answer of the API becomes a line of the command'],
  'src/check/check.ts': ['test/cli/check.test.ts', 'the steps are the lines that the command prints'],
  'src/check/steps.ts': ['test/cli/check.test.ts', 'the steps are the lines that the command prints'],
  'src/client/options.ts': ['test/contract/calling-ways.test.ts', 'options are what instrument() takes'],
  'src/environment/models.ts': [
    'test/environment/environment.test.ts',
    'models are judged with the variables that name them',
  ],
  'src/gateway/configuration/clients.ts': [
    'test/gateway/configuration/file.test.ts',
    'all problems of a file are one error',
  ],
  'src/gateway/configuration/labels.ts': [
    'test/gateway/configuration/file.test.ts',
    'all problems of a file are one error',
  ],
  'src/gateway/configuration/reader.ts': [
    'test/gateway/configuration/file.test.ts',
    'all problems of a file are one error',
  ],
  'src/gateway/upstreams/route.ts': [
    'test/gateway/forward-failover.test.ts',
    'the ways of a request are those that it is sent',
  ],
  'src/observe/client-retries.ts': [
    'test/client/instrument-fetch.test.ts',
    'retries are those of clients, of a fetch or of the gateway',
  ],
  'src/observe/event-lines.ts': ['test/observe/event-stream.test.ts', 'lines are cut for the scanner of events'],
  'src/observe/exchange.ts': ['test/contract/retries.test.ts', 'attempts are those of the real SDK'],
  'src/observe/fetch-call.ts': [
    'test/contract/fetch-same-numbers.test.ts',
    'calls are those of the instrumented client',
  ],
  'src/observe/fetch-request.ts': [
    'test/client/instrument-fetch.test.ts',
    'requests are what programs give their fetch',
  ],
  'src/observe/sdk-call.ts': ['test/contract/calling-ways.test.ts', 'calls are those of the real SDK'],
  'src/organization/inferred-rates.ts': [
    'test/organization/difference.test.ts',
    'what is read, joined and inferred is seen in the difference',
  ],
  'src/organization/joined-cells.ts': [
    'test/organization/difference.test.ts',
    'what is read, joined and inferred is seen in the difference',
  ],
  'src/organization/read-analytics.ts': [
    'test/organization/difference.test.ts',
    'what is read, joined and inferred is seen in the difference',
  ],
  'src/organization/report-rows.ts': [
    'test/organization/difference.test.ts',
    'what is read, joined and inferred is seen in the difference',
  ],
  'src/organization/directory.ts': [
    'test/cli/organization.test.ts',
    'every part of the report becomes lines of the command',
  ],
  'src/organization/organization.ts': [
    'test/cli/organization.test.ts',
    'every part of the report becomes lines of the command',
  ],
  'src/organization/sentences.ts': [
    'test/cli/organization.test.ts',
    'every part of the report becomes lines of the command',
  ],
  'src/pricing/json-reader.ts': ['test/pricing/price-file.test.ts', 'what it reads are price files'],
  'src/record/metrics/exposition.ts': [
    'test/record/metrics/page.test.ts',
    'both formats are read as a scraper asks for them',
  ],
};

/** `ledger-race` → `ledger-race`, `ledger`: a test is of a file, or of one aspect of it. */
const names = (name: string): readonly string[] =>
  name.split('-').map((_, index, parts) => parts.slice(0, parts.length - index).join('-'));

/** What a test file is of: a path without its ending, which is that of a file or a folder. */
function subjectOf(file: string): string | undefined {
  const folder = dirname(file).replace(/^test\/?/, '');
  const [name = ''] = basename(file).split('.');
  const place = OUTSIDE.includes(folder.split('/')[0] ?? '') ? folder : join('src', folder);
  // A test that is named as its folder is of all of that.
  if (name === basename(place) && isThere(place) && !isThere(`${join(place, name)}.ts`)) return place;
  return names(name)
    .map((each) => join(place, each))
    .find((path) => ['.ts', '.js', '.md', ''].some((ending) => isThere(`${path}${ending}`)));
}

const stands = (file: string, folder: string): boolean => file.startsWith(`${folder}/`);
const isTogether = (file: string): boolean => Object.keys(TOGETHER).some((folder) => stands(file, folder));

const DECISIONS = new Set([
  ...[ts.SyntaxKind.IfStatement, ts.SyntaxKind.ConditionalExpression, ts.SyntaxKind.CaseClause],
  ...[ts.SyntaxKind.ForStatement, ts.SyntaxKind.ForOfStatement, ts.SyntaxKind.ForInStatement],
  ...[ts.SyntaxKind.WhileStatement, ts.SyntaxKind.DoStatement, ts.SyntaxKind.CatchClause],
  ...[ts.SyntaxKind.AmpersandAmpersandToken, ts.SyntaxKind.BarBarToken, ts.SyntaxKind.QuestionQuestionToken],
]);

function decisionsIn(path: string): number {
  let count = 0;
  const visit = (node: ts.Node): void => {
    if (DECISIONS.has(node.kind)) count += 1;
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.Latest));
  return count;
}

test('a test file is named after what it tests, or is in a folder whose purpose is stated', () => {
  const strangers = testFiles.filter(
    (file) => dirname(file) !== 'test' && !isTogether(file) && subjectOf(file) === undefined,
  );
  assert.deepEqual(strangers, []);
});

test('a source file that decides more than a little has a test file of its name', () => {
  const subjects = new Set(testFiles.filter((file) => !isTogether(file)).map(subjectOf));
  const untested = sourceFiles.filter((file) => {
    const path = file.slice(0, -'.ts'.length);
    const isTested =
      subjects.has(path) ||
      subjects.has(dirname(path)) ||
      // A file that is named after another is a part or a kind of it: `cli/prices-explain.ts` is tested as the command is,
      // and `budget/sqlite-ledger.ts` by the table of all ledgers.
      names(basename(path)).some((name) => subjects.has(join(dirname(path), name))) ||
      subjects.has(join(dirname(path), basename(path).split('-').at(-1) ?? ''));
    return !isTested && decisionsIn(file) > MOST_DECISIONS;
  });
  assert.deepEqual(
    untested.filter((file) => !Object.hasOwn(HELD_BY, file)),
    [],
  );
});

test('every exception of the layout names files that are there, and is one', () => {
  for (const [file, [heldBy]] of Object.entries(HELD_BY)) {
    assert.ok(isThere(file), file);
    assert.ok(isThere(heldBy), heldBy);
    assert.ok(decisionsIn(file) > MOST_DECISIONS, `${file} decides too little to need an exception`);
    assert.ok(!testFiles.some((each) => subjectOf(each) === file.slice(0, -'.ts'.length)), `${file} has a test`);
  }
  assert.deepEqual(
    Object.keys(TOGETHER).filter((folder) => !isThere(folder)),
    [],
  );
});
