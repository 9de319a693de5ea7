import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';

const module = join(import.meta.dirname, '..', '..', '..', 'scripts', 'guide', 'virtual-time.ts');

test('virtual time goes from timer to timer, in the order in which they are due, and waits for nothing', async () => {
  const program = `
    import { virtualTime } from '${module}';
    virtualTime(Date.UTC(2026, 0, 1));
    const said = [];
    const say = (word) => said.push(word + ' ' + new Date().toISOString().slice(11, 19) + ' ' + performance.now());
    setTimeout(say, 3_600_000, 'later');
    setTimeout(say, 1_000, 'soon');
    clearTimeout(setTimeout(say, 2_000, 'never'));
    setTimeout(say, 86_400_000, 'when nobody waits').unref();
    setTimeout(() => setTimeout(say, 500, 'after it'), 1_000);
    process.on('exit', () => console.log(said.join('\\n')));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  assert.deepEqual(stdout.trimEnd().split('\n'), [
    'soon 00:00:01 1000',
    'after it 00:00:01 1500',
    'later 01:00:00 3600000',
  ]);
});
