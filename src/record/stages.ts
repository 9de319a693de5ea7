/** Where plimsoll can fail and let the call through: the closed set of the label `stage`. */
export const STAGES = [
  'middleware',
  'guard',
  'body',
  'usage',
  'rejection',
  'limiters',
  'pricing',
  'recorder',
  'registry',
  'scrape',
  'spans',
  'attribution',
  'budget',
  'ledger',
  'tier',
  'retry',
  'routing',
  'organization',
  'gateway',
  'on_call',
  'other',
] as const;
export type Stage = (typeof STAGES)[number];

/** What is told of an error that was swallowed. */
export type OnError = (stage: Stage, error: unknown) => void;
