import { join } from 'node:path';
import { adopts } from '../../testing/adopting.ts';
import type { Bench, Product } from './product.ts';

/** Runs the README's program as it is, and compares its metrics with what the simulated API billed. */
function runtime(name: string, packages: readonly string[], command: readonly [string, ...string[]]): Product {
  return {
    name,
    kind: 'runtime',
    packages,
    async prove({ folder, app, after }: Bench) {
      const [program, ...args] = command;
      const runtime = [join(folder, 'node_modules', '.bin', program), ...args];
      await adopts(
        { after },
        { folder: app, file: 'own-metric.js', path: '/chat', labels: { route: '/chat' }, runtime },
      );
      return 'the program of the README counts what the API bills';
    },
  };
}

export const RUNTIMES: readonly Product[] = [
  runtime('Node 22.15', ['node@22.15.0'], ['node']),
  runtime('Node 24', ['node@24'], ['node']),
  runtime('Node 26', ['node@26'], ['node']),
  runtime('Bun', ['bun@1.4.5'], ['bun']),
  runtime('Deno', ['deno@2.9.6'], ['deno', 'run', '--allow-all']),
];
