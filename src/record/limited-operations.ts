/**
 * The operations that use the rate limits of a model class. Counting tokens and batches have limits of their
 * own under the same header names, which would overwrite these.
 */
export const LIMITED_OPERATIONS: ReadonlySet<string> = new Set(['messages.create', 'messages.stream']);
