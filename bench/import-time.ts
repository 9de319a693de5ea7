import { execFileSync } from 'node:child_process';
import { spread, type Spread } from './compare.ts';

const SCRIPT = `
const before = performance.now();
await import(process.argv[1]);
console.log(performance.now() - before);
`;

/** Milliseconds that `import 'plimsoll'` takes in a fresh process, from the built package, all its imports included. */
export function importMs(rounds: number): Spread {
  const entry = new URL('../dist/index.js', import.meta.url).href;
  const figures = Array.from({ length: rounds }, () =>
    Number(execFileSync(process.execPath, ['--input-type=module', '-e', SCRIPT, entry], { encoding: 'utf8' })),
  );
  return spread(figures);
}
