import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { adopts } from '../../testing/adopting.ts';
import { done, type Bench, type Product } from './product.ts';

const FORMATS = ['cjs', 'esm'] as const;
type Format = (typeof FORMATS)[number];

const FILES: Readonly<Record<Format, string>> = { cjs: 'app.cjs', esm: 'app.mjs' };

// Packages in CommonJS, which express is, call `require` of Node's own modules: an ES module has to bring one.
const REQUIRE = "import { createRequire as r } from 'node:module'; const require = r(import.meta.url);";

/** Bundles the README's program with all its packages, to both formats, and runs it where nothing is installed. */
function bundler(name: string, packages: readonly string[], configuration: (bench: Bench) => string): Product {
  return {
    name,
    kind: 'bundler',
    packages,
    async prove(bench: Bench) {
      const { folder, app, after } = bench;
      const [program = ''] = packages[0]?.split('@') ?? [];
      writeFileSync(join(folder, 'configuration.mjs'), configuration(bench));
      const args = program === 'webpack' ? ['build', '-c'] : ['--silent', '-c'];
      await done(folder, [program, ...args, 'configuration.mjs']);
      for (const format of FORMATS) {
        const file = join(folder, 'bundled', format, FILES[format]);
        // Outside of the folder of the product, which has packages.
        const bare = join(dirname(folder), `${basename(folder)}-${format}`);
        cpSync(dirname(file), bare, { recursive: true });
        const page = await adopts(
          { after },
          { folder: app, file: join(bare, FILES[format]), path: '/chat', labels: { route: '/chat' } },
        );
        assert.equal(page.samples.get('harbor_tides_total'), 1);
      }
      return 'one file of each format shows its metrics in the registry of the app';
    },
  };
}

const rollup = ({ app }: Bench): string => `
  import commonjs from '@rollup/plugin-commonjs';
  import json from '@rollup/plugin-json';
  import resolve from '@rollup/plugin-node-resolve';
  import terser from '@rollup/plugin-terser';
  const output = (format, file, banner) => ({
    file: 'bundled/' + format + '/' + file, format, banner, inlineDynamicImports: true, plugins: [terser()],
  });
  export default {
    input: ${JSON.stringify(join(app, 'own-metric.js'))},
    plugins: [resolve({ preferBuiltins: true, exportConditions: ['node'] }), commonjs(), json()],
    output: [output('cjs', 'app.cjs'), output('esm', 'app.mjs', ${JSON.stringify(REQUIRE)})],
  };
`;

const webpack = ({ app }: Bench): string => `
  const shared = { mode: 'production', target: 'node22', entry: ${JSON.stringify(join(app, 'own-metric.js'))} };
  const output = (format, filename) => ({ path: import.meta.dirname + '/bundled/' + format, filename });
  export default [
    { ...shared, output: { ...output('cjs', 'app.cjs'), library: { type: 'commonjs2' } } },
    { ...shared, output: { ...output('esm', 'app.mjs'), module: true, chunkFormat: 'module' }, experiments: { outputModule: true } },
  ];
`;

/** The files of the page on frameworks, by name. */
function guided(): Readonly<Record<string, string>> {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'frameworks.md'), 'utf8');
  const blocks = [...page.matchAll(/```ts\n(\/\/ ([\w/.-]+\.ts)\n[^]*?)```/g)];
  return Object.fromEntries(blocks.map(([, text = '', name = '']) => [name, text]));
}

/** Builds the files of the page on frameworks as a server with its packages, and runs that where nothing else is installed. */
const next: Product = {
  name: 'Next, standalone',
  kind: 'bundler',
  packages: [
    ...['plimsoll', '@anthropic-ai/sdk@1.14.0', 'next@16.4.6', 'react@19', 'react-dom@19'],
    ...['typescript@6', '@types/node@22', '@types/react@19'],
  ],
  async prove({ folder, app, after }) {
    const {
      'app/api/chat/route.ts': route = '',
      'instrumentation.ts': start = '',
      'next.config.ts': config = '',
    } = guided();
    const settings = "{ output: 'standalone', outputFileTracingRoot: process.cwd(),";
    mkdirSync(join(folder, 'app', 'api', 'chat'), { recursive: true });
    writeFileSync(join(folder, 'app', 'api', 'chat', 'route.ts'), route);
    writeFileSync(join(folder, 'instrumentation.ts'), start);
    writeFileSync(join(folder, 'next.config.ts'), config.replace('export default {', `export default ${settings}`));
    await done(folder, ['next', 'build']);
    const bare = `${folder}-standalone`;
    cpSync(join(folder, '.next', 'standalone'), bare, { recursive: true, verbatimSymlinks: true });
    const path = '/api/chat';
    await adopts({ after }, { folder: app, file: join(bare, 'server.js'), path, labels: { route: path } });
    return 'a route handler counts what the API bills, and its page is that of the one registry';
  },
};

export const BUNDLERS: readonly Product[] = [
  bundler('webpack', ['webpack@5.113.0', 'webpack-cli@7.3.1'], webpack),
  bundler(
    'rollup',
    [
      'rollup@4.68.8',
      '@rollup/plugin-commonjs@29.0.3',
      '@rollup/plugin-json@6.1.0',
      '@rollup/plugin-node-resolve@16.0.3',
      '@rollup/plugin-terser@1.0.2',
    ],
    rollup,
  ),
  next,
];
