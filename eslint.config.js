// @ts-check
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { ownText } from './scripts/lint/own-text.js';

/** A rule of shape that no plugin has: `selector` is refused, `message` says what to do instead. */
const shapes = [
  { selector: 'ExportAllDeclaration', message: 'List the exported names by hand.' },
  { selector: 'TSParameterProperty', message: 'Declare the field and assign it.' },
  {
    selector: ':matches(ClassDeclaration, ClassExpression)[superClass]:not([superClass.name=/Error$/])',
    message: 'Compose; only errors extend.',
  },
  {
    selector: 'MethodDefinition[static=true]',
    message: 'Export a function: a class is for state that lives.',
  },
];

const noDefaultExport = { selector: 'ExportDefaultDeclaration', message: 'Export it by name.' };

const testNames = {
  selector:
    'CallExpression[callee.name=/^(test|it|describe|suite)$/] > Literal.arguments:first-child[value=/\\b(should|works?)\\b/i]',
  message: 'A test name is a sentence that could stand in the manual: say what happens.',
};

const knownToFloat = ['test', 'it', 'describe', 'suite', 'before', 'after', 'beforeEach', 'afterEach'];

export default defineConfig(
  globalIgnores(['dist/', 'coverage/', 'monitoring/preview/', 'site/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  tseslint.configs.base,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: knownToFloat }] },
      ],
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // An async function without `await` turns a throw into a rejection, which is what its callers expect.
      '@typescript-eslint/require-await': 'off',
      complexity: ['error', 15],
      eqeqeq: 'error',
      'max-depth': ['error', 4],
      'max-lines': ['error', 350],
      'max-lines-per-function': ['error', { max: 40, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 3],
      'no-console': 'error',
      'no-empty': 'error',
      'no-restricted-syntax': ['error', ...shapes],
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    plugins: { plimsoll: { rules: { 'own-text': ownText } } },
    rules: { 'no-restricted-syntax': ['error', ...shapes, noDefaultExport], 'plimsoll/own-text': 'error' },
  },
  // They read what others write, where there is no code to read.
  {
    files: [
      'src/observe/rejection.ts', // The API: some reasons of a 429, and whose spend limit it is.
      'src/check/refusals.ts', // The API: credit that is used up came with a 400 and no code.
      'src/observe/sdk-retry.ts', // The SDK takes an error for a timeout by its text, and so must we.
      'src/check/failures.ts', // Node: the status with which a proxy refused, and a `fetch` that failed without a code.
      'src/redis/connection.ts', // Redis: NOSCRIPT, the first word of its protocol's error.
      'src/cli/metrics-page.ts', // Node: a port that `fetch` refuses to call has no code.
    ],
    rules: { 'plimsoll/own-text': 'off' },
  },
  {
    files: ['src/cli/**/*.ts', 'demo/**/*.ts', 'scripts/**/*.ts', 'bench/**/*.ts', 'monitoring/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  // Read by people whose Express error handlers have four parameters, and who have linters of their own.
  { files: ['examples/**/*.ts'], rules: { 'no-console': 'off', 'max-params': ['error', 4] } },
  {
    files: ['test/**/*.ts', 'testing/**/*.ts'],
    rules: {
      'max-lines': 'off',
      'max-lines-per-function': 'off',
      'no-restricted-syntax': ['error', ...shapes, testNames],
      // Tests hand over methods of the SDK, of streams and of fakes that never look at `this`.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
