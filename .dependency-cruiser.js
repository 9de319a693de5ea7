// @ts-check
import { readFileSync } from 'node:fs';

/**
 * The rooms of src/, outermost first. A room imports rooms of later rows, never of its own row or an earlier one.
 * A room is a folder or a file directly in src/; one that stands in no row fails `test/architecture.test.ts`.
 */
export const ROWS = [
  ['cli'],
  ['http'],
  ['express', 'gateway', 'otel', 'check', 'rules'],
  ['client'],
  ['console', 'organization'],
  ['observe', 'record', 'retry', 'redis', 'environment', 'scan'],
  ['advice', 'pace', 'totals'],
  ['budget', 'tier', 'pricing', 'routing', 'keys'],
  ['decisions', 'prompt', 'sqlite-database', 'structured-file', 'version'],
  ['vocabulary', 'clock', 'errors', 'figures', 'installed', 'redis-address', 'hosts'],
  ['answers', 'limiter', 'platform', 'trace'],
];

/** The simulator stands outside the rows: it knows no other room, and only cli/ knows it. */
export const APART = 'simulator';

const PURE = ['pricing', 'tier', 'routing', 'keys'];
const IMPURE_NODE =
  '^(node:)?(child_process|cluster|dgram|dns|http|http2|https|inspector|net|readline|repl|sqlite|timers|tls|tty|v8|vm|worker_threads)(/|$)';

/**
 * What stands beside src/, and the folders that each of them imports from besides itself. The demo is not here: it has a
 * rule of its own. Nothing imports from test/; a test of the workshop stands in test/ under the name of its folder.
 */
export const WORKSHOP = {
  bench: ['src', 'testing'],
  monitoring: ['src', 'testing'],
  scripts: ['monitoring', 'src', 'testing'],
  testing: ['src'],
};

/** @param {readonly string[]} names */
const rooms = (names) => `^src/(${names.join('|')})(/|\\.ts$)`;

/** @param {string} names alternatives, as in a regular expression */
const packages = (names) => `(^|node_modules/)(${names})(/|$)`;

/** The files that package.json `exports` names. They list public names by hand, each of its own room. */
export const entries = Object.values(JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')).exports)
  .map((target) => target['plimsoll-source']?.replace('./', ''))
  .filter((path) => path !== undefined);
const entry = `^(${entries.join('|').replaceAll('.', '\\.')})$`;

const inward = ROWS.flatMap((names, row) =>
  names.map((name) => ({
    name: `${name}-imports-inward`,
    comment: 'Imports point inward: a room knows only the rooms of the rows below its own.',
    severity: 'error',
    from: { path: rooms([name]) },
    to: { path: rooms(ROWS.slice(0, row + 1).flat()), pathNot: rooms([name]) },
  })),
);

const folder = `^(bench|demo|monitoring|scripts|src|test|testing)/`;

const workshop = Object.entries(WORKSHOP).map(([name, known]) => ({
  name: `${name}-imports-inward`,
  comment: 'Helpers of tests are in testing/. Nobody imports a test, and no library imports a program.',
  severity: 'error',
  from: { path: `^${name}/` },
  to: { path: folder, pathNot: `^(${[name, ...known].join('|')})/` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...inward,
    ...workshop,
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or a third is missing. Types count.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-barrels',
      comment: 'Import the file that defines the name. Entries are for users.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: [entry, '^src/.*/index\\.ts$'] },
    },
    {
      name: 'simulator-stands-apart',
      comment: 'The simulator is the oracle of the tests: it must not share code with what it judges.',
      severity: 'error',
      from: { path: rooms([APART]) },
      to: { path: '^src/', pathNot: rooms([APART]) },
    },
    {
      name: 'only-cli-simulates',
      comment: 'A fake API has no place in what runs in production.',
      severity: 'error',
      from: { path: '^src/', pathNot: rooms([APART, 'cli']) },
      to: { path: rooms([APART]) },
    },
    {
      name: 'pure-rooms-stay-pure',
      comment: 'Prices, tiers, routes and key rules are decisions over plain data: no package, no network, no process.',
      severity: 'error',
      from: { path: rooms(PURE) },
      to: { path: [IMPURE_NODE, 'node_modules/'] },
    },
    {
      name: 'the-sdk-is-known-by-name',
      comment:
        'In observe/, middleware.ts and the files called sdk-… know the SDK; the rest reads Request and Response, so the gateway can use it.',
      severity: 'error',
      from: {
        path: [
          '^src/observe/',
          rooms([
            'record',
            'budget',
            'decisions',
            'vocabulary',
            'answers',
            'limiter',
            'platform',
            'trace',
            'express',
            APART,
          ]),
        ],
        pathNot: '^src/observe/(middleware|sdk-[^/]+)\\.ts$',
      },
      to: { path: packages('@anthropic-ai/sdk') },
    },
    {
      name: 'observers-know-no-backend',
      comment: 'Metrics and spans are made in record/ alone.',
      severity: 'error',
      from: {
        path: rooms([
          'observe',
          'retry',
          'budget',
          'gateway',
          'decisions',
          'vocabulary',
          'answers',
          'limiter',
          'platform',
          'trace',
          APART,
        ]),
      },
      to: { path: packages('prom-client|@opentelemetry/[^/]+') },
    },
    {
      name: 'optional-peers-stay-optional',
      comment: '`import "plimsoll"` loads nothing that its user may not have installed, types included.',
      severity: 'error',
      from: { path: '^src/(index|client/instrument)\\.ts$' },
      to: { path: packages('express|ioredis|@opentelemetry/sdk-[^/]+'), reachable: true },
    },
    {
      name: 'redis-is-loaded-when-it-is-used',
      comment: '`plimsoll/gateway` is for users without ioredis too, so its types and its modules do without.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: packages('ioredis') },
    },
    {
      name: 'only-peers-are-imported',
      comment: 'The package has no dependencies: what src/ imports is a peer or Node itself.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: 'node_modules/', dependencyTypesNot: ['npm-peer'] },
    },
    {
      name: 'src-stands-alone',
      comment: 'Only src/ is published.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(bench|demo|monitoring|scripts|test|testing)/' },
    },
    {
      name: 'the-demo-is-a-user',
      comment: 'The demo imports plimsoll as its users do.',
      severity: 'error',
      from: { path: '^demo/' },
      to: { path: folder, pathNot: [entry, '^demo/'] },
    },
    {
      name: 'the-workshop-is-imported-by-its-own-tests',
      comment:
        'What tests share is in testing/: a test imports from scripts/ only to test scripts/, and so on. The files of deploy/ are run by monitoring/.',
      severity: 'error',
      from: { path: '^test/([^/]+)' },
      to: { path: '^(bench|demo|monitoring|scripts)/', pathNot: ['^$1/', '^monitoring/run/'] },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Has packages of its own, which are installed for `npm run preview` alone.
    exclude: { path: '^monitoring/preview/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['plimsoll-source', 'import', 'node', 'default', 'types'],
    },
  },
};
