/**
 * What a child process has of the environment of the tests: nothing of who runs them. With it come the sources that the
 * test runner has compiled, where it did.
 */
export const BARE_ENV: Readonly<Record<string, string>> = Object.fromEntries(
  ['PATH', 'NODE_COMPILE_CACHE'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  }),
);
