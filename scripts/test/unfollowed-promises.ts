/**
 * Loaded before a test file: node:test then does not follow every promise, which it does to know the test that an error
 * belongs to when nobody caught it. Such an error fails the file all the same, without the test's name. What the tests of a
 * file take goes down by a third where they make promises by the million.
 */
import hooks from 'node:async_hooks';
import { syncBuiltinESMExports } from 'node:module';

const { createHook } = hooks;

// The first hook is that of node:test.
hooks.createHook = (callbacks) => {
  hooks.createHook = createHook;
  syncBuiltinESMExports();
  return createHook({ ...callbacks, trackPromises: false } as Parameters<typeof createHook>[0]);
};
