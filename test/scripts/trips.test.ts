import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import test, { before } from 'node:test';
import { MOST_FILES } from '../../scripts/trips/most-files.ts';
import type { Trip } from '../../scripts/trips/trips.ts';

const script = join(import.meta.dirname, '..', '..', 'scripts', 'trips', 'main.ts');

let trips: readonly Trip[];
before(() => {
  const args = ['--no-warnings', '--conditions=plimsoll-source', script, '--json'];
  trips = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as readonly Trip[];
});

for (const [name, most] of Object.entries(MOST_FILES)) {
  test(`a call of the kind "${name}" goes through at most ${most} files of src/`, () => {
    const { files } = trips.find((trip) => trip.name === name) ?? { files: [] };
    assert.ok(files.length > 10, 'nothing was recorded');
    assert.ok(files.length <= most, `${files.length} files: ${files.join(' > ')}`);
  });
}
