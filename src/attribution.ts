import { AsyncLocalStorage } from 'node:async_hooks';
import type { Attribution } from './vocabulary.ts';

const ambient = new AsyncLocalStorage<Attribution>();

/**
 * Runs `fn` with attribution labels for every Claude call that is begun in it, however deep and however late, as long as
 * it is awaited from there. Labels of an outer `withAttribution` hold on unless named again. Only names that the client
 * declared (`attribution` of `instrument()`) become labels; others are ignored.
 *
 * @example
 * await withAttribution({ feature: 'search', tenant: 'acme' }, () => answer(question));
 */
export function withAttribution<T>(labels: Attribution, fn: () => T): T {
  const outer = ambient.getStore();
  return ambient.run(outer === undefined ? labels : { ...outer, ...labels }, fn);
}

/** The labels in force here; `undefined` outside of any `withAttribution`. */
export function ambientAttribution(): Attribution | undefined {
  return ambient.getStore();
}
