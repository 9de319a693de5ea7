import type { Middleware, MiddlewareContext } from '@anthropic-ai/sdk';

/** The request as the SDK hands it to a middleware. */
export type SdkRequest = Parameters<Middleware>[0];

/** The SDK's options of a call: the same object for all attempts of it. */
export type SdkOptions = NonNullable<MiddlewareContext['options']>;
