import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { done, type Product } from './product.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'frameworks.md'), 'utf8');

/** The blocks of the page on frameworks that stand under a heading and begin with their file's name. */
function filesUnder(heading: string): readonly (readonly [name: string, text: string])[] {
  const [, section = ''] = page.split(`\n### ${heading}\n`);
  const [own = ''] = section.split(/\n##/);
  return [...own.matchAll(/```js\n\/\/ ([\w/.-]+)\n([^]*?)```/g)].map(([, name = '', text = '']) => [name, text]);
}

interface TestRunner {
  readonly name: string;
  /** The heading of the page on frameworks that its files stand under. */
  readonly heading: string;
  readonly packages: readonly string[];
  readonly command: readonly string[];
}

/** Runs the test of the page on frameworks, as it stands there. */
function testRunner({ name, heading, packages, command }: TestRunner): Product {
  return {
    name,
    kind: 'test runner',
    packages: ['plimsoll', '@anthropic-ai/sdk@1.14.0', ...packages],
    async prove({ folder }) {
      const files = filesUnder(heading);
      if (files.length === 0) throw new Error(`the page on frameworks has nothing under ${heading}`);
      for (const [file, text] of files) {
        mkdirSync(dirname(join(folder, file)), { recursive: true });
        writeFileSync(join(folder, file), text);
      }
      const said = await done(folder, command);
      if (!/\b1 passed\b/.test(said)) throw new Error(`no test has passed:\n${said}`);
      return 'the test of the page on frameworks passes';
    },
  };
}

export const TEST_RUNNERS: readonly Product[] = [
  testRunner({ name: 'Vitest', heading: 'Vitest', packages: ['vitest@5.1.1'], command: ['vitest', 'run'] }),
  testRunner({
    name: 'Jest, under CommonJS',
    heading: 'Jest',
    packages: ['jest@30.5.2', 'esbuild@0.28'],
    command: ['jest', '--testMatch', '**/test/*.test.cjs'],
  }),
];
