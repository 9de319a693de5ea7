import { AsyncLocalStorage } from 'node:async_hooks';
import type { Attribution } from '../vocabulary.ts';

/** A label that is `undefined` has no value here, whatever is in force around it. */
type LateLabels = () => Readonly<Record<string, string | undefined>>;

/** Labels in force; asked for at each call, because some are known only then. */
interface Ambient {
  readonly outer: Ambient | undefined;
  readonly labels: LateLabels;
}

const ambient = new AsyncLocalStorage<Ambient>();

/**
 * Runs `fn` with attribution labels for every Claude call that is begun in it, however deep and however late, as long as
 * it is awaited from there. Labels of an outer `withAttribution` hold on unless named again. Only names that the client
 * declared (`attribution` of `instrument()`) become labels; others are ignored.
 *
 * @example
 * await withAttribution({ feature: 'search', tenant: 'acme' }, () => answer(question));
 */
export function withAttribution<T>(labels: Attribution, fn: () => T): T {
  return withLateAttribution(() => labels, fn);
}

/** The same with labels that are asked for when a call begins: once per call, never earlier. */
export function withLateAttribution<T>(labels: LateLabels, fn: () => T): T {
  return ambient.run({ outer: ambient.getStore(), labels }, fn);
}

/**
 * The labels in force here; `undefined` outside of any `withAttribution`. Labels that throw when they are asked for are
 * left out and passed to `onError`.
 */
export function ambientAttribution(onError: (error: unknown) => void): Attribution | undefined {
  const innermost = ambient.getStore();
  return innermost === undefined ? undefined : merged(innermost, onError);
}

function merged({ outer, labels }: Ambient, onError: (error: unknown) => void): Attribution {
  const around = outer === undefined ? {} : merged(outer, onError);
  try {
    return { ...around, ...labels() } as Attribution;
  } catch (error) {
    onError(error);
    return around;
  }
}
