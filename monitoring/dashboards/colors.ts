import type { Decision } from '../../src/budget/budget.ts';
import type { Outcome } from '../../src/vocabulary.ts';

const PALETTE = [
  'green',
  'orange',
  'purple',
  'red',
  'dark-red',
  'light-red',
  'yellow',
  'dark-orange',
  'blue',
  'text',
] as const;

type Color = (typeof PALETTE)[number];

const OF_OUTCOME: Readonly<Record<Outcome, Color>> = {
  ok: 'green',
  rate_limited: 'orange',
  spend_limited: 'dark-orange',
  overloaded: 'purple',
  server_error: 'red',
  timeout: 'dark-red',
  connection_error: 'light-red',
  invalid_request: 'blue',
  unauthorized: 'yellow',
  not_found: 'blue',
  too_large: 'blue',
  out_of_credit: 'dark-orange',
  payment_required: 'dark-orange',
  cancelled: 'text',
  stream_error: 'light-red',
  truncated: 'light-red',
  abandoned: 'text',
  blocked: 'dark-orange',
  failed_over: 'text',
};

const OF_DECISION: Readonly<Record<Decision, Color>> = {
  allowed: 'green',
  warned: 'yellow',
  blocked: 'dark-orange',
  unavailable: 'red',
};

const OF_STATUS = { 200: 'green', 429: 'orange', 529: 'purple', 500: 'red', 401: 'yellow', 400: 'blue' } as const;

/** Outcomes, statuses and decisions by their color, which is the same on every dashboard. */
export const COLORS: readonly { readonly color: Color; readonly names: readonly string[] }[] = PALETTE.map((color) => ({
  color,
  names: Object.entries<Color>({ ...OF_OUTCOME, ...OF_DECISION, ...OF_STATUS })
    .filter(([, own]) => own === color)
    .map(([name]) => name),
}));
