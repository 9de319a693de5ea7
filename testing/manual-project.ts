import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProjectOptions } from './packed.ts';

const root = join(import.meta.dirname, '..');
const page = (path: string): string => readFileSync(join(root, path), 'utf8');

export const README = page('README.md');

const [, readmeCode = ''] = /```ts\n([^]*?)```/.exec(README) ?? [];

/** The program of the README, unedited. */
export const README_CODE = readmeCode;

/** The blocks of the page on frameworks that begin with their file's name. */
const frameworks = Object.fromEntries(
  [...page('docs/frameworks.md').matchAll(/```ts\n(\/\/ ([\w/.-]+\.ts)\n[^]*?)```/g)].map(
    ([, text = '', name = '']) => [name, text],
  ),
);

/** Stands in for Next: what it does with the files of the guide. */
const asNext = `
  import { serve } from 'plimsoll/http';
  import { POST } from './app/api/chat/route.js';
  import { register } from './instrumentation.js';
  await register();
  await serve(POST, { port: Number(process.env.PORT) });
`;

/** The README's program, with a metric of its own beside plimsoll's. */
const withOwnMetric = `${readmeCode}
import { Counter } from 'prom-client';

new Counter({ name: 'harbor_tides_total', help: 'Tides.' }).inc();
`;

/** The same with a ledger in a file. */
const withLedger = `${withOwnMetric}
import { budgets, sqliteLedger } from 'plimsoll/budget';
instrument(new Anthropic(), {
  key: 'second',
  budgets: budgets({ definitions: [{ name: 'all', period: 'day', usd: 1 }], ledger: sqliteLedger('budgets.db') }),
});
`;

const [, embedded = ''] = /```ts\n(\/\/ embedded\.ts\n[^]*?)```/.exec(page('docs/gateway-operations.md')) ?? [];

/** Every program of README, manual and examples that is an ES module on the newest SDK: to install and compile them once. */
export const MANUAL_PROJECT: ProjectOptions = {
  name: 'manual',
  type: 'module',
  dependencies: {
    '@anthropic-ai/sdk': '1.14.0',
    'sdk-too-old': 'npm:@anthropic-ai/sdk@0.100.1',
    express: '^5.3.0',
    '@types/express': '^5.0.6',
    fastify: '^5.0.0',
    hono: '^4.8.0',
    '@hono/node-server': '^1.14.0',
    'prom-client': '^15.1.0',
    '@types/node': '^22.20.5',
  },
  sources: {
    'app.ts': readmeCode,
    ...frameworks,
    'as-next.ts': asNext,
    'own-metric.ts': withOwnMetric,
    'ledger.ts': withLedger,
    'service.ts': page('examples/express/service.ts'),
    'embedded.ts': embedded,
  },
};
