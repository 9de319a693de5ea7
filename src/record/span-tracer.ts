import type { ProxyTracerProvider, Tracer, TracerProvider } from '@opentelemetry/api';
import { VERSION } from '../version.ts';

/**
 * plimsoll's tracer of a provider, or `null` where the API's own provider stands in because none has been registered:
 * its tracers would make spans that are nothing, and allocate them.
 */
export function tracerOf(provider: TracerProvider): Tracer | null {
  if ('getDelegateTracer' in provider) {
    return (provider as ProxyTracerProvider).getDelegateTracer('plimsoll', VERSION) ?? null;
  }
  return provider.getTracer('plimsoll', VERSION);
}
