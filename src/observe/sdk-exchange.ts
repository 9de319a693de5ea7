import type { Middleware, MiddlewareContext } from '@anthropic-ai/sdk';

/** The request as the SDK hands it to a middleware. */
export type SdkRequest = Parameters<Middleware>[0];

/** Hands a request on to what is nearer to the wire. */
export type SdkNext = Parameters<Middleware>[1];

/** The SDK's options of a call: the same object for all attempts of it. */
export type SdkOptions = NonNullable<MiddlewareContext['options']>;

/** The SDK's own span of a call. The one private field of the SDK's that is read: a contract test holds it. */
export function sdkSpan(options: SdkOptions): unknown {
  return (options as { readonly __span?: { readonly span?: unknown } }).__span?.span;
}
