import { createRequire } from 'node:module';
import type { MetricRegistry } from './registry.ts';

/**
 * prom-client's own `register`. prom-client is loaded at the first call and not before: a program with a registry of its
 * own does not load a second copy.
 */
export function defaultRegistry(): MetricRegistry {
  const { register } = createRequire(import.meta.url)('prom-client') as { register: MetricRegistry };
  return register;
}
