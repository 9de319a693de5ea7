/**
 * `npm run trips [-- --routes | --json]` counts the files of `src/` that one call goes through: for each trip the files, the
 * functions entered, and how often the call comes back to a file that it had left. `--routes` names the files in order.
 * A test holds the files of each trip at what `most-files.ts` says.
 */
import { parseArgs } from 'node:util';
import { MOST_FILES } from './most-files.ts';
import { recordFunctions } from './functions.ts';
import type { Trip } from './trips.ts';

const { values } = parseArgs({ options: { routes: { type: 'boolean' }, json: { type: 'boolean' } } });

function print({ name, functions, files, returns }: Trip): void {
  const counts = [
    `${files.length} files (at most ${MOST_FILES[name]})`,
    `${functions} functions`,
    `${returns} returns`,
  ];
  console.log(`${name.padEnd(18)} ${counts.join(', ')}`);
  if (values.routes === true) console.log(`    ${files.join(' > ')}`);
}

// Before anything of src/ is loaded: modules that are loaded already are not recorded.
recordFunctions();
const { trips } = await import('./trips.ts');
const traveled = await trips();
if (values.json === true) console.log(JSON.stringify(traveled));
else for (const trip of traveled) print(trip);
